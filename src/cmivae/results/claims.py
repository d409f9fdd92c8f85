"""The paper's claims against its own printed numbers, and against cells: pairs at equal gamma or at equal KL(z).

Nothing here names a winner: what the pairs of a claim amount to is a word of ``verdicts``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from cmivae.results.columns import LAYOUTS
from cmivae.results.differences import FEWEST, Difference, Summary, between, outside
from cmivae.results.evidence import Comparison, Pair, Part, Side
from cmivae.results.matched import interpolate
from cmivae.results.printed import PAPER_SEEDS, known_se, printed_table
from cmivae.results.record import Cell, gamma_text
from cmivae.study.checks import PAPER_LAYOUTS
from cmivae.study.params import Params

BELOW = "smaller gamma"  # the rival that is the same objective, one step of gamma down
KL = "kl_z"

Row = tuple[str, float]  # objective, gamma


@dataclass(frozen=True)
class Claim:
    """What the paper says, where, and what would have to hold."""

    key: str
    statement: str
    where: str
    compare: tuple[Comparison, ...]


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
    return [
        Part(table, each, _pairs(each, table, *(_printed(table, column) for column in (each.column, KL))), "paper")
        for each in claim.compare
        for table in each.tables
    ]


def _printed(table: str, column: str) -> dict[Row, Side]:
    return {
        row: Side(
            f"{table}[{row[0]},{gamma_text(row[1])}].{column}",
            values[column],
            se=known_se(table, *row, column),
            n=PAPER_SEEDS[table],
        )
        for row, values in printed_table(table).items()
        if column in values
    }


def our_parts(claim: Claim, params: Params, cells: Iterable[Cell]) -> list[Part]:
    """The claim in a workspace's tables: those that repeat a printed one, and those of its own of the same layout.

    A printed table that the workspace neither repeats nor has one of its own for is a part without pairs.
    """
    cells = list(cells)
    return [part for each in claim.compare for part in _our_parts(each, params, cells)]


def _our_parts(each: Comparison, params: Params, cells: list[Cell]) -> list[Part]:
    layouts = {PAPER_LAYOUTS[table] for table in each.tables}
    tables = {
        name: table
        for name, table in params.tables.items()
        if table.layout in layouts and (table.paper is None or table.paper in each.tables)
    }
    found = [
        Part(name, each, _pairs(each, name, *(_ours(cells, name, column) for column in (each.column, KL))))
        for name in tables
    ]
    repeated, own = {table.paper for table in tables.values()}, {t.layout for t in tables.values() if t.paper is None}
    there = {table.layout for table in tables.values()}
    missing = dict.fromkeys(
        f"no table that repeats {table}" if layout in there else f"no table of layout {layout}"
        for table in each.tables
        if table not in repeated and (layout := PAPER_LAYOUTS[table]) not in own
    )
    return found + [Part(why, each, ()) for why in missing]


def _ours(cells: list[Cell], table: str, column: str) -> dict[Row, Side]:
    return {
        (cell.objective, round(cell.gamma, 6)): _side(cell)
        for cell in cells
        if (cell.table, cell.column) == (table, column) and cell.gamma is not None
    }


def heading(comparison: Comparison) -> str:
    """The column as tables head it."""
    columns = (LAYOUTS[PAPER_LAYOUTS[table]].column(comparison.column) for table in comparison.tables)
    return next(column.heading for column in columns if column is not None)


def _side(cell: Cell) -> Side:
    seeds = tuple((run.run.rpartition("/")[2], run.value) for run in cell.runs if isinstance(run.value, int | float))
    return Side(cell.address, cell.value, cell.problem, seeds, cell.se, cell.n)


def _pairs(comparison: Comparison, table: str, rows: dict[Row, Side], across: dict[Row, Side]) -> tuple[Pair, ...]:
    """Every gamma that one of the two has; a rival that is missing is named too."""
    ours, rival = comparison.ours, comparison.rival
    if comparison.along == "kl":
        gammas = sorted(gamma for objective, gamma in rows if objective == ours)
        return tuple(_at_equal_kl(comparison, table, gamma, rows, across) for gamma in gammas)
    if rival == BELOW:
        start = [row for row in rows if row[0] == "vanilla"]
        steps = sorted([*start, *(row for row in rows if row[0] == ours)], key=lambda row: row[1])
        both = list(zip(steps[1:], steps, strict=False))
    else:
        gammas = sorted({gamma for objective, gamma in rows if objective in (ours, rival)})
        both = [((ours, gamma), (rival, gamma)) for gamma in gammas]
    return tuple(_pair(comparison, a[1], _at(rows, a), _at(rows, b)) for a, b in both)


def _at(rows: Mapping[Row, Side], row: Row) -> Side:
    return rows.get(row) or Side(f"{row[0]},{gamma_text(row[1])}", None, "not in the study")


def _pair(comparison: Comparison, gamma: float, ours: Side, rival: Side) -> Pair:
    theirs = dict(rival.seeds)
    outcomes = [_outcome(comparison, value, theirs[seed]) for seed, value in ours.seeds if seed in theirs]
    counts = outcomes.count("held"), len(outcomes)
    outcome, found = _outcome(comparison, ours.value, rival.value), _difference(ours, rival)
    if comparison.better != "same" or found is None or rival.value is None:
        return Pair(gamma, ours, rival, outcome, counts, None if found is None else found.p)
    margin = comparison.within * abs(rival.value)
    near = found.interval is not None and max(map(abs, found.interval)) <= margin
    return Pair(gamma, ours, rival, outcome, counts, outside(found, margin), near)


def _difference(ours: Side, rival: Side) -> Difference | None:
    """Tested; None under three seeds on either side, or under three that both have."""
    shared = dict(ours.seeds).keys() & dict(rival.seeds).keys()
    if ours.value is None or rival.value is None or min(ours.n or 0, rival.n or 0) < FEWEST or 0 < len(shared) < FEWEST:
        return None
    first, second = Summary(ours.value, ours.se, ours.n), Summary(rival.value, rival.se, rival.n)
    return between(first, second, (dict(ours.seeds), dict(rival.seeds)))


def _outcome(comparison: Comparison, ours: float | None, rival: float | None) -> str:
    if ours is None or rival is None:
        return "missing"
    if comparison.better == "same":
        return "held" if abs(ours - rival) <= comparison.within * abs(rival) else "against"
    if ours == rival:
        return "tied"
    return "held" if (ours < rival) == (comparison.better == "lower") else "against"


# --- at the same KL(z) ------------------------------------------------------------------------------------------------


def _at_equal_kl(
    comparison: Comparison, table: str, gamma: float, rows: Mapping[Row, Side], across: Mapping[Row, Side]
) -> Pair:
    """Ours against the rival's curve, from vanilla on and joined by straight lines, at the KL(z) of ours."""
    row = comparison.ours, gamma
    ours, at = _at(rows, row), _at(across, row)
    curve = [(across.get(each), side) for each, side in rows.items() if each[0] in ("vanilla", comparison.rival)]
    rests = tuple(side.place for point in [*curve, (at, ours)] for side in point if side is not None)
    place = f"{table}[{comparison.rival}].{comparison.column}"
    points = [(x, y) for x, y in curve if x is not None and x.value is not None and y.value is not None]
    if ours.value is None or at.value is None or len(points) < max(2, len(curve)):
        rival = Side(place, None, "a point of the curve is missing", rests=rests)
        return Pair(gamma, ours, rival, "missing", (0, 0))
    place += f" at KL(z) {at.value:.4g}"
    try:
        rival = _read_off(place, rests, ours, at, points)
    except ValueError:  # of interpolate: a seed's curve does not reach so far, and is not continued
        rival = Side(place, None, "beyond the curve", rests=rests)
        return Pair(gamma, ours, rival, "beyond", (0, 0))
    return _pair(comparison, gamma, ours, rival)


def _read_off(place: str, rests: tuple[str, ...], ours: Side, at: Side, points: list[tuple[Side, Side]]) -> Side:
    """Each seed on its own curve, and the mean over seeds; printed numbers are one curve, of no seed."""
    if not ours.seeds:
        values = [(x.value, y.value) for x, y in points if x.value is not None and y.value is not None]
        return Side(place, interpolate(values, at.value or 0.0), rests=rests)
    place_of, curves = dict(at.seeds), [(dict(x.seeds), dict(y.seeds)) for x, y in points]
    seeds = [seed for seed, _ in ours.seeds if seed in place_of and all(seed in x and seed in y for x, y in curves)]
    if not seeds:
        return Side(place, None, "no seed has the whole curve", rests=rests)
    found = tuple((seed, interpolate([(x[seed], y[seed]) for x, y in curves], place_of[seed])) for seed in seeds)
    return Side(place, sum(value for _, value in found) / len(found), seeds=found, n=len(found), rests=rests)
