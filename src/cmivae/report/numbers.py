"""The tables of the page: each number with its address, the paper's beside it, and a verdict word."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from cmivae.report.words import WORDS, Judged, judge
from cmivae.results.columns import Column
from cmivae.results.printed import PRINTED, paper_se, printed_table
from cmivae.results.record import Cell, gamma_text
from cmivae.results.render import fixed, number, objective_name, warning
from cmivae.results.tables import TableView
from cmivae.study.params import Params


@dataclass(frozen=True)
class Entry:
    """One number in the words of its column; empty where there is none."""

    address: str
    gamma: str
    model: str
    column: Column
    ours: str
    se: str
    paper: str
    paper_se: str
    difference: str
    interval: str
    n: str
    judged: Judged
    lack: str  # why there is none, in short
    sort: dict[str, float | str]


@dataclass(frozen=True)
class Line:
    """One row of a table as it is printed; an entry for each shown column, or None."""

    gamma: str
    model: str
    entries: tuple[Entry | None, ...]


@dataclass(frozen=True)
class Shown:
    """A table of the page."""

    name: str
    title: str
    units: str
    stop: str  # that it is not the paper's scale; empty for the paper
    paper: str | None
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    deviations: tuple[str, ...]

    @property
    def entries(self) -> list[Entry]:
        """All numbers that are shown, row by row."""
        return [entry for line in self.lines for entry in line.entries if entry]

    @property
    def words(self) -> dict[str, int]:
        """How often each verdict word stands in it, in the order of the legend."""
        found = Counter(entry.judged.word for entry in self.entries)
        return {word: found[word] for word in WORDS if found[word]}


def shown(view: TableView, params: Params) -> Shown:
    """A table with a verdict for each of its numbers."""
    layout = view.layout
    lines = []
    for row in view.rows:
        model = objective_name(row.objective, layout.kind)
        gamma = "" if row.gamma is None else gamma_text(row.gamma)
        cells = ((row.cells.get(column.key), column) for column in layout.shown)
        entries = tuple(_entry(cell, column, gamma, model, params) if cell else None for cell, column in cells)
        lines.append(Line(gamma, model, entries))
    notes = dict.fromkeys(note for cell in view.numbers for note in cell.deviations)
    paper = params.tables[view.name].paper
    stop = warning(view.label, "")
    return Shown(view.name, view.title, layout.units, stop, paper, layout.shown, tuple(lines), tuple(notes))


def _entry(cell: Cell, column: Column, gamma: str, model: str, params: Params) -> Entry:
    spelled, judged = number(cell, column), judge(cell, params)
    interval = ""
    if judged.interval:
        interval = " to ".join(_signed(each, column.digits) for each in judged.interval)
    difference = "" if judged.difference is None else _signed(judged.difference, column.digits)
    sort = {"ours": cell.value, "paper": cell.paper, "difference": judged.difference, "n": cell.n, "gamma": cell.gamma}
    return Entry(
        cell.address, gamma, model, column, _minus(spelled.ours), spelled.se, _minus(spelled.paper), spelled.paper_se,
        difference, interval, "" if cell.aggregate == "quoted" else f"{cell.n}/{cell.expected}", judged,
        _lack(cell), {key: "" if value is None else value for key, value in sort.items()},
    )  # fmt: skip


def _lack(cell: Cell) -> str:
    if len(cell.missing) == cell.expected:
        return "not run"
    return f"failed {len(cell.failed)}/{cell.expected}" if cell.failed else cell.problem


def _signed(value: float, digits: int) -> str:
    text = fixed(value, digits)
    return text.replace("-", "−") if text.startswith("-") else f"+{text}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


@dataclass(frozen=True)
class Count:
    """The study in numbers."""

    numbers: int  # of ours that the tables show or keep
    made: int
    printed: int  # of the paper, standard errors too
    asked: int  # of the paper's values, those that a table of this workspace stands beside
    beside: int  # of those, with a value of ours
    words: dict[str, int]  # over numbers beside a printed one


def count(cells: Iterable[Cell], params: Params) -> Count:
    """How many numbers there are, and how they stand to the paper's."""
    own = [cell for cell in cells if cell.aggregate != "quoted"]
    paired = [cell for cell in own if cell.paper is not None]
    found = Counter(judge(cell, params).word for cell in paired)
    return Count(
        numbers=len(own),
        made=sum(cell.value is not None for cell in own),
        printed=printed_count(),
        asked=len(paired),
        beside=sum(cell.value is not None for cell in paired),
        words={word: found[word] for word in WORDS if found[word]},
    )


def printed_count() -> int:
    """Numbers that the paper prints in Tables 1 to 5, standard errors included."""
    total = 0
    for table in PRINTED:
        for (objective, gamma), values in printed_table(table).items():
            total += len(values)
            total += sum(paper_se(table, objective, gamma, column) is not None for column in values)
    return total
