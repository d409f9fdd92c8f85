"""The paper's claims against its own printed numbers, and against cells: pairs at equal gamma, counted.

Nothing here names a winner: a claim is supported, contradicted, mixed, not resolved (too few pairs) or not run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import comb
from typing import Any

import yaml

from cmivae.results.columns import LAYOUTS
from cmivae.results.printed import printed_table
from cmivae.results.record import Cell, gamma_text
from cmivae.study.checks import PAPER_LAYOUTS
from cmivae.study.params import Params

LEVEL = 0.05  # of the two-sided sign test over pairs
ENOUGH_SAME = 3  # pairs that are the same; of directions, as many as LEVEL needs: six
BELOW = "smaller gamma"  # the rival that is the same objective, one step of gamma down


@dataclass(frozen=True)
class Comparison:
    """Two objectives in one column, in some of the printed tables."""

    column: str
    better: str  # lower, higher or same
    tables: Mapping[str, str | None]  # printed table: the count that we read off it
    ours: str = "cmi"
    rival: str = "beta"
    within: float = 0.0  # same: so much of the rival's value
    wording: str = ""  # of the text, which one exception contradicts


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, and what would have to hold."""

    key: str
    statement: str
    where: str
    compare: tuple[Comparison, ...]


@dataclass(frozen=True)
class Side:
    """One value of a pair: the address of its cell or its place in print, and its seeds' values where there are any."""

    place: str
    value: float | None
    problem: str = ""
    seeds: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Pair:
    """Ours and the rival's at one gamma; ``seeds`` are those in which it holds, of those that both have."""

    gamma: float
    ours: Side
    rival: Side
    outcome: str  # held, against, tied or missing
    seeds: tuple[int, int]


@dataclass(frozen=True)
class Part:
    """One comparison in one table; no pairs where a workspace has no such table or column."""

    table: str
    comparison: Comparison
    pairs: tuple[Pair, ...]

    def count(self, outcome: str) -> int:
        """How many pairs ended so."""
        return sum(pair.outcome == outcome for pair in self.pairs)

    @property
    def exceptions(self) -> list["Pair"]:
        """Pairs that go the other way."""
        return [pair for pair in self.pairs if pair.outcome == "against"]

    @property
    def counts(self) -> str:
        """``6/7``: held, of all pairs with two values."""
        return f"{self.count('held')}/{len(self.pairs) - self.count('missing')}"

    @property
    def p(self) -> float | None:
        """Two-sided sign test over pairs that are not tied; None where it means nothing."""
        held, n = self.count("held"), self.count("held") + self.count("against")
        if n == 0 or self.comparison.better == "same":
            return None
        return min(1.0, 2 * sum(comb(n, k) for k in range(max(held, n - held), n + 1)) / 2**n)

    @property
    def verdict(self) -> str:
        """Supported only if every pair holds and there are enough of them that chance would not do it."""
        held, against, tied = (self.count(each) for each in ("held", "against", "tied"))
        if held + against + tied == 0:
            return "not run"
        enough = held + against >= ENOUGH_SAME if self.p is None else 2 / 2 ** (held + against) <= LEVEL
        if not enough:
            return "not resolved"
        if against == tied == 0:
            return "supported"
        significant = held == 0 if self.p is None else self.p <= LEVEL
        return "contradicted" if against > held and significant else "mixed"


def verdict(parts: Iterable[Part]) -> str:
    """One word for a claim, of the words for its parts; parts that were not run are named, not counted."""
    words = {part.verdict for part in parts} - {"not run"}
    if len(words) < 2:
        return words.pop() if words else "not run"
    return "not resolved" if len(words - {"not resolved"}) == 1 and "mixed" not in words else "mixed"


@cache
def claims() -> dict[str, Claim]:
    """All claims by key, in the paper's order."""
    text = (files("cmivae.results") / "claims.yaml").read_text(encoding="utf-8")
    return {key: _claim(key, values) for key, values in yaml.safe_load(text).items()}


def _claim(key: str, values: dict[str, Any]) -> Claim:
    compare = tuple(Comparison(**each) for each in values.pop("compare"))
    return Claim(key=key, compare=compare, **values)


def printed_parts(claim: Claim) -> list[Part]:
    """The claim in the paper's own tables."""
    found = []
    for each in claim.compare:
        for table in each.tables:
            rows = {
                row: Side(f"{table}[{row[0]},{gamma_text(row[1])}].{each.column}", values[each.column])
                for row, values in printed_table(table).items()
                if each.column in values
            }
            found.append(Part(table, each, _pairs(each, rows)))
    return found


def our_parts(claim: Claim, params: Params, cells: Iterable[Cell]) -> list[Part]:
    """The claim in a workspace's tables: those that repeat a printed one, and those of its own of the same layout."""
    cells, found = list(cells), []
    for each in claim.compare:
        layouts = {PAPER_LAYOUTS[table] for table in each.tables}
        tables = [
            name
            for name, table in params.tables.items()
            if table.layout in layouts and (table.paper is None or table.paper in each.tables)
        ]
        for name in tables:
            rows = {
                (cell.objective, round(cell.gamma, 6)): _side(cell)
                for cell in cells
                if (cell.table, cell.column) == (name, each.column) and cell.gamma is not None
            }
            found.append(Part(name, each, _pairs(each, rows)))
        missing = [] if tables else [f"no table of layout {' or '.join(sorted(layouts))}"]
        found += [Part(why, each, ()) for why in missing]
    return found


def heading(comparison: Comparison) -> str:
    """The column as tables head it."""
    columns = (LAYOUTS[PAPER_LAYOUTS[table]].column(comparison.column) for table in comparison.tables)
    return next(column.heading for column in columns if column is not None)


def _side(cell: Cell) -> Side:
    seeds = tuple((run.run.rpartition("/")[2], run.value) for run in cell.runs if isinstance(run.value, int | float))
    return Side(cell.address, cell.value, cell.problem, seeds)


def _pairs(comparison: Comparison, rows: Mapping[tuple[str, float], Side]) -> tuple[Pair, ...]:
    """Every gamma that one of the two has; a rival that is missing is named too."""
    if comparison.rival == BELOW:
        start = [row for row in rows if row[0] == "vanilla"]
        steps = sorted([*start, *(row for row in rows if row[0] == comparison.ours)], key=lambda row: row[1])
        both = list(zip(steps[1:], steps, strict=False))
    else:
        gammas = sorted({gamma for objective, gamma in rows if objective in (comparison.ours, comparison.rival)})
        both = [((comparison.ours, gamma), (comparison.rival, gamma)) for gamma in gammas]
    return tuple(_pair(comparison, a, b, rows) for a, b in both)


def _pair(comparison: Comparison, a: tuple[str, float], b: tuple[str, float], rows: Mapping) -> Pair:
    sides = [rows.get(row) or Side(f"{row[0]},{gamma_text(row[1])}", None, "not in the study") for row in (a, b)]
    ours, rival = sides
    theirs = dict(rival.seeds)
    outcomes = [_outcome(comparison, value, theirs[seed]) for seed, value in ours.seeds if seed in theirs]
    return Pair(
        a[1], ours, rival, _outcome(comparison, ours.value, rival.value), (outcomes.count("held"), len(outcomes))
    )


def _outcome(comparison: Comparison, ours: float | None, rival: float | None) -> str:
    if ours is None or rival is None:
        return "missing"
    if comparison.better == "same":
        return "held" if abs(ours - rival) <= comparison.within * abs(rival) else "against"
    if ours == rival:
        return "tied"
    return "held" if (ours < rival) == (comparison.better == "lower") else "against"
