"""How many seeds would tell a gap from chance: power of the two-sided t-test by the noncentral t distribution.

A gap and a spread from two or three seeds are rough, and so is the number of seeds that follows from them.
"""

import math

from cmivae.results.differences import ALPHA

TARGET = 0.8
MOST = 10_000  # seeds; beyond it the answer is "more"
FAR = 30.0  # noncentrality from which on power is over 0.98 at any n


def power(gap: float, sd: float, n: int, *, paired: bool, tests: int = 1) -> float:
    """Chance that ``n`` seeds show a true ``gap`` at ``ALPHA`` / ``tests``, Holm's first step among so many.

    Args:
        gap: true difference of the means, ours minus theirs.
        sd: of one seed's difference if ``paired``, else of one run (the same on both sides).
        n: seeds on each side.
        paired: one-sample t-test of differences, n - 1 degrees of freedom; else two-sample, 2 n - 2.
        tests: in the family that Holm corrects over; a later step of his asks less, so that this is the most.

    Raises:
        ValueError: fewer than two seeds, or no spread.
    """
    if n < 2 or not sd > 0:
        raise ValueError("power needs two seeds and a spread")
    from scipy.special import ncfdtr, stdtrit

    freedom, noncentral = (
        (n - 1, abs(gap) / sd * math.sqrt(n)) if paired else (2 * n - 2, abs(gap) / sd * math.sqrt(n / 2))
    )
    limit = stdtrit(freedom, 1 - ALPHA / tests / 2)
    # Both tails of noncentral t are one of noncentral F, which scipy computes without holes, if not too far out.
    return float(1 - ncfdtr(1, freedom, min(noncentral, FAR) ** 2, limit**2))


def seeds_needed(gap: float, sd: float, *, paired: bool, tests: int = 1, target: float = TARGET) -> int | None:
    """Fewest seeds with at least ``target`` power; None if more than ``MOST``, as for a gap of 0."""
    if gap == 0 or power(gap, sd, MOST, paired=paired, tests=tests) < target:
        return None
    few, enough = 1, MOST  # power rises with n
    while enough - few > 1:
        middle = (few + enough) // 2
        reached = power(gap, sd, middle, paired=paired, tests=tests) >= target
        few, enough = (few, middle) if reached else (middle, enough)
    return enough
