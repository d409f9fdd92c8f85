"""Two objectives compared at the same KL(z): the mean vertical distance of two curves where both of them are.

Section 5.3 argues with curves (Figure 3), since at the same gamma two objectives need not have the same KL(z).
Curves are joined by straight lines and never continued beyond their ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cmivae.results.differences import Difference, paired

Curve = Sequence[tuple[float, float]]  # KL(z) in nats, metric; in any order


@dataclass(frozen=True)
class Matched:
    """``low`` to ``high`` is the KL(z) in nats that every curve reaches.

    ``above`` is the share of it where ours is higher, mean over seeds. ``difference`` is ours minus theirs, averaged
    over that range; its interval is over seeds (paired t).
    """

    low: float
    high: float
    difference: Difference
    n: int
    above: float


def matched(ours: Mapping[str, Curve], theirs: Mapping[str, Curve]) -> Matched | str:
    """Compare two families of curves, one curve for each seed that both have; or say why they cannot be compared.

    The range is the same for all seeds, so that each seed's mean is of the same KL(z).
    """
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return "no seed has both curves"
    pairs = [(_sorted(ours[seed]), _sorted(theirs[seed])) for seed in seeds]
    each = [curve for pair in pairs for curve in pair]
    if any(len(x) < 2 for x, _ in each):
        return "a curve has fewer than two points"
    low, high = max(x[0] for x, _ in each), min(x[-1] for x, _ in each)
    if not low < high:
        return "the curves share no KL(z)"
    means = [(_mean(a, low, high), _mean(b, low, high)) for a, b in pairs]
    ours_means, their_means = zip(*means, strict=True)
    above = float(np.mean([_above(a, b, low, high) for a, b in pairs]))
    return Matched(float(low), float(high), paired(ours_means, their_means), len(seeds), above)


def interpolate(curve: Curve, at: float) -> float:
    """The metric at KL(z) = ``at``, on the straight line between neighbours.

    Raises:
        ValueError: ``at`` is beyond the ends of the curve.
    """
    x, y = _sorted(curve)
    if not x[0] <= at <= x[-1]:
        raise ValueError(f"KL(z) {at:.6g} is beyond the curve, {x[0]:.6g} to {x[-1]:.6g}")
    return float(np.interp(at, x, y))


_Points = tuple[np.ndarray, np.ndarray]


def _sorted(curve: Curve) -> _Points:
    """By rising KL(z); points of the same KL(z) become one, their mean."""
    at = np.array([x for x, _ in curve], float)
    values = np.array([y for _, y in curve], float)
    x, place = np.unique(at, return_inverse=True)
    return x, np.bincount(place, values) / np.bincount(place)


def _mean(points: _Points, low: float, high: float) -> float:
    """Mean height between ``low`` and ``high``: exact, since the line is straight between its knots."""
    x, y = points
    knots = np.unique(np.concatenate([[low, high], x[(x > low) & (x < high)]]))
    return float(np.trapezoid(np.interp(knots, x, y), knots) / (high - low))


def _above(ours: _Points, theirs: _Points, low: float, high: float) -> float:
    """Share of the range where ours is higher; straight pieces cross at most once between knots."""
    inner = np.concatenate([ours[0], theirs[0]])
    knots = np.unique(np.concatenate([[low, high], inner[(inner > low) & (inner < high)]]))
    gap = np.interp(knots, *ours) - np.interp(knots, *theirs)
    left, right, width = gap[:-1], gap[1:], np.diff(knots)
    top, size = np.maximum(left, 0) + np.maximum(right, 0), np.abs(left) + np.abs(right)
    share = np.divide(top, size, out=np.zeros_like(size), where=size > 0)
    return float(np.sum(share * width) / (high - low))
