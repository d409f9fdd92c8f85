"""Tests of differences, power and matched curves: textbook numbers, scipy, and what must hold for any numbers."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cmivae.results.differences import Difference, Summary, holm, paired, sign_test, welch
from cmivae.results.matched import interpolate, matched
from cmivae.results.power import power, seeds_needed
from cmivae.results.printed import paper_se, paper_value
from cmivae.results.stats import mean_interval, mean_se, t_quantile

# Student 1908 (Cushny and Peebles): hours of sleep gained by ten patients with two drugs.
SLEEP = ([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0], [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])
VALUES = st.lists(st.floats(-100, 100), min_size=3, max_size=8)


def spread(values) -> bool:
    return np.std(values) > 1e-3


# --- one difference ---------------------------------------------------------------------------------------------------


def test_students_sleep_paired():
    found = paired(*SLEEP)
    assert found.value == pytest.approx(-1.58)
    assert (found.value / found.se, found.freedom) == (pytest.approx(-4.0621, abs=1e-4), 9)
    assert found.p == pytest.approx(0.002833, abs=1e-6)
    assert found.interval == pytest.approx((-2.4598858, -0.7001142), abs=1e-7)


def test_students_sleep_by_welch():
    a, b = (Summary(*mean_se(values)) for values in SLEEP)
    found = welch(a, b)
    assert (found.value / found.se, found.freedom) == (
        pytest.approx(-1.8608, abs=1e-4),
        pytest.approx(17.776, abs=1e-3),
    )
    assert found.p == pytest.approx(0.07939, abs=1e-5)
    assert found.interval == pytest.approx((-3.3654832, 0.2054832), abs=1e-7)


@given(VALUES, VALUES)
def test_welch_is_scipys_for_any_values(a, b):
    if spread(a) and spread(b):
        found, known = welch(Summary(*mean_se(a)), Summary(*mean_se(b))), stats.ttest_ind(a, b, equal_var=False)
        assert found.p == pytest.approx(known.pvalue, rel=1e-6, abs=1e-12)
        assert found.freedom == pytest.approx(known.df, rel=1e-6)
        assert found.interval == pytest.approx(tuple(known.confidence_interval()), rel=1e-6, abs=1e-9)


@given(VALUES, st.data())
def test_paired_is_scipys_and_turns_its_sign_with_the_sides(a, data):
    b = data.draw(st.lists(st.floats(-100, 100), min_size=len(a), max_size=len(a)))
    if spread(np.subtract(a, b)):
        found, turned, known = paired(a, b), paired(b, a), stats.ttest_rel(a, b)
        assert found.p == pytest.approx(known.pvalue, rel=1e-6, abs=1e-12)
        assert (turned.value, turned.p) == (-found.value, found.p)
        assert turned.interval == pytest.approx((-found.interval[1], -found.interval[0]))
        assert (found.interval[0] > 0 or found.interval[1] < 0) == (found.p < 0.05)  # the interval is the test


def test_what_cannot_be_tested_is_none_and_never_0():
    assert paired([0.5], [0.4]) == Difference(pytest.approx(0.1))
    same = paired([0.6, 0.7], [0.4, 0.5])  # both seeds by 0.2: no spread, so no test
    assert (same.interval, same.p) == (None, None)
    assert paired([1.0, 2.0], [1.0, 2.0]).p is None
    assert welch(Summary(1.0, 0.1, 3), Summary(2.0)) == Difference(-1.0)
    assert welch(Summary(1.0, 0.1, 3), Summary(2.0, 0.1, None)).interval is None
    assert welch(Summary(1.0, 0.0, 3), Summary(2.0, 0.0, 3)).p is None
    for sides, why in ((([], []), "a seed that both have"), (([1.0], [1.0, 2.0]), "shorter|longer")):
        with pytest.raises(ValueError, match=why):
            paired(*sides)


def test_interval_of_a_mean_is_scipys():
    assert mean_interval([1.0, 2.0, 6.0]) == pytest.approx(
        stats.t.interval(0.95, 2, loc=3.0, scale=stats.sem([1.0, 2.0, 6.0]))
    )
    assert t_quantile(2) == pytest.approx(4.302653, abs=1e-6)  # of every table of t
    assert (mean_interval([1.0]), mean_interval([])) == (None, None)
    with pytest.raises(ValueError, match="degree of freedom"):
        t_quantile(0)


def test_intervals_cover_what_they_say():
    """Of 2,000 experiments with three seeds, 95 % hold the truth: of means, of pairs, of Welch's difference."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 1.0, (2, 2000, 3))
    hits = np.mean([mean_interval(list(row))[0] <= 1.0 <= mean_interval(list(row))[1] for row in a])
    paired_hits = np.mean(
        [low <= 0 <= high for low, high in (paired(x, y).interval for x, y in zip(a, b, strict=True))]
    )
    assert hits == pytest.approx(0.95, abs=0.015)
    assert paired_hits == pytest.approx(0.95, abs=0.015)


