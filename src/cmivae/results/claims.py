"""The paper's claims against its own printed numbers, and against cells: pairs at equal gamma, counted.

Nothing here names a winner: a claim is supported, contradicted, mixed, not resolved (too few) or not run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from cmivae.results.columns import LAYOUTS
from cmivae.results.differences import ALPHA, FEWEST, Summary, between, holm, sign_test
from cmivae.results.printed import PAPER_SEEDS, known_se, printed_table
from cmivae.results.record import Cell, gamma_text
from cmivae.study.checks import PAPER_LAYOUTS
from cmivae.study.params import Params

ENOUGH_SAME = 3  # pairs that are the same; of directions, as many as the sign test needs: six
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
    se: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Pair:
    """Ours and the rival's at one gamma; ``seeds`` are those in which it holds, of those that both have.

    ``p`` is of their difference (``differences.between``); None under three seeds or without standard errors.
    """

    gamma: float
    ours: Side
    rival: Side
    outcome: str  # held, against, tied or missing
    seeds: tuple[int, int]
    p: float | None = None


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
        return None if self.comparison.better == "same" else sign_test(self.count("held"), self.count("against"))

    @property
    def holm(self) -> list[float | None]:
        """Each pair's p, corrected over the pairs."""
        return holm([pair.p for pair in self.pairs])

    def told(self, outcome: str) -> int:
        """Pairs of this outcome whose difference is told from chance, each by itself."""
        both = zip(self.pairs, self.holm, strict=True)
        return sum(pair.outcome == outcome and p is not None and p <= ALPHA for pair, p in both)

    @property
    def verdict(self) -> str:
        """Supported only if every pair holds, and chance would not do that.

        Either there are enough pairs for the sign test, or each is told from chance by its seeds.
        """
        held, against, tied = (self.count(each) for each in ("held", "against", "tied"))
        if held + against + tied == 0:
            return "not run"
        if self.comparison.better == "same":
            return _sameness(held, against)
        enough = 2 / 2 ** (held + against) <= ALPHA
        if against == tied == 0:
            return "supported" if enough or self.told("held") == held else "not resolved"
        if held == tied == 0 and self.told("against") == against:
            return "contradicted"
        if not enough and not self.told("against"):
            return "not resolved"
        clear = self.p is not None and self.p <= ALPHA
        return "contradicted" if against > held and clear else "mixed"


def _sameness(held: int, against: int) -> str:
    if held + against < ENOUGH_SAME:
        return "not resolved"
    return "mixed" if held and against else "supported" if held else "contradicted"


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
                row: Side(
                    f"{table}[{row[0]},{gamma_text(row[1])}].{each.column}",
                    values[each.column],
                    se=known_se(table, *row, each.column),
                    n=PAPER_SEEDS[table],
                )
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
    return Side(cell.address, cell.value, cell.problem, seeds, cell.se, cell.n)


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
    counts = outcomes.count("held"), len(outcomes)
    return Pair(a[1], ours, rival, _outcome(comparison, ours.value, rival.value), counts, _p(ours, rival))


def _p(ours: Side, rival: Side) -> float | None:
    if ours.value is None or rival.value is None or min(ours.n or 0, rival.n or 0) < FEWEST:
        return None
    first, second = Summary(ours.value, ours.se, ours.n), Summary(rival.value, rival.se, rival.n)
    return between(first, second, (dict(ours.seeds), dict(rival.seeds))).p


def _outcome(comparison: Comparison, ours: float | None, rival: float | None) -> str:
    if ours is None or rival is None:
        return "missing"
    if comparison.better == "same":
        return "held" if abs(ours - rival) <= comparison.within * abs(rival) else "against"
    if ours == rival:
        return "tied"
    return "held" if (ours < rival) == (comparison.better == "lower") else "against"
