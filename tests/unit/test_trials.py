"""Shared lists: trials of the sizes in the paper's protocol, mixed-sex pairs for VC-mCAS, voices to listen to."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.data import trials
from cmivae.data.trials import all_pairs, draw_balanced, draw_pairs_vc, draw_trials, draw_voice_pairs
from cmivae.errors import UserError


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def names(speakers: int, each: int) -> list[str]:
    return [f"s{index // each}" for index in range(speakers * each)]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 40])
def test_all_pairs_in_order(n):
    pairs = all_pairs(n)
    assert pairs.dtype == np.int32
    assert pairs.shape == (n * (n - 1) // 2, 2)
    assert pairs.tolist() == [list(pair) for pair in itertools.combinations(range(n), 2)]


@pytest.mark.parametrize(
    ("speakers", "total", "targets"), [(24, 18_336, 672), (168, 902_496, 4_704)], ids=["core", "full"]
)
def test_trials_of_timits_test_lists(speakers, total, targets):
    pairs, is_target = draw_trials(names(speakers, 8), None, 0)
    assert (len(pairs), is_target.sum()) == (total, targets)
    assert np.array_equal(is_target, pairs[:, 0] // 8 == pairs[:, 1] // 8)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), kept=st.integers(150, 275))
def test_drawn_trials_are_part_of_all_in_their_order(seed, kept):
    speakers = rng(seed).permutation(names(6, 4)).tolist()
    pairs, is_target = draw_trials(speakers, kept, seed)
    whole = [tuple(pair) for pair in all_pairs(24).tolist()]
    places = [whole.index(tuple(pair)) for pair in pairs.tolist()]
    assert places == sorted(set(places))
    assert len(places) == kept
    assert is_target.tolist() == [speakers[i] == speakers[j] for i, j in pairs]
    again = draw_trials(speakers, kept, seed)
    assert np.array_equal(pairs, again[0])
    assert np.array_equal(is_target, again[1])


def test_seeds_draw_different_trials_and_none_where_all_are_kept():
    speakers = names(6, 4)
    assert not np.array_equal(draw_trials(speakers, 100, 0)[0], draw_trials(speakers, 100, 1)[0])
    for most in (276, 1000, None):
        assert np.array_equal(draw_trials(speakers, most, 1)[0], all_pairs(24))


def test_every_pair_can_be_drawn():
    counts = np.zeros((8, 8), int)
    for seed in range(300):
        pairs, _ = draw_trials(names(2, 4), 14, seed)
        counts[tuple(pairs.T)] += 1
    drawn = counts[np.triu_indices(8, 1)]
    assert drawn.sum() == 300 * 14 == counts.sum()
    assert drawn.min() > 105  # expected 150, standard deviation 9
    assert drawn.max() < 195


def test_a_few_trials_of_a_huge_test_part_need_no_list_of_all():
    pairs, is_target = draw_trials(names(10, 20_000), 10_000, 0)  # of 2e10
    assert np.all(pairs[:, 0] < pairs[:, 1])
    assert pairs.min() >= 0
    assert pairs.max() < 200_000
    assert is_target.mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("speakers", "most", "match"),
    [
        (["a", "b", "c"], None, "one speaker"),
        (["a", "a"], None, "two speakers"),
        ([], None, "one speaker"),
        (names(40, 2), 1, "one speaker"),
        ([*names(1, 30), "z"], 1, "two speakers"),
        (names(100, 200), None, "too many"),
    ],
)
def test_trials_that_cannot_be_used_name_the_parameter(speakers, most, match):
    with pytest.raises(UserError, match=match) as caught:
        draw_trials(speakers, most, 0)
    assert caught.value.where == "params.yaml:datasets.*.data.max_trials"
    assert caught.value.fix


# --- VC-mCAS ---------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), half=st.integers(1, 20))
def test_conversion_pairs_are_disjoint_balanced_and_of_mixed_sex(seed, half):
    genders = rng(seed).permutation(np.repeat(["F", "M"], [20, 33]))
    male, female = draw_pairs_vc(genders, 2 * half, rng(seed))
    assert male.shape == female.shape == (half,)
    assert set(genders[male]) == {"M"}
    assert set(genders[female]) == {"F"}
    assert len({*male, *female}) == 2 * half


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), half=st.integers(1, 20))
def test_conversion_pairs_repeat_and_begin_as_more_pairs_do(seed, half):
    genders = np.repeat(["F", "M"], [20, 33])
    few, many = draw_pairs_vc(genders, 2 * half, rng(seed)), draw_pairs_vc(genders, 40, rng(seed))
    assert np.array_equal(few[0], many[0][:half])
    assert np.array_equal(few[1], many[1][:half])


def test_test_segments_are_balanced_and_in_order():
    genders = rng(0).permutation(np.repeat(["F", "M"], [300, 700]))
    drawn = draw_balanced(genders, 500, rng(0))
    assert np.all(drawn[1:] > drawn[:-1])
    assert np.unique(genders[drawn], return_counts=True)[1].tolist() == [250, 250]
    assert np.array_equal(drawn, draw_balanced(genders, 500, rng(0)))
    assert not np.array_equal(drawn, draw_balanced(genders, 500, rng(1)))


@pytest.mark.parametrize(("genders", "n", "match"), [("FFFM", 4, "1 segments of sex M"), ("MMM", 2, "0 .* F"),
                                                     ("FM", 1, "halves")])  # fmt: skip
def test_too_few_segments_of_a_sex_name_the_parameter(genders, n, match):
    for draw in (draw_pairs_vc, draw_balanced):
        with pytest.raises(UserError, match=match) as caught:
            draw(np.array(list(genders)), n, rng())
        assert caught.value.where == "params.yaml:datasets.*.data.vc_segments"
        assert caught.value.fix


def test_other_genders_are_refused():
    with pytest.raises(ValueError, match="'f'"):
        draw_pairs_vc(["f", "M"], 2, rng())


# --- voices ----------------------------------------------------------------------------------------------------------

VOICES = names(6, 3), list("MMMFFFMMMMMMFFFMMM")  # s1 and s4 are female


def test_voices_go_round_the_sexes_with_different_speakers():
    speakers, genders = VOICES
    pairs = draw_voice_pairs(speakers, genders, 24, rng())
    assert pairs.dtype == np.int32
    assert pairs.shape == (24, 2)
    assert all(speakers[source] != speakers[target] for source, target in pairs)
    assert ["".join(genders[index] for index in pair) for pair in pairs] == ["MF", "FM", "MM", "FF"] * 6


def test_voices_are_spread_over_speakers_and_utterances():
    speakers, genders = names(12, 2), [sex for sex in "MFMFMFMFMFMF" for _ in range(2)]
    pairs = draw_voice_pairs(speakers, genders, 24, rng(3))
    for role in range(2):
        assert len({speakers[index] for index in pairs[:, role]}) == 12
        assert len(set(pairs[:, role].tolist())) == 24


@pytest.mark.parametrize(
    ("genders", "kinds"),
    [("MF", ["MF", "FM"]), ("MM", ["MM"]), ("FF", ["FF"]), ("FMF", ["MF", "FM", "FF"]), ("MMF", ["MF", "FM", "MM"])],
)
def test_sexes_that_are_not_there_are_left_out(genders, kinds):
    pairs = draw_voice_pairs(names(len(genders), 1), list(genders), 6, rng())
    found = ["".join(genders[index] for index in pair) for pair in pairs]
    assert found == (kinds * 6)[:6]
    assert np.all(pairs[:, 0] != pairs[:, 1])


def test_voices_repeat_and_begin_as_more_voices_do():
    few, many = draw_voice_pairs(*VOICES, 5, rng(2)), draw_voice_pairs(*VOICES, 20, rng(2))
    assert np.array_equal(few, many[:5])
    assert not np.array_equal(many, draw_voice_pairs(*VOICES, 20, rng(4)))


def test_one_speaker_cannot_be_converted():
    assert draw_voice_pairs(["a"], ["M"], 0, rng()).shape == (0, 2)
    with pytest.raises(UserError, match="two speakers"):
        draw_voice_pairs(["a", "a"], ["M", "M"], 1, rng())


def test_unranking_is_exact_at_the_ends():
    n = 30_000
    last = n * (n - 1) // 2 - 1
    assert trials._unranked(np.array([0, n - 2, n - 1, last - 1, last]), n).tolist() == [
        [0, 1], [0, n - 1], [1, 2], [n - 3, n - 1], [n - 2, n - 1]
    ]  # fmt: skip
