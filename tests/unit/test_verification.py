"""EER: known answers, an obvious reference, agreement with scikit-learn's ROC; utterance means and cosines."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from cmivae.data.trials import all_pairs, draw_trials
from cmivae.errors import UserError
from cmivae.evaluation.verification import centred, cosine_scores, eer_of, equal_error_rate, utterance_means

SCORES = st.lists(st.integers(-6, 6), min_size=1, max_size=12)  # few values: many ties
TIES = settings(max_examples=150, deadline=None)


def slow_eer(target, nontarget) -> float:
    """By the definition: rates at all thresholds, then the one line between two of them that crosses FAR = FRR."""
    points = []
    for threshold in [*sorted({*target, *nontarget}), np.inf]:
        far = sum(score >= threshold for score in nontarget) / len(nontarget)
        frr = sum(score < threshold for score in target) / len(target)
        points.append((far, frr))
    for (far0, frr0), (far1, frr1) in itertools.pairwise(points):
        if frr0 < far0 and frr1 >= far1:
            share = (far0 - frr0) / ((far0 - frr0) + (frr1 - far1))
            return 100 * (far0 + share * (far1 - far0))
    raise AssertionError("the line does not cross")


def roc_eer(target, nontarget) -> float:
    """The same from scikit-learn's ROC."""
    truth = np.repeat([1, 0], [len(target), len(nontarget)])
    far, hit, _ = roc_curve(truth, np.concatenate((target, nontarget)), drop_intermediate=False)
    frr = 1 - hit
    after = int(np.argmax(far >= frr))
    gap = frr - far
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return 100 * float(far[after - 1] + share * (far[after] - far[after - 1]))


def speakers(count: int, each: int, noise: float, seed: int = 0, size: int = 16):
    """Vectors of utterances (U, D) and their trials."""
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.normal(size=(count, size)), each, axis=0) + noise * rng.normal(size=(count * each, size))
    return x, *draw_trials([f"s{index // each}" for index in range(count * each)], None, 0)


@pytest.mark.parametrize(
    ("target", "nontarget", "percent"),
    [
        ([2, 3], [0, 1], 0),  # perfect
        ([0, 1], [2, 3], 100),  # the wrong way round
        ([1, 1, 1], [1, 1], 50),  # constant
        ([5], [5], 50),
        ([5], [4], 0),
        ([1, 3], [0, 2], 50),  # at 2 both rates are 1/2
        ([2, 3, 4, 5], [0, 1, 2.5, 1.5], 25),  # at 2.5 both are 1/4
        ([1, 2, 2], [1, 1, 2], 100 / 3),  # at 2 both are 1/3
        ([2, 2, 3], [1, 2], 200 / 7),  # from (FAR, FRR) = (1/2, 0) at 2 to (0, 2/3) at 3
        ([1, 2], [1, 0], 25),  # from (1/2, 0) at 1 to (0, 1/2) at 2
        ([1, 2], [1], 100 / 3),  # from (1, 0) at 1 to (0, 1/2) at 2
    ],
)
def test_known_answers(target, nontarget, percent):
    assert equal_error_rate(target, nontarget) == pytest.approx(percent, abs=1e-12)
    assert slow_eer(target, nontarget) == pytest.approx(percent, abs=1e-12)


def test_perfect_and_constant_scores_are_exact():
    assert equal_error_rate(np.linspace(1, 2, 7), np.linspace(-1, 0.9, 31)) == 0.0
    assert equal_error_rate(np.full(7, 0.1), np.full(31, 0.1)) == 50.0


def test_random_scores_are_about_half():
    rng = np.random.default_rng(0)
    assert equal_error_rate(rng.normal(size=4000), rng.normal(size=40_000)) == pytest.approx(50, abs=2)


def test_normal_scores_give_the_textbook_rate():
    """N(d, 1) against N(0, 1): the rates meet at d/2, where both are Phi(-d/2)."""
    rng = np.random.default_rng(1)
    found = equal_error_rate(rng.normal(size=200_000) + 2, rng.normal(size=200_000))
    assert found == pytest.approx(15.8655, abs=0.2)