# --- many differences -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "against", "p"),
    [
        (9, 0, 0.00390625),
        (8, 1, 0.0390625),
        (6, 1, 0.125),
        (5, 2, 0.453125),
        (4, 0, 0.125),
        (3, 3, 1.0),
        (0, 6, 0.03125),
    ],
)
def test_sign_test_by_hand(held, against, p):
    assert sign_test(held, against) == p
    assert sign_test(0, 0) is None


@given(st.integers(0, 30), st.integers(0, 30))
def test_sign_test_is_the_exact_binomial(held, against):
    if held + against:
        assert sign_test(held, against) == pytest.approx(stats.binomtest(held, held + against, 0.5).pvalue)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # Wikipedia's example
    assert holm([0.2, None, 0.9]) == [0.4, None, 0.9]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_the_closed_test_rejects(ps):
    """Holm is the closure of Bonferroni: p's adjusted value is its worst over all subsets that it is in."""
    adjusted = holm(ps)
    for i, p in enumerate(adjusted):
        others = [each for j, each in enumerate(ps) if j != i]
        subsets = [s for k in range(len(others) + 1) for s in itertools.combinations(others, k)]
        closed = max(min(1.0, (len(s) + 1) * min((ps[i], *s))) for s in subsets)
        assert p == pytest.approx(closed)
        assert p >= ps[i]


# --- power ------------------------------------------------------------------------------------------------------------


def test_power_is_that_of_cohens_tables():
    assert power(0.5, 1.0, 64, paired=False) == pytest.approx(0.8015, abs=1e-4)  # Cohen 1988: d 0.5, 64 a group
    assert seeds_needed(0.5, 1.0, paired=False) == 64
    assert seeds_needed(0.8, 1.0, paired=False) == 26
    assert seeds_needed(0.2, 1.0, paired=False) == 394  # G*Power; Cohen's table says 393
    assert seeds_needed(0.5, 1.0, paired=True) == 34
    assert power(0.0, 1.0, 5, paired=True) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("gamma", "p", "chance", "seeds"),
    [(0.4, 0.225, 0.07, 17), (0.8, 0.433, 0.03, 46), (0.9, 0.596, 0.02, 101), (0.99, 0.043, 0.31, 6)],
)
def test_three_seeds_do_not_resolve_the_papers_own_eer(gamma, p, chance, seeds):
    """Table 3, EER(z) of CMI-VAE and beta-VAE, from means and standard errors; Holm's first step of four."""
    ours, theirs = (
        Summary(paper_value("table3", name, gamma, "eer_z"), paper_se("table3", name, gamma, "eer_z"), 3)
        for name in ("cmi", "beta")
    )
    found = welch(ours, theirs)
    spread = math.sqrt(3 * (ours.se**2 + theirs.se**2) / 2)
    assert found.p == pytest.approx(p, abs=5e-4)
    assert power(found.value, spread, 3, paired=False, tests=4) == pytest.approx(chance, abs=5e-3)
    assert seeds_needed(found.value, spread, paired=False, tests=4) == seeds


@given(st.floats(0.05, 5), st.integers(2, 40), st.booleans())
def test_power_is_the_noncentral_t_of_scipy_and_rises_with_n(gap, n, pairs):
    freedom, noncentral = (n - 1, gap * math.sqrt(n)) if pairs else (2 * n - 2, gap * math.sqrt(n / 2))
    limit = stats.t.ppf(0.975, freedom)
    far = stats.nct.sf(limit, freedom, noncentral)
    if noncentral < 5:
        assert power(gap, 1.0, n, paired=pairs) == pytest.approx(
            far + stats.nct.cdf(-limit, freedom, noncentral), abs=1e-8
        )
    assert 0.05 <= power(gap, 1.0, n, paired=pairs) <= power(gap, 1.0, n + 1, paired=pairs) + 1e-12


