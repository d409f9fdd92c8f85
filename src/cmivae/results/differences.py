"""Tests of a difference: paired over seeds, Welch's from printed standard errors, signs over gammas, Holm's correction.

Pure functions of numbers. Where a test means nothing (one seed, no spread) its fields are None, never 0 or 1.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cmivae.results.stats import Interval, mean_se, t_interval

ALPHA = 0.05  # two-sided, of every test
FEWEST = 3  # seeds that may resolve anything: with two, Student's t has one degree of freedom and leans on normality
NO_SPREAD = 1e-12  # of the size of the values: below it a spread is rounding


@dataclass(frozen=True)
class Summary:
    """A mean as it is printed: with a standard error and a count of seeds, or None where the paper gives none."""

    mean: float
    se: float | None = None
    n: int | None = None


@dataclass(frozen=True)
class Difference:
    """Ours minus theirs. ``interval`` (95 %) and two-sided ``p`` are None where there is no error to judge it by."""

    value: float
    se: float | None = None
    freedom: float | None = None  # degrees of freedom of Student's t
    interval: Interval | None = None
    p: float | None = None


def paired(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Mean difference over the same seeds, by the paired t-test (n - 1 degrees of freedom).

    Runs of one seed start from the same weights and see the same batches, and all runs are tested on the same lists.

    Raises:
        ValueError: no seeds, or not the same number of them.
    """
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    mean, se, n = mean_se(differences)
    if mean is None:
        raise ValueError("a difference needs a seed that both have")
    return _tested(mean, se, n - 1, max(map(abs, (*ours, *theirs))))


def welch(ours: Summary, theirs: Summary) -> Difference:
    """Difference of two independent means of unequal variance, by Welch's t-test from their standard errors."""
    value = ours.mean - theirs.mean
    known = [
        (side.se**2, side.n) for side in (ours, theirs) if side.se is not None and side.n is not None and side.n > 1
    ]
    if len(known) < 2:
        return Difference(value)
    total = sum(variance for variance, _ in known)
    parts = sum(variance**2 / (n - 1) for variance, n in known)
    freedom = total**2 / parts if parts else None
    return _tested(value, math.sqrt(total), freedom, max(abs(ours.mean), abs(theirs.mean)))


def between(ours: Summary, theirs: Summary, seeds: tuple[Mapping[str, float], Mapping[str, float]]) -> Difference:
    """Paired where both have values of the same ``seeds``, else Welch's from standard errors."""
    shared = sorted(seeds[0].keys() & seeds[1].keys())
    if shared:
        return paired([seeds[0][seed] for seed in shared], [seeds[1][seed] for seed in shared])
    return welch(ours, theirs)


def _tested(value: float, se: float | None, freedom: float | None, size: float) -> Difference:
    if se is None or freedom is None or se <= NO_SPREAD * size:
        return Difference(value, se)
    from scipy.special import stdtr

    p = float(2 * stdtr(freedom, -abs(value) / se))
    return Difference(value, se, freedom, t_interval(value, se, freedom), p)


def outside(found: Difference, margin: float) -> float | None:
    """Two-sided p against a true difference of at most ``margin``; 1 for one found within it, None without an error."""
    if found.se is None or found.freedom is None or found.p is None:
        return None
    from scipy.special import stdtr

    return float(min(1.0, 2 * stdtr(found.freedom, -max(0.0, abs(found.value) - margin) / found.se)))


def sign_test(held: int, against: int) -> float | None:
    """Exact two-sided sign test: how often a fair coin is as one-sided as ``held`` to ``against``. None for no toss.

    Ties are left out by the caller. Gammas share seeds, first weights and batches, so that they are no independent
    tosses: with a correlation of 0.5 between them seven all go one given way by chance in 0.125 of studies, not in
    0.008 (``docs/statistics.md``). No verdict rests on this test alone.
    """
    n, more = held + against, max(held, against)
    if n == 0:
        return None
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(more, n + 1)) / 2**n)


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down adjusted p-values over one family, in the order given; None stays None and is not counted."""
    order = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    running = 0.0
    for rank, (p, place) in enumerate(order):
        running = max(running, min(1.0, (len(order) - rank) * p))
        adjusted[place] = running
    return adjusted
