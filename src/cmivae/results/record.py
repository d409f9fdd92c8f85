"""The record of one printed number, and its one line of JSON.

Every value follows from its record: read ``pointer`` in each run's metrics, then apply ``aggregate``.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from cmivae.errors import UserError
from cmivae.provenance.io import canonical
from cmivae.results.stats import AGGREGATES

REMAKE = "make the tables again: cmivae tables --force"


@dataclass(frozen=True)
class CellRun:
    """One run's part in a cell: exactly what stands at ``pointer`` in its metrics."""

    run: str
    run_id: str
    metrics_sha256: str
    pointer: str  # RFC 6901
    value: float | tuple[float, ...] | None  # None: the run did not compute it


@dataclass(frozen=True)
class Cell:
    """One number of a table or figure. ``value`` is None unless every seed has one."""

    address: str  # T4[cmi,0.3].aolr
    table: str
    dataset: str
    objective: str  # or a baseline such as "real100", on 100 real images; or "quoted", a row of other authors
    gamma: float | None  # None for a baseline and a quoted row
    column: str
    value: float | None
    se: float | None
    n: int  # runs that have a value
    expected: int  # runs that should have one
    failed: tuple[int, ...]  # seeds
    missing: tuple[int, ...]  # seeds
    aggregate: str  # a key of AGGREGATES; or "quoted", with no runs and no value of ours
    runs: tuple[CellRun, ...]
    paper: float | None
    label: str  # of the workspace
    deviations: tuple[str, ...]
    paper_se: float | None = None

    @property
    def problem(self) -> str:
        """Why there is no value, such as "failed (2/3 seeds)"; empty where there is one, or none is due."""
        if self.value is not None or self.aggregate == "quoted":
            return ""
        counted = (("failed", len(self.failed)), ("missing", len(self.missing)))
        unit = "run" if self.gamma is None else "seeds"
        parts = [f"{name} ({count}/{self.expected} {unit})" for name, count in counted if count]
        without = len(self.runs) - self.n
        if not parts and not without:
            parts = ["undefined for one subset"]
        elif not parts:
            parts = ["not run" if without == self.expected else f"not run ({without}/{self.expected} {unit})"]
        return ", ".join(parts)


Kind = TypeVar("Kind", Cell, CellRun)


def gamma_text(gamma: float) -> str:
    """Gamma as addresses write it: 0.0, 0.3, 0.0001; never 1e-04."""
    return np.format_float_positional(gamma, trim="0")


def to_jsonl(cells: Iterable[Cell]) -> str:
    """One line of canonical JSON for each cell, in the order given."""
    return "".join(canonical(dataclasses.asdict(cell)) + "\n" for cell in cells)


def from_jsonl(text: str) -> list[Cell]:
    """The cells that ``to_jsonl`` wrote.

    Raises:
        UserError: a line is not a cell.
    """
    return [_parse(number, line) for number, line in enumerate(text.splitlines(), start=1)]


def _parse(number: int, line: str) -> Cell:
    try:
        fields = json.loads(line)
        runs = tuple(_made(CellRun, run) for run in fields.pop("runs"))
        cell = _made(Cell, fields | {"runs": runs})
        _agree(cell)
        return cell
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(
            "a line is not a cell",
            where=f"cells.jsonl:{number}",
            why=str(error),
            fix=REMAKE,
        ) from None


def _made(kind: type[Kind], fields: dict[str, Any]) -> Kind:
    """A cell or a run's part in one, each field of its type: a line of JSON may come from anybody."""
    values: dict[str, Any] = {n: tuple(value) if isinstance(value, list) else value for n, value in fields.items()}
    made = kind(**values)
    for field in dataclasses.fields(kind):
        value = getattr(made, field.name)
        if not _IS[field.type](value):
            raise TypeError(f"{field.name} cannot be {value!r}")
    return made


def _agree(cell: Cell) -> None:
    """What no single field can say: an aggregate, and values that it can be taken of."""
    if cell.aggregate not in (*AGGREGATES, "quoted"):
        raise ValueError(f"aggregate cannot be {cell.aggregate!r}")
    if cell.aggregate == "quoted" and (cell.runs or cell.value is not None):
        raise ValueError("a quoted number is made of no runs")
    if cell.aggregate == "sd" and len(cell.runs) > 1:
        raise ValueError("a standard deviation is over the subsets of one run")
    if any(run.value is not None and isinstance(run.value, tuple) != (cell.aggregate == "sd") for run in cell.runs):
        raise ValueError(f"no {cell.aggregate} can be taken of its runs")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _all_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and all(map(check, value))


_IS: dict[Any, Callable[[Any], bool]] = {  # whether a value is of a field's type
    str: _is_text,
    int: _is_count,
    float | None: lambda value: value is None or _is_number(value),
    tuple[int, ...]: _all_of(_is_count),
    tuple[str, ...]: _all_of(_is_text),
    tuple[CellRun, ...]: _all_of(lambda value: isinstance(value, CellRun)),
    float | tuple[float, ...] | None: lambda value: value is None or _is_number(value) or _all_of(_is_number)(value),
}