@given(st.floats(0.05, 50), st.booleans())
def test_seeds_needed_is_the_first_number_that_is_enough(gap, pairs):
    n = seeds_needed(gap, 1.0, paired=pairs)
    assert power(gap, 1.0, n, paired=pairs) >= 0.8
    assert n == 2 or power(gap, 1.0, n - 1, paired=pairs) < 0.8


def test_no_number_of_seeds_shows_a_gap_that_is_not_there():
    assert seeds_needed(0.0, 1.0, paired=True) is None
    assert seeds_needed(0.001, 1.0, paired=True) is None
    for n, spread in ((1, 1.0), (3, 0.0)):
        with pytest.raises(ValueError, match="two seeds and a spread"):
            power(1.0, spread, n, paired=True)


# --- the same KL(z) ---------------------------------------------------------------------------------------------------

FLAT, STEEP = [(0.0, 1.0), (10.0, 1.0)], [(2.0, 0.0), (12.0, 10.0)]


def test_matched_by_hand():
    found = matched({"s0": STEEP}, {"s0": FLAT})
    assert (found.low, found.high, found.n) == (2.0, 10.0, 1)
    assert found.difference == Difference(pytest.approx(3.0))  # the mean of 0 to 8, less 1; one seed: no interval
    assert found.above == pytest.approx(7 / 8)  # from KL(z) 3 on


def test_matched_over_seeds_is_a_paired_test_of_their_means_on_one_range():
    up = {f"s{i}": [(0.0, i), (4.0 + i, i)] for i in range(3)}
    found = matched(up, {seed: [(1.0, 0.0), (9.0, 0.0)] for seed in up} | {"s9": FLAT})
    assert (found.low, found.high, found.n) == (1.0, 4.0, 3)
    assert found.difference == paired([0.0, 1.0, 2.0], [0.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("ours", "theirs", "why"),
    [({"s0": FLAT}, {"s1": FLAT}, "no seed"), ({"s0": FLAT[:1]}, {"s0": FLAT}, "fewer than two points"),
     ({"s0": FLAT}, {"s0": [(10.0, 1.0), (20.0, 1.0)]}, "share no KL"), ({}, {}, "no seed")],
)  # fmt: skip
def test_what_cannot_be_matched_says_why(ours, theirs, why):
    assert why in matched(ours, theirs)


def test_a_curve_is_not_continued_beyond_its_ends():
    assert interpolate(STEEP, 7.0) == pytest.approx(5.0)
    assert interpolate([(1.0, 2.0), (1.0, 4.0), (3.0, 5.0)], 1.0) == 3.0  # twice the same KL(z): the mean
    for beyond in (1.9, 12.1):
        with pytest.raises(ValueError, match="beyond the curve"):
            interpolate(STEEP, beyond)


CURVE = st.lists(
    st.tuples(st.floats(0, 50), st.floats(-5, 5)), min_size=3, max_size=7, unique_by=lambda p: round(p[0], 1)
)


@given(CURVE, CURVE, st.randoms(use_true_random=False), st.floats(-3, 3))
def test_order_of_points_does_not_matter_and_a_shift_is_found(a, b, random, shift):
    found, mixed = matched({"": a}, {"": b}), list(a)
    random.shuffle(mixed)
    assert matched({"": mixed}, {"": b}) == found
    lifted = matched({"": [(x, y + shift) for x, y in a]}, {"": a})
    assert lifted.difference.value == pytest.approx(shift, abs=1e-9)
    if not isinstance(found, str):
        grid = np.linspace(found.low, found.high, 20_001)
        gap = np.interp(grid, *zip(*sorted(a), strict=True)) - np.interp(grid, *zip(*sorted(b), strict=True))
        assert found.difference.value == pytest.approx(gap.mean(), abs=0.01)
        assert found.above == pytest.approx(np.mean(gap > 0), abs=0.001) or np.abs(gap).min() < 1e-9
