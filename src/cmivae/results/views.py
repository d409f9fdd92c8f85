"""Cells in the form that ``dvc metrics`` and ``dvc plots`` read: a JSON file a row, a CSV file a column."""

import csv
import io
import json
from collections.abc import Iterable

from cmivae.results.record import Cell, gamma_text


def dvc_views(cells: Iterable[Cell]) -> dict[str, str]:
    """File name to content, e.g. ``dvc/metrics/T4/cmi-0.3.json`` and ``dvc/plots/T4/aolr.csv``.

    Only numbers of ours: what is missing, failed or quoted from the paper is in neither.
    """
    rows: dict[str, dict[str, float]] = {}
    columns: dict[str, list[list[object]]] = {}
    for cell in cells:
        if cell.value is None:
            continue
        name = cell.objective if cell.gamma is None else f"{cell.objective}-{gamma_text(cell.gamma)}"
        rows.setdefault(f"dvc/metrics/{cell.table}/{name}.json", {})[cell.column] = cell.value
        if cell.gamma is not None:
            line: list[object] = [cell.objective, gamma_text(cell.gamma), repr(cell.value)]
            columns.setdefault(f"dvc/plots/{cell.table}/{cell.column}.csv", []).append(line)
    found = {name: json.dumps(values, indent=1) + "\n" for name, values in rows.items()}
    return found | {name: _csv(lines) for name, lines in columns.items()}


def _csv(lines: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["objective", "gamma", "value"], *lines])
    return text.getvalue()
