"""CMI-VAE against its rivals in every column that a claim is about: at each gamma, across gammas, at the same KL(z).

``comparison`` reads a workspace's cells, ``printed_comparison`` the paper's tables. Both give the same records, so that
a page can show them side by side. No record names a winner: it says what is resolved, and how many seeds would resolve
the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cmivae.results.claims import BELOW, KL, claims, heading
from cmivae.results.columns import LAYOUTS
from cmivae.results.differences import ALPHA, FEWEST, Difference, Summary, between, holm, sign_test
from cmivae.results.evidence import Comparison
from cmivae.results.matched import Matched, matched
from cmivae.results.power import seeds_needed
from cmivae.results.printed import PAPER_SEEDS, known_se, printed_table
from cmivae.results.record import Cell
from cmivae.study.checks import PAPER_LAYOUTS

RESOLVED, UNRESOLVED, NOT_RUN = "resolved", "not resolvable at this n", "not run"
SAME = "same level"  # the whole interval is within the margin of a claim of sameness


@dataclass(frozen=True)
class AtGamma:
    """One gamma. ``holm`` is ``difference.p`` corrected over the gammas of its contrast.

    ``seeds_needed`` would show a gap of the size found here with 80 % power, at the spread found here, by Holm's first
    step over the gammas of its contrast (0.05 over their number); None where it cannot be said (no spread, no gap) or
    is over ``power.MOST``. ``spread`` is of one seed's difference if the seeds are ``paired``, else of one run.
    """

    gamma: float
    ours: float | None
    rival: float | None
    n: int | None  # seeds of each side; None where the paper does not say
    difference: Difference | None
    holm: float | None = None
    seeds_needed: int | None = None
    spread: float | None = None
    paired: bool = False
    word: str = NOT_RUN  # RESOLVED, UNRESOLVED, SAME or NOT_RUN
    problem: str = ""  # why there is no difference


@dataclass(frozen=True)
class Contrast:
    """One column of one table, two objectives.

    ``held`` and ``against`` count gammas whose difference goes the claimed way and the other one; ``sign_p`` is the
    exact two-sided sign test of them, None for a claim of sameness. ``matched`` is None where ``matched_problem``
    says why.
    """

    source: str  # ours or paper
    table: str
    dataset: str
    label: str  # of the workspace; "paper" for printed numbers
    column: str
    heading: str
    digits: int
    ours: str
    rival: str
    better: str  # what the paper claims of ours: lower, higher or same
    within: float  # share of the rival's value, where it claims sameness
    test: str  # how the differences at a gamma are tested
    gammas: tuple[AtGamma, ...]
    held: int = 0
    against: int = 0
    sign_p: float | None = None
    matched: Matched | None = None
    matched_problem: str = ""

    @property
    def resolved(self) -> int:
        """Gammas whose difference is told from chance after Holm's correction."""
        return sum(each.word == RESOLVED for each in self.gammas)

    @property
    def compared(self) -> int:
        """Gammas with two values."""
        return sum(each.difference is not None for each in self.gammas)


@dataclass(frozen=True)
class _Side:
    """One objective's number at one gamma, with the values of its seeds where there are runs."""

    value: float | None
    problem: str = ""
    se: float | None = None
    n: int | None = None
    seeds: Mapping[str, float] = field(default_factory=dict)


_Rows = Mapping[tuple[str, float], Mapping[str, _Side]]  # objective and gamma: column: number


def comparison(cells: Iterable[Cell], dataset: str) -> list[Contrast]:
    """All contrasts of one data set of a workspace, each column once, from the first table that has it.

    Seeds are paired. A cell with a failed or missing seed has no value, and its gamma is not run.
    """
    tables: dict[str, dict[tuple[str, float], dict[str, _Side]]] = {}
    labels = {}
    for cell in cells:
        if cell.dataset == dataset and cell.gamma is not None and cell.aggregate != "quoted":
            row = tables.setdefault(cell.table, {}).setdefault((cell.objective, round(cell.gamma, 6)), {})
            row[cell.column] = _side(cell)
            labels[cell.table] = cell.label
    found: dict[tuple[str, str, str], Contrast] = {}
    for table, rows in tables.items():
        for asked in _asked():
            place = asked.column, asked.ours, asked.rival
            if place not in found and _has(rows, asked):
                found[place] = _contrast(asked, rows, ("ours", table, dataset, labels[table]), "paired t over seeds")
    return list(found.values())


def printed_comparison(table: str) -> list[Contrast]:
    """The same of a printed table, ``table1`` to ``table5``. Speech has standard errors over 3 seeds (Welch's test)."""
    n = PAPER_SEEDS[table]
    rows = {
        (objective, gamma): {
            column: _Side(value, se=known_se(table, objective, gamma, column), n=n) for column, value in row.items()
        }
        for (objective, gamma), row in printed_table(table).items()
    }
    how = "Welch's t from printed standard errors"
    asked = [each for each in _asked() if _has(rows, each)]
    return [_contrast(each, rows, ("paper", table, "", "paper"), how) for each in asked]


def _asked() -> list[Comparison]:
    """Every two objectives in a column that some claim compares, once, at the same gamma."""
    found = {(each.column, each.ours, each.rival): each for claim in claims().values() for each in claim.compare}
    return [each for each in found.values() if each.rival != BELOW]


def _layouts(asked: Comparison) -> set[str]:
    return {PAPER_LAYOUTS[table] for table in asked.tables}


