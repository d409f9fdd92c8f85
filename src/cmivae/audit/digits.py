"""Level L2: the printed digits once more, from the metric files alone, and every drawn point from its cell."""

from pathlib import Path

from cmivae.audit.book import CELLS, FIGURES, TABLES, Book
from cmivae.audit.findings import Done
from cmivae.audit.hashes import Checker
from cmivae.audit.points import cells_of, drawn_numbers, read_points, row_name
from cmivae.audit.replay import replayed
from cmivae.errors import UserError
from cmivae.provenance.io import read_json
from cmivae.results.cells import AGGREGATES, read_pointer
from cmivae.results.record import Cell


def check_digits(checker: Checker, cells: list[Cell], figures: list[str]) -> None:
    """L2 for these cells, the whole of their tables and these figures."""
    done = Done("L2", "values, errors and printed tables from metrics; drawn points from cells", "exact", 0)
    metrics: dict[str, dict] = {}
    if CELLS in checker.report.bad:
        done.notes.append(f"no value computed again: {CELLS} does not hold")
        cells = []
    for cell in cells:
        if cell.runs and not _damaged(checker, cell):
            _recompute(checker, cell, metrics)
            done.count += 1
    tables = checker.book.study[TABLES]
    above = {path for name in tables.inputs for path in checker.report.bad if path.startswith(f"{name}/")}
    if above:
        done.notes.append(f"tables not made again: {len(above)} of the files that they are made from do not hold")
    else:
        done.count += _tables(checker)
    for name in figures:
        done.count += _figure(checker, name)
    checker.report.done.append(done)


def _damaged(checker: Checker, cell: Cell) -> bool:
    return any(path.startswith(f"{run.run}/") for run in cell.runs for path in checker.report.bad)


def _recompute(checker: Checker, cell: Cell, metrics: dict[str, dict]) -> None:
    values = []
    for run in cell.runs:
        path = _metrics_file(checker.book, run.run, run.metrics_sha256)
        if path is None:
            checker.add("L2", CELLS, f"{cell.address}: no file of {run.run} has the digest that the cell names")
            return
        if path not in metrics:
            metrics[path] = read_json(checker.book.workspace / path)
        value = read_pointer(metrics[path], run.pointer)
        value = tuple(value) if isinstance(value, list) else value
        if value != run.value:
            what = f"{cell.address}: {path}:{run.pointer} is not what the cell says"
            checker.add("L2", CELLS, what, repr(value), repr(run.value))
            return
        values += [] if value is None else [value]
    whole = len(values) == cell.expected
    value, se = AGGREGATES[cell.aggregate](values) if whole else (None, None)
    if (value, se, len(values)) != (cell.value, cell.se, cell.n):
        expected, found = _spelled(value, se, len(values)), _spelled(cell.value, cell.se, cell.n)
        checker.add("L2", CELLS, f"{cell.address} is not the {cell.aggregate} of its runs", expected, found)


def _spelled(value: float | None, se: float | None, n: int) -> str:
    return f"{value!r} (se {se!r}, n {n})"


def _metrics_file(book: Book, folder: str, sha256: str) -> str | None:
    record = book.record(folder)
    names = [name for name, entry in record.files().items() if entry["sha256"] == sha256] if record else []
    return f"{folder}/{names[0]}" if names else None


def _tables(checker: Checker) -> int:
    """Make all tables again and compare them byte for byte with those that lie there."""
    book, count = checker.book, 0
    with replayed(book, book.study[TABLES]) as (folder, _):
        for path in sorted(folder.rglob("*")):
            name = f"{TABLES}/{path.relative_to(folder)}"
            there = book.workspace / name
            if path.is_file():
                count += 1
                if not there.is_file():
                    checker.add("L2", name, "the runs give this file, but it is not there", "a file", "none")
                elif there.read_bytes() != path.read_bytes():
                    checker.add("L2", name, "it is not what the runs give", *_first_difference(path, there))
    return count


def _first_difference(made: Path, there: Path) -> tuple[str, str]:
    ours, theirs = (path.read_text(encoding="utf-8", errors="replace").splitlines() for path in (made, there))
    for number, (new, old) in enumerate(zip(ours, theirs, strict=False), start=1):
        if new != old:
            at = next((i for i, (a, b) in enumerate(zip(new, old, strict=False)) if a != b), min(len(new), len(old)))
            start = max(at - 20, 0)
            return f"line {number}: …{new[start : at + 20]}…", f"…{old[start : at + 20]}…"
    return f"{len(ours)} lines", f"{len(theirs)} lines"


def _figure(checker: Checker, name: str) -> int:
    """Each number of a figure's CSV that a cell stands behind."""
    book, count = checker.book, 0
    if book.study.params.figures[name].kind == "voices":
        return 0  # pages and sounds, which L3 makes again
    if CELLS in checker.report.bad or f"{FIGURES}/{name}.csv" in checker.report.bad:
        return 0
    try:
        rows = [row for row in read_points(book, name) if "metric" in row and row.get("source") != "paper"]
    except UserError as error:
        checker.add("L2", f"{FIGURES}/{name}.csv", f"{error.what}: {error.why}" if error.why else error.what)
        return 0
    for row in rows:
        cells = cells_of(book, name, row_name(row))
        if row["metric"] not in {cell.column for cell in cells}:
            checker.add(
                "L2", f"{FIGURES}/{name}.csv", f"a drawn point of {row_name(row)} is no cell's", found=row["metric"]
            )
        for drawn in drawn_numbers(row, cells):
            count += 1
            if not drawn["agrees"]:
                checker.add("L2", f"{FIGURES}/{name}.csv", f"a drawn point is not {drawn['cell']}", drawn["cell"],
                            repr(drawn["value"]))  # fmt: skip
    return count
