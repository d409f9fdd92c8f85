"""How one of our numbers stands to the printed one: a word that a reader can trust, and what it rests on.

The words: consistent, differs, not resolvable at this n, not run, synthetic or reduced; and, where there is nothing to
compare, quoted or not printed. Of many consistent numbers about one in twenty will differ by chance alone.
"""

import math
from dataclasses import dataclass, replace

from cmivae.results.columns import OVERFIT
from cmivae.results.differences import Summary, welch
from cmivae.results.printed import PAPER_SEEDS, Row, known_se, printed_table
from cmivae.results.record import Cell
from cmivae.results.stats import Interval, t_interval

CONSISTENT, DIFFERS, UNRESOLVED = "consistent", "differs", "not resolvable at this n"
NOT_RUN, OTHER, QUOTED, NOT_PRINTED = "not run", "synthetic or reduced", "quoted", "not printed"
MARGIN = "a quarter of the largest printed gap to a neighbour"
WORDS = (CONSISTENT, DIFFERS, UNRESOLVED, NOT_RUN, OTHER, QUOTED, NOT_PRINTED)


@dataclass(frozen=True)
class Agreement:
    """``difference`` is ours minus the paper's; ``interval`` its 95 % confidence interval.

    ``margin``: to count as consistent the interval must not be wider than this on each side. ``why`` is a sentence.
    A number of another scale has a difference, for orientation, and never an interval.
    """

    word: str
    why: str
    paper: float | None
    paper_se: float | None = None
    paper_n: int | None = None
    difference: float | None = None
    interval: Interval | None = None
    margin: float | None = None


def agreement(cell: Cell, printed: str | None) -> Agreement:
    """Compare a cell with the number that the paper prints for it.

    Where the paper gives a standard error over n seeds (Tables 1 and 3), the interval is Welch's. Where it gives none,
    the printed number is taken as the mean of as many runs as it says (Table 2), or of one run (images, the least that
    it can be), with our spread.

    Args:
        printed: the printed table that the cell's table repeats ("table1" to "table5"), or None.
    """
    if cell.aggregate == "quoted":
        return Agreement(QUOTED, "quoted by the paper from others: nothing of ours stands behind it", cell.paper)
    if cell.paper is None:
        return Agreement(NOT_PRINTED, "the paper prints no such number", None)
    n = PAPER_SEEDS[printed] if printed else None
    se = known_se(printed, cell.objective, cell.gamma or 0.0, cell.column) if printed else None
    known = Agreement(NOT_RUN, f"no value of ours: {cell.problem}", cell.paper, se, n)
    if cell.value is None:
        return known
    known = replace(known, difference=cell.value - cell.paper)
    partial = next((line for line in cell.deviations if line.startswith("corpus INCOMPLETE")), "")
    if cell.label != "paper" or partial:
        scale = partial or f"the {cell.label} workspace, not the paper's scale"
        return replace(known, word=OTHER, why=f"{scale}: the difference says nothing of the paper's number")
    if excess := next((line for line in cell.deviations if OVERFIT in line), ""):
        return replace(known, word=UNRESOLVED, why=excess)
    if cell.se is None or cell.n < 2:
        many = "a maximum has no standard error" if cell.n > 1 else "one seed has no standard error"
        return replace(known, word=UNRESOLVED, why=many)
    found, how = _interval(Summary(cell.value, cell.se, cell.n), Summary(cell.paper, se, n), cell.se)
    limit = margin(printed, cell.objective, cell.gamma or 0.0, cell.column) if printed else None
    word, why = _judge(found, limit, how)
    why = "; ".join([why, *cell.deviations])  # readings of what the paper leaves open, other than the default
    return replace(known, word=word, why=why, interval=found, margin=limit)


def _interval(ours: Summary, paper: Summary, spread: float) -> tuple[Interval, str]:
    """Of ours minus the paper's, and how it was reckoned; ``spread`` is the standard error of ours."""
    count = ours.n or 1
    found = welch(ours, paper)
    if found.interval is not None:
        return found.interval, f"Welch, {count} seeds of ours and {paper.n} of the paper"
    theirs = spread * math.sqrt(count / (paper.n or 1))
    interval = t_interval(ours.mean - paper.mean, math.hypot(spread, theirs), count - 1)
    runs = f"{paper.n} runs" if paper.n else "one run"
    return interval, f"{count} seeds of ours; the paper prints no error, so {runs} with our spread"


def _judge(interval: Interval, limit: float | None, how: str) -> tuple[str, str]:
    low, high = interval
    if not low <= 0 <= high:
        return DIFFERS, f"0 is outside the interval ({how})"
    half = (high - low) / 2
    if limit is None:
        return UNRESOLVED, f"0 is inside, but nothing says how narrow the interval must be ({how})"
    if half > limit:
        return UNRESOLVED, f"0 is inside, but ±{half:.3g} is over {MARGIN}, {limit:.3g} ({how})"
    return CONSISTENT, f"0 is inside, and ±{half:.3g} within {MARGIN}, {limit:.3g} ({how})"


def margin(printed: str, objective: str, gamma: float, column: str) -> float | None:
    """How wide an interval may be on each side to say where among its printed neighbours a number lies.

    A quarter of the largest gap between the printed number and its neighbours: the same objective one gamma down and
    up (gamma 0 is the start of all objectives), and the other objectives at this gamma. Never more than a quarter of
    the column's range, which gamma itself makes for KL(z) and ELBO; None where all neighbours are the same. It is no
    test of the paper's claims: ``contrasts`` has these.
    """
    rows = {row: found[column] for row, found in printed_table(printed).items() if column in found}
    here = rows.get((objective, round(gamma, 6)))
    if here is None:
        return None
    gaps = [abs(rows[row] - here) for row in _neighbours([row for row in rows if row[0] != "quoted"], objective, gamma)]
    whole = max(rows.values()) - min(rows.values())
    return min(max(gaps, default=whole), whole) / 4 or None


def _neighbours(rows: list[Row], objective: str, gamma: float) -> list[Row]:
    """Rows beside this one; those of vanilla are the first of each objective."""
    own = round(gamma, 6)
    beside = [row for row in rows if row[1] == own and row[0] != objective]
    for each in {row[0] for row in rows} - {"vanilla"} if objective == "vanilla" else {objective}:
        line = sorted((row for row in rows if row[0] in ("vanilla", each)), key=lambda row: row[1])
        place = line.index((objective, own))
        beside += line[max(0, place - 1) : place] + line[place + 1 : place + 2]
    return beside