def _has(rows: _Rows, asked: Comparison) -> bool:
    there = {objective for (objective, _), row in rows.items() if asked.column in row}
    return {asked.ours, asked.rival} <= there


def _side(cell: Cell) -> _Side:
    seeds = {run.run.rpartition("/")[2]: run.value for run in cell.runs if isinstance(run.value, int | float)}
    return _Side(cell.value, cell.problem, cell.se, cell.n, {} if cell.value is None else seeds)


def _contrast(asked: Comparison, rows: _Rows, about: tuple[str, str, str, str], how: str) -> Contrast:
    source, table, dataset, label = about
    pairs = {
        gamma: (_at(rows, asked.ours, gamma, asked.column), _at(rows, asked.rival, gamma, asked.column))
        for gamma in sorted({gamma for objective, gamma in rows if objective in (asked.ours, asked.rival)})
    }
    gammas = _judged([_gamma(gamma, *sides) for gamma, sides in pairs.items()], asked)
    differences = [each.difference.value for each in gammas if each.difference is not None]
    up, down = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    held, against = (down, up) if asked.better == "lower" else (up, down)
    if asked.better == "same":
        levels = [(e.difference.value, e.rival) for e in gammas if e.difference is not None and e.rival is not None]
        near = [abs(difference) <= asked.within * abs(rival) for difference, rival in levels]
        held, against = sum(near), len(near) - sum(near)
    same_kl = _matched(asked, rows)
    column = next(c for layout in _layouts(asked) if (c := LAYOUTS[layout].column(asked.column)) is not None)
    return Contrast(
        source, table, dataset, label, asked.column, heading(asked), column.digits, asked.ours, asked.rival,
        asked.better, asked.within, how if any(e.difference and e.difference.p is not None for e in gammas) else "none",
        tuple(gammas), held, against, None if asked.better == "same" else sign_test(held, against),
        same_kl if isinstance(same_kl, Matched) else None, same_kl if isinstance(same_kl, str) else "",
    )  # fmt: skip


def _at(rows: _Rows, objective: str, gamma: float, column: str) -> _Side:
    return rows.get((objective, gamma), {}).get(column) or _Side(None, "not in the study")


def _gamma(gamma: float, ours: _Side, rival: _Side) -> AtGamma:
    if ours.value is None or rival.value is None:
        return AtGamma(gamma, ours.value, rival.value, None, None, problem=ours.problem or rival.problem)
    summaries = Summary(ours.value, ours.se, ours.n), Summary(rival.value, rival.se, rival.n)
    found = between(*summaries, (ours.seeds, rival.seeds))
    shared = len(ours.seeds.keys() & rival.seeds.keys())
    if shared:
        spread = None if found.se is None else found.se * shared**0.5
        return AtGamma(gamma, ours.value, rival.value, shared, found, spread=spread, paired=True)
    spread = None
    if found.se is not None and ours.n and ours.n == rival.n:
        spread = found.se * (ours.n / 2) ** 0.5  # of one run, the same on both sides
    return AtGamma(gamma, ours.value, rival.value, ours.n, found, spread=spread)


def _judged(gammas: Sequence[AtGamma], asked: Comparison) -> list[AtGamma]:
    """Holm over the gammas, and for each a word and the seeds that it would take."""
    adjusted = holm([each.difference.p if each.difference else None for each in gammas])
    tests = sum(p is not None for p in adjusted)
    return [
        replace(each, holm=p, seeds_needed=_needed(each, tests), word=_word(each, p, asked))
        for each, p in zip(gammas, adjusted, strict=True)
    ]


def _needed(at: AtGamma, tests: int) -> int | None:
    if not at.spread or at.difference is None or at.difference.p is None:
        return None
    return seeds_needed(at.difference.value, at.spread, paired=at.paired, tests=tests)


def _word(at: AtGamma, p: float | None, asked: Comparison) -> str:
    if at.difference is None:
        return NOT_RUN
    if at.difference.interval is None or p is None or at.n is None or at.n < FEWEST:
        return UNRESOLVED
    level = asked.within * abs(at.rival or 0.0)
    if asked.better == "same" and max(map(abs, at.difference.interval)) <= level:
        return SAME
    return RESOLVED if p <= ALPHA else UNRESOLVED


def _matched(asked: Comparison, rows: _Rows) -> Matched | str:
    if asked.column == KL:
        return "KL(z) is the axis"
    curves = [_curves(rows, objective, asked.column) for objective in (asked.ours, asked.rival)]
    if not all(curves):
        return "no KL(z) beside this column"
    return matched(*curves)


def _curves(rows: _Rows, objective: str, column: str) -> dict[str, list[tuple[float, float]]]:
    """By seed, the points of one objective from vanilla on; printed numbers are one curve, of no seed."""
    found: dict[str, list[tuple[float, float]]] = {}
    for (name, _), row in sorted(rows.items(), key=lambda item: item[0][1]):
        across, metric = row.get(KL), row.get(column)
        if name not in ("vanilla", objective) or across is None or metric is None:
            continue
        if across.seeds or metric.seeds:
            for seed in across.seeds.keys() & metric.seeds.keys():
                found.setdefault(seed, []).append((across.seeds[seed], metric.seeds[seed]))
        elif across.value is not None and metric.value is not None:
            found.setdefault("", []).append((across.value, metric.value))
    return found
