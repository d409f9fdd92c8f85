"""What a verification finds wrong, what it compared, and which numbers a wrong file poisons."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from cmivae.audit.book import CELLS, FIGURES, TABLES, Book
from cmivae.results.record import Cell


@dataclass(frozen=True)
class Finding:
    """One thing that does not hold."""

    level: str
    path: str  # file, relative to the workspace
    what: str
    expected: str = ""
    found: str = ""
    fix: str = ""
    poisons: tuple[str, ...] = ()  # addresses of cells and figures


@dataclass
class Done:
    """What one level compared."""

    level: str
    what: str
    tolerance: str
    count: int
    notes: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All levels of one verification."""

    asked: str
    done: list[Done] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def bad(self) -> set[str]:
        """Files that do not hold."""
        return {finding.path for finding in self.findings}

    def to_json(self) -> dict[str, Any]:
        """The whole report in plain values."""
        return {"asked": self.asked, "verified": not self.findings, **asdict(self)}


class Lineage:
    """Which cells and figures are made of an artefact."""

    def __init__(self, book: Book, cells: Iterable[Cell]):
        self.book = book
        self.of_row: dict[str, list[Cell]] = {}
        for cell in cells:
            self.of_row.setdefault(cell.address.removesuffix(f".{cell.column}"), []).append(cell)

    def poisoned(self, path: str) -> tuple[str, ...]:
        """Rows with all their cells below an artefact's file, single cells otherwise, and figures."""
        params = self.book.study.params
        names = [part.partition(".")[0] for part in path.split("/")]  # of a table's or a figure's own files
        name = next((each for each in names if each in params.tables or each in params.figures), "")
        if path.startswith(f"{FIGURES}/"):
            return (name,) if name in params.figures else tuple(params.figures)
        if path.startswith(f"{TABLES}/"):
            one = name if name in params.tables else ""
            rows = [row for row, cells in self.of_row.items() if not one or cells[0].table == one]
            return (*rows, *(() if one else params.figures))
        rows = [row for row, cells in self.of_row.items() if any(self._made_of(cell, path) for cell in cells)]
        tables = {self.of_row[row][0].dataset for row in rows}
        figures = [key for key, figure in params.figures.items() if figure.dataset in tables]
        return (*rows, *figures)

    def _made_of(self, cell: Cell, path: str) -> bool:
        folders = {path.rsplit("/", depth)[0] for depth in range(1, path.count("/") + 1)}
        return any(folders & self.book.closure(run.run) for run in cell.runs)


def fix_for(path: str) -> str:
    """How a damaged file comes back."""
    folder = path.rpartition("/")[0]
    if path == CELLS or path.startswith((f"{TABLES}/", f"{FIGURES}/")):
        return f"dvc checkout --force {folder}, or remove {folder} and run snakemake: it is made from the runs again"
    return f"dvc pull --force {folder}, or remove {folder}/run.json and run snakemake"
