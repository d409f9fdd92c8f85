"""``cmivae diff``: two cells or two runs side by side; values, parameters that differ, a paired test over seeds."""

from typing import Any

from cmivae.audit.address import parse
from cmivae.audit.book import Book
from cmivae.audit.facts import differing, resolved
from cmivae.audit.render import line, number, table
from cmivae.audit.verdict import paired
from cmivae.audit.why import wanted
from cmivae.errors import UserError
from cmivae.provenance.io import read_json
from cmivae.provenance.ledger import Record
from cmivae.registry import RUN_STAGES
from cmivae.results.record import Cell


def compare(book: Book, a: str, b: str) -> dict[str, Any]:
    """Compare two cells, or else two runs.

    Raises:
        UserError: one of them is neither, or they are of different kinds.
    """
    first, second = _cell(book, a), _cell(book, b)
    if first and second:
        return _cells(book, first, second)
    if first or second:
        raise UserError("a cell and something else cannot be compared", where=f"{a}, {b}", fix="give two cells or runs")
    return _runs(book, _run(book, a), _run(book, b))


def _cell(book: Book, text: str) -> Cell | None:
    try:
        address = parse(text, list(book.study.params.tables))
    except UserError:
        return None
    if not address.rest:
        raise UserError(f"{text} is a row", fix=f"name a column, e.g. {address}.{book.row(address)[0].column}")
    return book.cell(address)[0]


def _cells(book: Book, a: Cell, b: Cell) -> dict[str, Any]:
    ours, theirs = _by_seed(book, a), _by_seed(book, b)
    shared = sorted(ours.keys() & theirs.keys())
    found: dict[str, Any] = {
        "a": {"address": a.address, "value": a.value, "se": a.se, "n": a.n, "problem": a.problem},
        "b": {"address": b.address, "value": b.value, "se": b.se, "n": b.n, "problem": b.problem},
        "seeds": [{"seed": seed, "a": ours[seed], "b": theirs[seed]} for seed in shared],
        "test": None,
        "differs": [],
    }
    if shared and a.column == b.column:
        found["test"] = paired([ours[seed] for seed in shared], [theirs[seed] for seed in shared])
    if a.runs and b.runs:
        found["differs"] = differing(_params(book, a.runs[0].run), _params(book, b.runs[0].run))
    return found


def _by_seed(book: Book, cell: Cell) -> dict[int, float]:
    """Numbers of single runs, as the cell shows them; subsets of a baseline have no seed."""
    sign = -1 if cell.aggregate == "minus mean" else 1
    found = {}
    for run in cell.runs:
        seed = next((r.values["params"]["seed"] for r in book.chain(run.run) if "seed" in r.values["params"]), None)
        if seed is not None and isinstance(run.value, int | float):
            found[seed] = sign * run.value
    return found


def _params(book: Book, folder: str) -> dict[str, Any]:
    return resolved(list(book.chain(folder)))


def _run(book: Book, name: str) -> Record:
    """The evaluated run, or the last stage of it that there is."""
    folders = [folder for folder in wanted(book, name) if folder.split("/")[1] in (*RUN_STAGES, "baseline")]
    if not folders:
        fix = "give two runs such as mnist-cmi-g030/s0, or two cells; cmivae why says how other artefacts stand"
        raise UserError("only runs can be compared", where=name, why="it is no run", fix=fix)
    made = [record for folder in folders if (record := book.record(folder)) is not None]
    if not made:
        raise UserError(
            f"{name} was not made yet", fix="snakemake or dvc repro makes it; cmivae plan says what is left"
        )
    return made[-1]


def _runs(book: Book, a: Record, b: Record) -> dict[str, Any]:
    one, other = a.values["folder"], b.values["folder"]
    metrics = [_metrics(record) for record in (a, b)]
    differs = [each for each in differing(*metrics) if isinstance(each["here"] or each["there"], int | float)]
    seeds = [next((r.values["params"].get("seed") for r in book.chain(f) if r.values["stage"] == "train"), None)
             for f in (one, other)]  # fmt: skip
    return {
        "a": {"address": one, "run_id": a.run_id, "seed": seeds[0]},
        "b": {"address": other, "run_id": b.run_id, "seed": seeds[1]},
        "metrics": [{"key": each["key"], "a": each["there"], "b": each["here"]} for each in differs],
        "differs": differing(_params(book, one), _params(book, other)),
        "code": sorted(key for key, value in b.values["code"].items() if a.values["code"].get(key, value) != value),
    }


def _metrics(record: Record) -> dict[str, Any]:
    path = record.path.parent / "metrics.json"
    return _flat_numbers(read_json(path)) if path.is_file() else {}


def _flat_numbers(value: Any, prefix: str = "") -> dict[str, Any]:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for key, inner in value.items():
            found |= _flat_numbers(inner, f"{prefix}/{key}")
        return found
    return {prefix: value} if isinstance(value, int | float) and not isinstance(value, bool) else {}


def compare_text(found: dict[str, Any]) -> str:
    """A comparison in words."""
    a, b = found["a"], found["b"]
    if "metrics" in found:
        lines = [f"{a['address']}  ->  {b['address']}", line("seed", f"{number(a['seed'])} -> {number(b['seed'])}")]
        lines += table([["metric", "a", "b"], *([m["key"], number(m["a"]), number(m["b"])] for m in found["metrics"])])
        lines += [line("code", f"differs in {', '.join(found['code'])}")] if found["code"] else []
    else:
        lines = [f"{each['address']} = {each['problem'] or number(each['value'])}   (se {number(each['se'])}, "
                 f"n {each['n']})" for each in (a, b)]  # fmt: skip
        lines += table(
            [["seed", "a", "b"], *([str(s["seed"]), number(s["a"]), number(s["b"])] for s in found["seeds"])]
        )
        lines.append(line("paired", _test(found["test"]) if found["test"] else _no_test(found)))
    for each in found["differs"]:
        lines.append(line("differs", f"{each['key']}: {number(each['there'])} -> {number(each['here'])}"))
    return "\n".join(lines if found["differs"] else [*lines, line("differs", "in no parameter")])


def _no_test(found: dict[str, Any]) -> str:
    """Why two cells were not tested against each other."""
    return "no test: the cells are of other columns" if found["seeds"] else "no shared seeds"


def _test(test: dict[str, Any]) -> str:
    if test["interval"] is None:
        why = "one seed" if test["n"] == 1 else f"all {test['n']} seeds differ by the same"
        return f"difference {number(test['difference'])}; {why}: no test"
    low, high = test["interval"]
    text = f"difference {number(test['difference'])} (95 % CI {number(low)} to {number(high)}), "
    return text + f"p {test['p']:.3g}, paired t-test over {test['n']} seeds"
