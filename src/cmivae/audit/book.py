"""What a workspace, or a release archive of one, has on record: cells, run records, figures. Read as needed."""

import json
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from cmivae.audit.address import PARTS, Address
from cmivae.errors import UserError
from cmivae.provenance.io import read_json
from cmivae.provenance.ledger import Record, read_record
from cmivae.provenance.specs import Study
from cmivae.results.record import Cell, from_jsonl, to_jsonl
from cmivae.study.loading import load_params

TABLES, FIGURES = "results/tables", "results/figures"
CELLS = f"{TABLES}/cells.jsonl"
ARCHIVE = "ARCHIVE.json"  # in a release archive: what was left out of it


class Book:
    """One workspace, opened for questions; nothing here writes.

    Args:
        cells: to answer from, in place of those that the workspace has on file (of a study that is still running).
    """

    def __init__(self, workspace: Path, cells: Iterable[Cell] | None = None):
        self.workspace = workspace
        self._given = None if cells is None else to_jsonl(cells).splitlines()
        self._records: dict[str, Record | None] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._cells: dict[str, list[Cell]] = {}

    @cached_property
    def study(self) -> Study:
        """The study that ``params.yaml`` names now."""
        return Study(load_params(self.workspace / "params.yaml"))

    @cached_property
    def left_out(self) -> dict[str, str]:
        """Files that a release archive leaves out on purpose, with their SHA-256; none in a workspace.

        Raises:
            UserError: the archive's list of them is damaged.
        """
        path = self.workspace / ARCHIVE
        about = read_json(path) if path.is_file() else {"left_out": {}}
        left = about.get("left_out") if isinstance(about, dict) else None
        if not isinstance(left, dict) or not all(isinstance(sha256, str) for sha256 in left.values()):
            why = "it does not say which files were left out on purpose"
            raise UserError("the archive's list is damaged", where=ARCHIVE, why=why, fix="unpack the archive again")
        return left

    @property
    def is_archive(self) -> bool:
        """Whether this is a release archive: no weights, no DVC, no git."""
        return (self.workspace / ARCHIVE).is_file()

    @property
    def names(self) -> list[str]:
        """Tables and figures of the study."""
        return [*self.study.params.tables, *self.study.params.figures]

    def record(self, folder: str) -> Record | None:
        """The record of an artefact, or None where there is no complete one."""
        if folder not in self._records:
            self._records[folder] = read_record(self.workspace, folder)
        return self._records[folder]

    def inputs(self, folder: str) -> list[str]:
        """What an artefact was made from: its record says so, or, where that is lost, the study."""
        record = self.record(folder)
        if record is not None:
            return list(record.values["inputs"])
        artefact = self.study.artefacts.get(folder)
        return list(artefact.inputs) if artefact else []

    def closure(self, folder: str) -> frozenset[str]:
        """An artefact and all that it was made from, directly or not."""
        if folder not in self._closures:
            self._closures[folder] = frozenset({folder})  # a record that names itself must not go round
            above = (self.closure(name) for name in self.inputs(folder))
            self._closures[folder] = frozenset({folder}).union(*above)
        return self._closures[folder]

    def cells(self, place: str = "") -> list[Cell]:
        """Cells whose address begins with ``place``; all by default.

        Raises:
            UserError: there are no cells, or a line is not a cell.
        """
        if place in self._cells:
            return list(self._cells[place])
        start = '{"address":' + json.dumps(place, ensure_ascii=False)[:-1]
        lines = self._lines()
        known = [line for line in lines if line.startswith('{"address":')]
        chosen = [line for line in known if line.startswith(start)] if len(known) == len(lines) else lines
        found = [cell for cell in from_jsonl("\n".join(chosen)) if cell.address.startswith(place)]
        self._cells[place] = found
        return list(found)

    def row(self, address: Address) -> list[Cell]:
        """All cells of a row.

        Raises:
            UserError: the table has no such row.
        """
        found = [cell for cell in self.cells(address.place) if cell.address.startswith(f"{address.place}.")]
        if not found:
            rows = dict.fromkeys(cell.address.removesuffix(f".{cell.column}") for cell in self.cells(address.name))
            raise UserError(f"there is no row {address.place}", where=CELLS, fix=f"known: {', '.join(rows)}")
        return found

    def cell(self, address: Address) -> tuple[Cell, str]:
        """A cell, and the part of it that is asked for (``value`` if none).

        Raises:
            UserError: the row has no such column.
        """
        row = self.row(address)
        column, _, part = address.rest.rpartition(".")
        for wanted, shown in ((address.rest, "value"), (column, "value" if part == "mean" else part)):
            for cell in row:
                if cell.column == wanted and shown in PARTS:
                    return cell, shown
        known = ", ".join(cell.column for cell in row)
        raise UserError(f"{address.place} has no column {address.rest!r}", where=CELLS, fix=f"known: {known}")

    @property
    def has_cells(self) -> bool:
        """Whether there are cells: given, or written by the stage of tables."""
        return self._given is not None or (self.workspace / CELLS).is_file()

    def _lines(self) -> list[str]:
        if self._given is not None:
            return self._given
        try:
            return (self.workspace / CELLS).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            fix = "run snakemake or dvc repro, or dvc pull what another machine made"
            raise UserError("there are no cells yet", where=CELLS, fix=fix) from None
        except UnicodeDecodeError as error:
            raise UserError("the cells are damaged", where=CELLS, why=str(error), fix="make the tables again") from None

    def run_folders(self, cells: Iterable[Cell]) -> list[str]:
        """The evaluated runs that cells are made of, in order."""
        return list(dict.fromkeys(run.run for cell in cells for run in cell.runs))

    def chain(self, folder: str) -> Iterator[Record]:
        """The records of an artefact and of all that it was made from, downstream first."""
        order = list(self.study.artefacts)
        places = {name: number for number, name in enumerate(order)}
        for name in sorted(self.closure(folder), key=lambda name: -places.get(name, len(order))):
            record = self.record(name)
            if record is not None:
                yield record
