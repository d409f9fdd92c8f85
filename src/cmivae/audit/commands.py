"""The audit's commands: parse, call, print. What a command needs is imported when it is called."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cmivae.errors import UserError

if TYPE_CHECKING:
    from cmivae.audit.book import Book

COMMANDS = ("audit", "verify", "claims", "compare", "why", "diff", "plan", "status", "doctor", "export")
LEVELS = ("L0", "L1", "L2", "L3", "L4", "L5")


def register(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add all commands of the audit; ``add`` takes name, function, help and an example."""
    command = add("audit", _audit, "say what made a number, a row or a point", "cmivae audit t4.cmi.g0.3.aolr")
    addresses = "'T4[cmi,0.3].aolr' or t4.cmi.g0.3.aolr, 'T4[cmi,0.3]', 'F3a[cmi,0.3]', claim:C2"
    command.add_argument("address", help=addresses)
    _json(command)
    command = add("verify", _verify, "prove numbers, from links to training again", "cmivae verify --level L2")
    command.add_argument("address", nargs="?", help="a cell, row, point or claim; left out: everything")
    command.add_argument("--all", action="store_true", help="everything (the default without an address)")
    command.add_argument("--level", type=_level, default="L2", help="L0 links, L1 hashes, L2 digits from metrics, "
                         "L3 metrics from embeddings, L4 embeddings from weights, L5 weights from data "
                         "(default: %(default)s; each level includes those before it)")  # fmt: skip
    _json(command)
    _json(add("claims", _claims, "weigh the paper's claims, by its numbers and by ours", "cmivae -C demo claims"))
    command = add("compare", _compare, "compare objectives: at each gamma, across gammas, at the same KL(z)",
                  "cmivae -C demo compare digits --column aolr")  # fmt: skip
    command.add_argument("dataset", nargs="?", help="a data set of params.yaml; left out: all")
    command.add_argument("--column", help="one column, such as aolr or eer_z")
    _json(command)
    command = add("why", _why, "say why a run is stale, or that it is not", "cmivae why mnist-cmi-g030/s0")
    command.add_argument("run", help="a run (mnist-cmi-g030/s0), a folder (runs/train/mnist-cmi-g030/s0) or an address")
    command = add("diff", _diff, "compare two cells or two runs", "cmivae diff t4.cmi.g0.3.aolr t4.beta.g0.3.aolr")
    command.add_argument("a", help="a cell or a run")
    command.add_argument("b", help="another")
    _json(command)
    command = add("plan", _plan, "count what is done and to do, with hours and disk", "cmivae plan")
    command.add_argument("--measure", action="store_true", help="time some steps of each kind on this machine now")
    _json(command)
    _json(add("status", _status, "show how far running jobs are", "cmivae status"))
    add("doctor", _doctor, "say what is missing on this machine, and the fix", "cmivae doctor")
    command = add("export", _export, "make a release archive that proves itself", "cmivae export release.tar.gz")
    command.add_argument("target", help="archive to write, FILE.tar.gz, or a folder")
    command.add_argument("--with-embeddings", action="store_true", help="add what verify --level L3 needs")
    command.add_argument("--ro-crate", action="store_true", help="describe it as a Workflow Run RO-Crate too")
    command.add_argument("--by", metavar="NAME", help="who ran it, for the RO-Crate: 'NAME' or 'NAME, ORCID'")


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for machines")


def _level(text: str) -> str:
    level = text.upper() if text.upper().startswith("L") else f"L{text}"
    if level not in LEVELS:
        raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(LEVELS)}")
    return level


def _print(value: Any, text: Callable[[Any], str], as_json: bool) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False) if as_json else text(value))


def _book(options: argparse.Namespace) -> "Book":
    from cmivae.audit.book import Book

    return Book(options.workspace)


def _audit(options: argparse.Namespace) -> None:
    from cmivae.audit.address import parse
    from cmivae.audit.facts import cell_facts, row_facts
    from cmivae.audit.points import point_facts
    from cmivae.audit.render import audit_text

    book = _book(options)
    if options.address.startswith("claim:"):
        from cmivae.audit.ledger import claim_facts, claim_of, claim_text

        _print(claim_facts(book, claim_of(options.address)), claim_text, options.json)
        return
    address = parse(options.address, book.names)
    if address.name in book.study.params.figures:
        facts = point_facts(book, address)
    elif address.rest:
        facts = cell_facts(book, *book.cell(address))
    else:
        facts = row_facts(book, book.row(address))
    _print(facts, audit_text, options.json)


def _verify(options: argparse.Namespace) -> None:
    from cmivae.audit.report import verify_text
    from cmivae.audit.verify import verify

    if options.all and options.address:
        raise UserError("an address and --all exclude each other", where=options.address, fix="give one of them")
    report = verify(_book(options), options.address, options.level)
    _print(report.to_json(), lambda _: verify_text(report), options.json)
    if report.findings:
        raise UserError(
            f"not verified: {len(report.findings)} findings",
            where=report.findings[0].path,
            why=report.findings[0].what,
            fix=report.findings[0].fix,
        )


def _claims(options: argparse.Namespace) -> None:
    from cmivae.audit.ledger import ledger, ledger_text

    _print(ledger(_book(options)), ledger_text, options.json)


def _compare(options: argparse.Namespace) -> None:
    from cmivae.audit.contrasts import compare_objectives, contrasts_text, to_json

    found = compare_objectives(_book(options), options.dataset, options.column)
    _print(to_json(found) if options.json else found, contrasts_text, options.json)


def _why(options: argparse.Namespace) -> None:
    from cmivae.audit.why import why_text

    print(why_text(_book(options), options.run))


def _diff(options: argparse.Namespace) -> None:
    from cmivae.audit.compare import compare, compare_text

    _print(compare(_book(options), options.a, options.b), compare_text, options.json)


def _plan(options: argparse.Namespace) -> None:
    from cmivae.audit.plan import plan, plan_text

    _print(plan(_book(options), options.measure), plan_text, options.json)


def _status(options: argparse.Namespace) -> None:
    from cmivae.audit.live import live, live_text

    _print(live(_book(options)), live_text, options.json)


def _doctor(options: argparse.Namespace) -> None:
    from cmivae.audit.doctor import doctor

    lines, missing = doctor(options.workspace)
    print("\n".join(lines))
    if missing:
        raise UserError(f"{missing} things are missing on this machine", fix="see the lines marked MISSING")


def _export(options: argparse.Namespace) -> None:
    from cmivae.audit.export import export

    if options.by is not None and not options.ro_crate:
        raise UserError("--by is of the RO-Crate, and none is asked for", where="--by", fix="add --ro-crate")
    print(export(_book(options), options.target, options.with_embeddings, options.ro_crate, options.by))
