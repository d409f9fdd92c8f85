"""Points of figures: the CSV beside a figure says what is drawn, and each drawn number is a cell's."""

import csv
import math
from typing import Any

from cmivae.audit.address import Address, shell_safe
from cmivae.audit.book import FIGURES, Book
from cmivae.audit.facts import cell_facts, made_by
from cmivae.errors import UserError
from cmivae.results.record import Cell, gamma_text
from cmivae.study.params import Figure


def point_facts(book: Book, address: Address) -> dict[str, Any]:
    """What made a point of a curve, or a configuration's panel of samples.

    Raises:
        UserError: the figure draws no such point.
    """
    figure = whole_point(book, address)
    if figure.configs:
        return _panel(book, address)
    drawn = [row for row in read_points(book, address.name) if row_name(row) == address.row]
    ours = [row for row in drawn if row.get("source") != "paper"]
    if not ours:
        rows = dict.fromkeys(row_name(row) for row in read_points(book, address.name))
        fix = f"it draws: {', '.join(rows)}"
        raise UserError(f"figure {address.name} draws no {address.row}", where=str(address), fix=fix)
    cells = cells_of(book, address.name, address.row)
    metric = next((cell for cell in cells if cell.column == ours[0]["metric"]), None)
    if metric is None:
        what = f"{address} draws {ours[0]['metric']!r}, which is no column of its table"
        raise UserError(what, where=f"{FIGURES}/{address.name}.csv", fix="cmivae figures --force draws it anew")
    checks = [check for row in ours for check in drawn_numbers(row, cells)]
    about = {"point": str(address), "drawn": ours[0], "paper_point": [r for r in drawn if r.get("source") == "paper"]}
    return cell_facts(book, metric) | about | {"drawn_from": checks}


def whole_point(book: Book, address: Address) -> Figure:
    """The figure of an address that names a point or a panel of it.

    Raises:
        UserError: it names a column or a part too, which only cells have.
    """
    if address.rest:
        why = "a point is audited and verified whole, with all its numbers"
        fix = f"give {shell_safe(address.place)}, or a cell of a table"
        raise UserError(f"a point of a figure has no {address.rest!r}", where=str(address), why=why, fix=fix)
    return book.study.params.figures[address.name]


def _panel(book: Book, address: Address) -> dict[str, Any]:
    figure, runs = book.study.params.figures[address.name], figure_runs(book, address)
    about = {"point": str(address), "address": str(address), "shell_safe": shell_safe(str(address)), "columns": []}
    about |= {"kind": figure.kind, "label": book.study.params.label, "dataset": figure.dataset, "deviations": []}
    return about | made_by(book, runs, [], FIGURES) | {"verify": f"cmivae verify {about['shell_safe']} --level L4"}


def figure_runs(book: Book, address: Address) -> list[str]:
    """The embedded runs that a figure shows of a configuration: images of the first seed, voices of all.

    Raises:
        UserError: the figure shows no such configuration.
    """
    params, figure = book.study.params, whole_point(book, address)
    seeds = params.seeds[:1] if figure.kind == "samples" else params.seeds
    for key in figure.configs:
        config = params.configs[key]
        if address.row == f"{config.variant},{gamma_text(config.gamma)}":
            return [f"runs/embed/{key}/s{seed}" for seed in seeds]
    fix = f"it shows: {', '.join(figure.configs)}"
    raise UserError(f"figure {address.name} does not show {address.row}", where=str(address), fix=fix)


def read_points(book: Book, name: str) -> list[dict[str, str]]:
    """The CSV beside a figure.

    Raises:
        UserError: it is not there, or is none that a figure has.
    """
    path = book.workspace / FIGURES / f"{name}.csv"
    if not path.is_file():
        fix = "run snakemake or dvc repro, or dvc pull results/figures"
        raise UserError(f"figure {name} was not drawn yet", where=f"{FIGURES}/{name}.csv", fix=fix)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        _check(book.study.params.figures[name], rows)
    except (csv.Error, ValueError) as error:
        fix = f"dvc checkout --force {FIGURES}, or cmivae figures --force"
        raise UserError("the points are damaged", where=f"{FIGURES}/{name}.csv", why=str(error), fix=fix) from None
    return rows


def _check(figure: Figure, rows: list[dict[str, str]]) -> None:
    needed = {"source", "objective", "gamma", "metric", "value", "beta" if figure.x == "beta" else "kl_z"}
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"line {number} has not as many fields as the first")
        if figure.kind == "curve" and not needed <= row.keys():
            raise ValueError(f"there is no column {', '.join(sorted(needed - row.keys()))}")
        row_name(row)  # where gamma is no number, this says so


def row_name(row: dict[str, str]) -> str:
    """``cmi,0.3`` of a drawn point, ``real100`` of a baseline."""
    gamma = row.get("gamma") or ""
    return f"{row.get('objective', '')},{gamma_text(float(gamma))}" if gamma else row.get("objective", "")


def cells_of(book: Book, figure: str, row: str) -> list[Cell]:
    """The cells that a figure draws of one row: of the table that it names, or the first of its data set."""
    params = book.study.params
    drawn = params.figures[figure]
    table = drawn.table or next(name for name, table in params.tables.items() if table.dataset == drawn.dataset)
    return book.cells(f"{table}[{row}].")


def drawn_numbers(row: dict[str, str], cells: list[Cell]) -> list[dict[str, Any]]:
    """Each number of a drawn point with the cell that it must equal."""
    columns = {cell.column: cell for cell in cells}
    wanted = [(key, columns.get(key), "value") for key in row if key in columns]
    wanted += [(key, columns.get(key.removesuffix("_se")), "se") for key in row if key.endswith("_se")]
    wanted += [("value", columns.get(row.get("metric", "")), "value")]
    wanted += [("metric_se", columns.get(row.get("metric", "")), "se")]
    found = []
    for key, cell, part in wanted:
        if cell is not None and row.get(key, "") != "":
            number, stands = _number(row[key]), getattr(cell, part)
            suffix = "" if part == "value" else ".se"
            found.append({"drawn": key, "cell": f"{cell.address}{suffix}", "value": number, "agrees": number == stands})
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