@TIES
@given(SCORES, SCORES)
def test_it_is_the_definition(target, nontarget):
    assert equal_error_rate(target, nontarget) == pytest.approx(slow_eer(target, nontarget), abs=1e-9)


@TIES
@given(SCORES, SCORES)
def test_it_is_scikit_learns_roc(target, nontarget):
    assert equal_error_rate(target, nontarget) == pytest.approx(roc_eer(target, nontarget), abs=1e-9)


@pytest.mark.parametrize("decimals", [15, 2, 1, 0])
@pytest.mark.parametrize(("targets", "nontargets"), [(300, 9000), (9000, 300), (1, 5000), (5000, 1)])
def test_it_is_scikit_learns_roc_on_many_scores(decimals, targets, nontargets):
    rng = np.random.default_rng(decimals)
    target = np.round(rng.normal(size=targets) + 1, decimals)
    nontarget = np.round(rng.normal(size=nontargets), decimals)
    assert equal_error_rate(target, nontarget) == pytest.approx(roc_eer(target, nontarget), abs=1e-9)


def test_it_is_scikit_learns_roc_on_cosines():
    x, pairs, is_target = speakers(24, 8, noise=1.5)
    scores = cosine_scores(x, pairs)
    expected = roc_eer(scores[is_target], scores[~is_target])
    assert 5 < expected < 45
    assert eer_of(x, pairs, is_target) == pytest.approx(expected, abs=1e-9)


def test_both_rates_are_the_eer_where_a_threshold_makes_them_equal():
    target, nontarget = np.array([0.1, 0.5, 0.6, 0.7, 0.9]), np.array([0.0, 0.2, 0.3, 0.35, 0.55])
    found = equal_error_rate(target, nontarget)
    assert found == pytest.approx(100 * np.mean(nontarget >= 0.45))
    assert found == pytest.approx(100 * np.mean(target < 0.45))


@TIES
@given(SCORES, SCORES)
def test_it_is_a_percentage_and_swapping_roles_of_negated_scores_keeps_it(target, nontarget):
    found = equal_error_rate(target, nontarget)
    assert 0 <= found <= 100
    assert equal_error_rate(np.negative(nontarget), np.negative(target)) == pytest.approx(found, abs=1e-9)


@TIES
@given(SCORES, SCORES)
def test_swapping_roles_gives_the_complement(target, nontarget):
    assert equal_error_rate(nontarget, target) == pytest.approx(100 - equal_error_rate(target, nontarget), abs=1e-9)


@TIES
@given(SCORES, SCORES, st.sampled_from([np.exp, np.arctan, lambda x: x**3 - 7.0, lambda x: 2.0 * x + 1]))
def test_only_the_order_of_scores_counts(target, nontarget, rising):
    moved = equal_error_rate(rising(np.array(target, float)), rising(np.array(nontarget, float)))
    assert moved == equal_error_rate(target, nontarget)


@TIES
@given(SCORES, SCORES, st.integers(2, 4))
def test_repeating_all_trials_changes_nothing(target, nontarget, times):
    assert equal_error_rate(target * times, nontarget) == pytest.approx(equal_error_rate(target, nontarget), abs=1e-9)


@pytest.mark.parametrize(
    ("target", "nontarget"), [([], [1]), ([1], []), ([np.nan], [1]), ([1], [np.inf]), ([[1]], [1])]
)
def test_scores_that_are_none_or_not_finite_are_refused(target, nontarget):
    with pytest.raises(ValueError, match="scores"):
        equal_error_rate(target, nontarget)


# --- cosines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("utterances", [5, 512, 513, 1100])
def test_cosines_are_those_of_a_loop(utterances):
    rng = np.random.default_rng(utterances)
    x = rng.normal(size=(utterances, 7))
    pairs = rng.integers(0, utterances, (300, 2)).astype(np.int32)  # any order, also i > j and i = j
    expected = [x[i] @ x[j] / np.sqrt((x[i] @ x[i]) * (x[j] @ x[j])) for i, j in pairs]
    np.testing.assert_allclose(cosine_scores(x, pairs), expected, rtol=0, atol=2e-12)


