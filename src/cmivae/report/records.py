"""The audit record behind every number, in a form that is embedded in the page: what rows share is kept once."""

from collections.abc import Iterable
from typing import Any

from cmivae.audit.address import shell_safe
from cmivae.audit.book import Book
from cmivae.audit.facts import lineage
from cmivae.provenance.io import digest
from cmivae.report.words import judge
from cmivae.results.record import Cell

FILES = 3  # of a data folder that are named; the digest of its content covers all


class Records:
    """All records of a book's cells; ``values`` is what the page embeds as JSON."""

    def __init__(self, book: Book, cells: Iterable[Cell]):
        self.book = book
        self.values: dict[str, Any] = {
            name: {} for name in ("cells", "rows", "runs", "params", "data", "code", "environment")
        }
        self.notes: dict[str, int] = {}
        rows: dict[str, list[Cell]] = {}
        for cell in cells:
            rows.setdefault(place(cell), []).append(cell)
        for name, row in rows.items():
            self._row(name, row)
        self.values["notes"] = list(self.notes)

    def _row(self, name: str, row: list[Cell]) -> None:
        folders = self.book.run_folders(row)
        found = lineage(self.book, folders, row)
        for run in found["runs"]:
            self.values["runs"][run["folder"]] = {key: value for key, value in run.items() if key != "value"}
        near = found["neighbour"] or {}
        self.values["rows"][name] = {
            "runs": folders,
            "params": self._pooled("params", found["params"]),
            "params_differ": found["params_differ_over_seeds"],
            "near": {"row": near["address"].rpartition("].")[0] + "]", "differs": near["differs"]} if near else None,
            "data": [self._data(each) for each in found["data"]],
            "code": self._pooled("code", found["code"]),
            "environment": self._pooled("environment", found["environment"]),
            "rebuild": found["rebuild"],
        }
        for cell in row:
            self.values["cells"][cell.address] = self._cell(name, cell)

    def _cell(self, row: str, cell: Cell) -> dict[str, Any]:
        judged = judge(cell, self.book.study.params)
        return {
            "row": row,
            "alias": shell_safe(cell.address),
            "column": cell.column,
            "dataset": cell.dataset,
            "value": cell.value,
            "se": cell.se,
            "n": cell.n,
            "expected": cell.expected,
            "problem": cell.problem,
            "aggregate": cell.aggregate,
            "failed": list(cell.failed),
            "missing": list(cell.missing),
            "paper": cell.paper,
            "paper_se": judged.paper_se,
            "difference": judged.difference,
            "interval": judged.interval and list(judged.interval),
            "word": judged.word,
            "tone": judged.tone,
            "why": judged.why,
            "runs": [[run.run, run.value, run.pointer, run.metrics_sha256] for run in cell.runs],
            "notes": [self.notes.setdefault(line, len(self.notes)) for line in cell.deviations],
        }

    def _data(self, found: dict[str, Any]) -> str:
        files = found["files"]
        shown = dict(list(files.items())[:FILES])
        about = {"content": found["content"], "files": len(files), "shown": shown}
        self.values["data"][found["folder"]] = about
        return found["folder"]

    def _pooled(self, pool: str, value: Any) -> str | None:
        if not value:
            return None
        key = digest(value)[:12]
        self.values[pool][key] = value
        return key


def place(cell: Cell) -> str:
    """The address of a cell's row, e.g. ``T4[cmi,0.3]``."""
    return cell.address.partition("].")[0] + "]"
