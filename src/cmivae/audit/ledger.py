"""The ledger of claims: what the paper says, what its own tables say of that, and what a workspace's cells say."""

from collections.abc import Callable
from textwrap import wrap
from typing import Any

from cmivae.audit.address import shell_safe
from cmivae.audit.book import Book
from cmivae.audit.render import line, number, table
from cmivae.errors import UserError
from cmivae.results.claims import BELOW, Claim, claims, heading, our_parts, printed_parts
from cmivae.results.contrast_words import at_equal_kl
from cmivae.results.contrasts import Contrast, comparison, printed_comparison
from cmivae.results.evidence import Comparison, Pair, Part
from cmivae.results.record import Cell
from cmivae.results.verdicts import LEGEND, NOT_RUN, WORDS, judge, verdict

PREFIX = "claim:"
SHOWN = 3  # exceptions to the wording; the rest is counted
CAUTION = "not the paper's scale, so that this says nothing of what the paper's setting would give"


def claim_of(text: str) -> Claim:
    """The claim that ``claim:C2`` names.

    Raises:
        UserError: there is none.
    """
    key = text.removeprefix(PREFIX).strip().upper()
    if key not in claims():
        raise UserError(f"there is no claim {key!r}", where=text, fix=f"known: {', '.join(claims())}")
    return claims()[key]


def ledger(book: Book) -> dict[str, Any]:
    """Every claim; cells are read where there are any."""
    return _about(book) | {"claims": [claim_facts(book, claim) for claim in claims().values()]}


def _about(book: Book) -> dict[str, Any]:
    label = book.study.params.label
    return {"label": label, "note": book.study.params.note, "caution": "" if label == "paper" else CAUTION}


def claim_facts(book: Book, claim: Claim) -> dict[str, Any]:
    """One claim: the paper's evidence and ours, each with a verdict and all pairs."""
    cells = book.cells() if book.has_cells else []
    paper, parts = printed_parts(claim), our_parts(claim, book.study.params, cells)
    about = {"claim": claim.key, "statement": claim.statement, "where": claim.where}
    evidence = _evidence(paper, printed_comparison) | _against(paper)
    tables = book.study.params.tables
    ours = _evidence(parts, lambda table: comparison(cells, tables[table].dataset) if table in tables else [])
    return _about(book) | about | {"paper": evidence, "ours": ours}


def cells_of_claim(book: Book, claim: Claim) -> list[Cell]:
    """The cells of a workspace that a claim rests on.

    Raises:
        UserError: there is none.
    """
    cells = {cell.address: cell for cell in book.cells()}
    parts = our_parts(claim, book.study.params, cells.values())
    sides = [side for part in parts for pair in part.pairs for side in (pair.ours, pair.rival)]
    found = dict.fromkeys(place for side in sides for place in (side.place, *side.rests) if place in cells)
    if not found:
        raise UserError(
            f"claim {claim.key} was not run here", fix=f"cmivae audit {PREFIX}{claim.key} says what it needs"
        )
    return [cells[address] for address in found]


def _evidence(parts: list[Part], contrasts: Callable[[str], list[Contrast]]) -> dict[str, Any]:
    found = []
    for part in parts:
        how = part.comparison.column, part.comparison.ours, part.comparison.rival
        same = [each for each in contrasts(part.table) if (each.column, each.ours, each.rival) == how and each.matched]
        found.append(_part(part) | {"same_kl": at_equal_kl(same[0]) if same else ""})
    word = verdict(parts)
    return {"verdict": word.word, "at": list(word.where), "parts": found}


def _against(parts: list[Part]) -> dict[str, list[str]]:
    """Printed numbers that the text's own words do not allow."""
    found = [
        f'"{part.comparison.wording}": not {pair.ours.place} {number(pair.ours.value)} '
        f"against {number(pair.rival.value)}"
        for part in parts
        for pair in part.exceptions
        if part.comparison.wording
    ]
    return {"against_wording": found}


def _part(part: Part) -> dict[str, Any]:
    how = part.comparison
    word = judge(part)
    return {
        "table": part.table,
        "column": how.column,
        "says": _says(how),
        "held": part.count("held"),
        "against": part.count("against"),
        "tied": part.count("tied"),
        "missing": part.count("missing"),
        "beyond": part.count("beyond"),
        "quantifier": how.quantifier,
        "counts": part.counts if part.compared or part.count("beyond") else word.word,
        "sign_test_p": part.p,
        "told_from_chance": {"held": len(part.told("held")), "against": len(part.told("against"))},
        "overall_p": part.overall.p if part.overall else None,
        "verdict": word.word,
        "says_verdict": str(word),
        "pairs": [_pair(pair, p) for pair, p in zip(part.pairs, part.holm, strict=True)],
    }


def _says(how: Comparison) -> str:
    if how.rival == BELOW:
        return f"{heading(how)} of {how.ours} falls with gamma"
    level = f"within {how.within:.0%} of" if how.better == "same" else f"{how.better} than"
    return f"{heading(how)} of {how.ours} {level} {how.rival}{' at the same KL(z)' if how.along == 'kl' else ''}"