def test_all_pairs_and_part_of_them_have_the_same_cosines():
    x, pairs, _ = speakers(80, 8, noise=1.0)
    scores, part = cosine_scores(x, pairs), np.random.default_rng(0).permutation(len(pairs))[:500]
    np.testing.assert_array_equal(cosine_scores(x, pairs[part]), scores[part])
    np.testing.assert_allclose(cosine_scores(3 * x, pairs), scores, rtol=0, atol=2e-12)
    assert cosine_scores(x, pairs[:0]).shape == (0,)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_equal_directions_tie_so_that_a_collapsed_latent_scores_50(spread):
    _, pairs, is_target = speakers(70, 8, noise=1.0)
    rng = np.random.default_rng(0)
    length = 1 + spread * rng.random((560, 1))  # these lengths make cosines of 1 that differ in the last digits
    assert eer_of(length * rng.normal(size=64), pairs, is_target) == 50.0


def test_far_apart_speakers_are_told_apart():
    assert eer_of(*speakers(24, 8, noise=1e-3)) == 0.0
    assert eer_of(*speakers(24, 8, noise=1e3)) == pytest.approx(50, abs=5)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
def test_a_vector_without_a_direction_is_refused(value):
    x = np.ones((4, 3))
    x[2] = value
    with pytest.raises(UserError, match="1 of 4"):
        cosine_scores(x, all_pairs(4))


@pytest.mark.parametrize("wrong", [-1, 4])
def test_pairs_of_no_utterance_are_refused(wrong):
    with pytest.raises(ValueError, match="within 0 to 3"):
        cosine_scores(np.ones((4, 3)), np.array([[0, wrong]]))


def test_centring_opens_narrow_cosines():
    x = np.random.default_rng(0).normal(size=(6, 4)) + 100
    assert cosine_scores(x, all_pairs(6)).min() > 0.99
    assert cosine_scores(centred(x), all_pairs(6)).min() < 0
    np.testing.assert_allclose(centred(x).mean(axis=0), 0, atol=1e-12)


# --- utterance means -------------------------------------------------------------------------------------------------


def test_means_by_hand():
    values = np.array([[1, 2], [3, 4], [10, 20], [5, 6]], np.float32)
    found = utterance_means(values, [0, 0, 1, 0], 2)
    np.testing.assert_array_equal(found, [[3, 4], [10, 20]])
    assert found.dtype == np.float64


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(1, 9), ordered=st.booleans())
def test_means_are_those_of_a_loop_in_any_order(seed, count, ordered):
    rng = np.random.default_rng(seed)
    index = np.concatenate((np.arange(count), rng.integers(0, count, 20)))
    index = np.sort(index) if ordered else rng.permutation(index)
    values = rng.normal(size=(len(index), 3))
    expected = [values[index == utterance].mean(axis=0) for utterance in range(count)]
    np.testing.assert_allclose(utterance_means(values, index, count), expected, atol=1e-12)


def test_an_utterance_without_a_segment_or_a_value_that_is_not_finite_is_named():
    with pytest.raises(UserError, match=r"2 of 4 utterances have no segment, first number 1"):
        utterance_means(np.ones((3, 2)), [0, 2, 0], 4)
    with pytest.raises(UserError, match="1 values that are not finite"):
        utterance_means([[1.0, np.nan]], [0], 1)


@pytest.mark.parametrize(("shape", "index"), [((3,), [0, 0, 0]), ((3, 2), [0, 0]), ((2, 2), [0, 2]), ((2, 2), [-1, 0])])
def test_shapes_and_indices_that_do_not_fit_are_refused(shape, index):
    with pytest.raises(ValueError, match=r"disagree|not within"):
        utterance_means(np.ones(shape), index, 2)