def _pair(pair: Pair, holm: float | None) -> dict[str, Any]:
    sides = {
        name: {"address": side.place, "value": side.value, "problem": side.problem, "read_off": bool(side.rests)}
        for name, side in (("ours", pair.ours), ("rival", pair.rival))
    }
    ours, rival = pair.ours.value, pair.rival.value
    difference = None if ours is None or rival is None else ours - rival
    seeds = {"held": pair.seeds[0], "of": pair.seeds[1]} if pair.seeds[1] else None
    return {"gamma": pair.gamma, **sides, "difference": difference, "p": pair.p, "holm": holm,
            "outcome": pair.outcome, "seeds": seeds}  # fmt: skip


def ledger_text(found: dict[str, Any]) -> str:
    """The ledger in words: three lines a claim, and the exceptions."""
    lines = [workspace_line(found["label"], found["note"])]
    for each in found["claims"]:
        lines += ["", f"{each['claim']}  {each['statement']}", line("where", each["where"])]
        lines += [*_short("paper", each["paper"]), *_short("ours", each["ours"], found["label"])]
    return "\n".join([*lines, "", f"cmivae audit {PREFIX}C1 shows the pairs behind a line.", *_legend()])


def _legend() -> list[str]:
    """What counts and words mean, as docs/statistics.md and the report have it."""
    lines = [
        "Counts are gammas held/compared. The words:",
        *(f"  {word:<16}{meaning}" for word, meaning in WORDS.items()),
    ]
    return [*lines, *wrap(LEGEND, 118), "cmivae compare shows these tests; docs/statistics.md says more."]


def workspace_line(label: str, note: str) -> str:
    """Which workspace speaks, and that it is not the paper where it is not."""
    caution = "" if label == "paper" else f": {CAUTION}"
    return f"{label} workspace{caution}" + (f" ({note})" if note else "")


def _short(name: str, evidence: dict[str, Any], label: str = "paper") -> list[str]:
    by: dict[str, list[str]] = {}
    for part in evidence["parts"]:
        less = "".join(f", {part[why]} {why}" for why in ("missing", "beyond") if part[why] and "/" in part["counts"])
        by.setdefault(part["says"], []).append(f"{part['counts']} ({part['table']}{less})")
    texts = [f"{says} {', '.join(counts)}" for says, counts in by.items()]
    scale = f" ({label} workspace)" if label != "paper" and evidence["verdict"] != NOT_RUN else ""
    lines = [line(name, f"{evidence['verdict']}{scale}: {texts[0]}"), *(line("", text) for text in texts[1:])]
    against = evidence.get("against_wording", [])
    lines += [] if against else [line("", f"{evidence['verdict']}: {text}") for text in evidence["at"]]
    lines += [line("", f"printed against {text}") for text in against[:SHOWN]]
    return lines + ([line("", f"and {len(against) - SHOWN} more (--json has all)")] if len(against) > SHOWN else [])


def claim_text(found: dict[str, Any]) -> str:
    """One claim with all its pairs, and how to audit the cells that it rests on."""
    lines = [f"{found['claim']}  {found['statement']}", line("where", found["where"])]
    lines.append(line("label", workspace_line(found["label"], found["note"])))
    for name in ("paper", "ours"):
        lines += ["", *_short(name, found[name], found["label"] if name == "ours" else "paper")]
        for part in found[name]["parts"]:
            lines += _pairs(part)
    asked = [pair["ours"]["address"] for part in found["ours"]["parts"] for pair in part["pairs"]
             if pair["ours"]["value"] is not None]  # fmt: skip
    lines.append("")
    if asked:
        lines.append(line("audit", f"cmivae audit {shell_safe(asked[0])}, and so any address above"))
        lines.append(line("prove", f"cmivae verify {PREFIX}{found['claim']} --level L3"))
    else:
        lines.append(line("audit", "no cell of this workspace is compared here"))
    return "\n".join(lines)


def _pairs(part: dict[str, Any]) -> list[str]:
    if not part["pairs"]:
        return []
    rows = [[f"{part['table']}, {part['column']}", "value", "rival", "value", "difference", "p", "Holm", "", "seeds"]]
    for pair in part["pairs"]:
        ours, rival, seeds = pair["ours"], pair["rival"], pair["seeds"]
        rows.append([
            ours["address"], ours["problem"] or number(ours["value"]), rival["address"],
            rival["problem"] or number(rival["value"]), number(pair["difference"]),
            _p(pair["p"]), _p(pair["holm"]), pair["outcome"],
            f"{seeds['held']}/{seeds['of']}" if seeds else "",
        ])  # fmt: skip
    p = "" if part["sign_test_p"] is None else f", sign test p {part['sign_test_p']:.2g}"
    told = sum(part["told_from_chance"].values())
    ran = len(part["pairs"]) - part["missing"]
    alone = (
        f", told from chance by itself {told} of {ran}" if any(pair["p"] is not None for pair in part["pairs"]) else ""
    )
    mean = "" if part["overall_p"] is None else f", averaged over γ p {part['overall_p']:.2g}"
    asked = f"claimed at {part['quantifier']} γ"
    lines = ["", *table(rows)]
    lines.append(line("", f"{part['says']}: {part['counts']}, {asked}{p}{alone}{mean}: {part['says_verdict']}"))
    return [*lines, line("", f"at the same KL(z): {part['same_kl']}")] if part["same_kl"] else lines


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.2g}"
