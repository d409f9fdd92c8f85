"""Frames of speech against torch.stft and by hand, how many there are, and the scale that is fitted on them."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.data.features import PIECE, Features, Scale, magnitude, normalise, restore
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

WINDOWS = {
    "hann": torch.hann_window(400),
    "sqrt_hann": torch.hann_window(400).sqrt(),
    "hamming": torch.hamming_window(400),
}
FLOOR = 1e-5
KINDS = ["minmax", "mvn", "none"]


def wave(samples: int, seed: int = 0) -> np.ndarray:
    """A voice-like sound with a silent stretch, in [-1, 1]."""
    rng, t = np.random.default_rng(seed), np.arange(samples)
    sound = sum(np.sin(2 * np.pi * 120 * k * t / 16000) / k for k in range(1, 20)) / 8 + 0.01 * rng.normal(size=samples)
    sound[samples // 3 : samples // 3 + 900] = 0
    return np.clip(sound, -1, 1).astype(np.float32)


def logs(count: int = 50, bins: int = 4, seed: int = 0) -> torch.Tensor:
    """Something like log magnitudes: each bin with its own mean and spread.  (L, F)"""
    drawn = torch.Generator().manual_seed(seed)
    return torch.randn(count, bins, generator=drawn) * torch.arange(1, bins + 1) - 3 * torch.arange(bins)


def fitted(kind: str, frames: torch.Tensor) -> dict:
    scale = Scale(kind, frames.shape[1])
    scale.add(frames)
    return scale.values()


# --- whole utterances -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pre_emphasis", [0.0, 0.97])
@pytest.mark.parametrize("log", ["ln", "db"])
@pytest.mark.parametrize("window", [*WINDOWS])
def test_frames_equal_torch_stft(window, log, pre_emphasis):
    sound = wave(9000)
    before = sound.copy()
    found = Features(SpeechData(window=window, log=log, pre_emphasis=pre_emphasis))(sound)
    x = torch.from_numpy(sound).double()
    x = torch.cat([x[:1], x[1:] - pre_emphasis * x[:-1]])
    stft = torch.stft(x, 400, 160, 400, WINDOWS[window].double(), center=False, return_complex=True)
    expected = stft.abs().T.clamp_min(FLOOR)  # (L, F)
    expected = 20 * expected.log10() if log == "db" else expected.log()
    assert (found.shape, found.dtype) == ((1 + (9000 - 400) // 160, 201), torch.float32)
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=(8.7 if log == "db" else 1) * 0.02)
    loud = expected > (20 * math.log10(1e-2) if log == "db" else math.log(1e-2))  # where float32 has digits left
    assert loud.float().mean() > 0.2
    torch.testing.assert_close(found.double()[loud], expected[loud], rtol=1e-4, atol=2e-4)
    assert np.array_equal(sound, before)


def test_a_shorter_window_lies_in_the_middle_of_a_longer_transform():
    sound = wave(5000)
    features = Features(SpeechData(win_length=400, n_fft=512))
    stft = torch.stft(
        torch.from_numpy(sound), 512, 160, 400, WINDOWS["hann"], center=False, return_complex=True
    )  # fmt: skip
    found = features(sound)
    assert found.shape == (1 + (5000 - 512) // 160, 257) == (features.frames(5000), features.bins)
    torch.testing.assert_close(found, stft.abs().T.clamp_min(FLOOR).log(), rtol=0, atol=1e-3)


def test_a_long_recording_is_the_same_in_pieces():
    frames = 2 * PIECE + 77
    sound = wave(frames * 160 + 300)
    features, found = Features(SpeechData()), Features(SpeechData())(sound)
    assert len(found) == features.frames(len(sound)) == frames
    for first in (0, PIECE - 1, PIECE, 2 * PIECE, frames - 5):
        alone = features(sound[first * 160 : first * 160 + 400 + 4 * 160])
        assert torch.equal(found[first : first + 5], alone)


def test_a_tone_is_in_its_bin_and_a_constant_in_the_first():
    t = np.arange(4000)
    tone = np.sin(2 * np.pi * 1000 * t / 16000).astype(np.float32)  # 40 Hz a bin
    found = Features(SpeechData())(tone)
    assert (found.argmax(1) == 25).all()
    torch.testing.assert_close(found[:, 25].exp(), torch.full((len(found),), 100.0), rtol=1e-3, atol=0)  # 400 / 2 / 2
    assert (Features(SpeechData())(np.full(4000, 0.5, np.float32)).argmax(1) == 0).all()


@pytest.mark.parametrize(("log", "lowest"), [("ln", math.log(1e-3)), ("db", -60.0)])
def test_silence_is_the_floor(log, lowest):
    found = Features(SpeechData(log=log, floor=1e-3))(np.zeros(2000, np.float32))
    torch.testing.assert_close(found, torch.full((11, 201), lowest), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (3200, 18), (3439, 19), (3440, 20), (6640, 40), (16000, 98)],
)
def test_known_numbers_of_frames(samples, frames):
    features = Features(SpeechData())
    assert features.frames(samples) == frames
    if samples >= 400:
        assert features(wave(samples)).shape == (frames, 201)


@settings(max_examples=40)
@given(samples=st.integers(400, 12_000), framing=st.sampled_from(["utterance", "wave_padend", "center_drop"]))
def test_there_are_as_many_frames_as_were_promised(samples, framing):
    features = Features(SpeechData(framing=framing))
    expected = 1 + (samples - 400) // 160 if framing == "utterance" else samples // 3200 * 20
    assert features.frames(samples) == expected
    if expected:
        assert features(wave(samples)).shape == (expected, 201)


# --- segments cut from the waveform first -----------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["wave_padend", "center_drop"])
def test_pieces_of_200_ms_by_hand(framing):
    sound = wave(3 * 3200 + 1234)
    found = Features(SpeechData(framing=framing))(sound)
    assert found.shape == (60, 201)
    window = WINDOWS["hann"].double().numpy()
    for piece in range(3):
        cut = sound[3200 * piece : 3200 * (piece + 1)].astype(np.float64)
        if framing == "wave_padend":
            padded = np.concatenate([cut, np.zeros(240)])  # 3,440
        else:
            padded = np.concatenate([cut[200:0:-1], cut, cut[-2:-202:-1]])  # reflected, which gives 21
        for t in range(20):
            spectrum = np.abs(np.fft.rfft(window * padded[160 * t : 160 * t + 400]))
            expected = torch.from_numpy(np.log(np.maximum(spectrum, FLOOR)))
            got = found[20 * piece + t].double()
            torch.testing.assert_close(got, expected, rtol=0, atol=0.02)
            torch.testing.assert_close(got.exp(), expected.exp(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("framing", ["wave_padend", "center_drop"])
def test_a_piece_knows_nothing_of_its_neighbours(framing):
    features, sound = Features(SpeechData(framing=framing)), wave(6400)
    other = sound.copy()
    other[3200:] = wave(3200, seed=5)
    assert torch.equal(features(sound)[:20], features(other)[:20])
    assert not torch.allclose(features(sound)[20:], features(other)[20:])


def test_other_lengths_of_segments_are_cut_by_their_own_length():
    sound = wave(2 * 1600 + 30)
    found = Features(SpeechData(framing="wave_padend", segment=10))(sound)
    assert found.shape == (20, 201)
    alone = Features(SpeechData(framing="wave_padend", segment=10))(sound[1600:3200])
    torch.testing.assert_close(found[10:], alone, rtol=0, atol=1e-6)


# --- the scale --------------------------------------------------------------------------------------------------------


def test_minmax_fills_zero_to_one_on_train_and_clips_nothing_elsewhere():
    train = logs(200)
    scale = fitted("minmax", train)
    found = normalise(train, scale)
    assert (found.min().item(), found.max().item()) == (0.0, 1.0)
    assert len(scale["offset"]) == len(scale["divisor"]) == 1  # one for all bins
    low, high = train.min() - 2, train.max() + 3
    outside = normalise(torch.stack([low.expand(4), high.expand(4)]), scale)
    assert (outside[0] < 0).all()
    assert (outside[1] > 1).all()
    torch.testing.assert_close(restore(outside, scale)[:, 0], torch.stack([low, high]).double(), rtol=1e-6, atol=0)


def test_mvn_gives_each_bin_mean_zero_and_variance_one():
    train = logs(200)
    scale = fitted("mvn", train)
    found = normalise(train, scale).double()
    torch.testing.assert_close(found.mean(0), torch.zeros(4).double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(found.var(0, correction=0), torch.ones(4).double(), rtol=1e-5, atol=0)
    assert scale["variance"] == pytest.approx([1.0] * 4)


def test_mvn_of_a_bin_that_never_changes_is_finite():
    train = logs(50)
    train[:, 2] = math.log(FLOOR)
    scale = fitted("mvn", train)
    assert normalise(train, scale).isfinite().all()
    assert normalise(train, scale)[:, 2].abs().max() < 1e-3


def test_none_changes_no_bit():
    train = logs(50)
    assert torch.equal(normalise(train, fitted("none", train)), train)


@pytest.mark.parametrize("kind", KINDS)
def test_variance_is_that_of_the_normalised_training_frames(kind):
    train = logs(300)
    scale = fitted(kind, train)
    found = normalise(train, scale).double().var(0, correction=0)
    torch.testing.assert_close(torch.tensor(scale["variance"]).double(), found, rtol=1e-5, atol=1e-8)
    assert scale["kind"] == kind


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**31))
def test_restore_is_the_inverse(kind, seed):
    scale, other = fitted(kind, logs(60)), logs(7, seed=seed)
    found = normalise(other, scale)
    assert found.dtype == torch.float32
    torch.testing.assert_close(restore(found, scale), other.double(), rtol=0, atol=3e-5)
    torch.testing.assert_close(restore(found[None], scale), restore(found, scale)[None], rtol=0, atol=0)


@pytest.mark.parametrize("log", ["ln", "db"])
@pytest.mark.parametrize("kind", KINDS)
def test_magnitude_is_that_of_the_transform(kind, log):
    data, sound = SpeechData(norm=kind, log=log), wave(6000)
    frames = Features(data)(sound)
    scale = fitted(kind, frames)
    linear = magnitude(normalise(frames, scale), scale, data)
    stft = torch.stft(torch.from_numpy(sound), 400, 160, 400, WINDOWS["hann"], center=False, return_complex=True)
    torch.testing.assert_close(linear, stft.abs().T.double().clamp_min(FLOOR), rtol=1e-3, atol=1e-4)
    assert linear.max() > 10


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=50)
@given(cuts=st.lists(st.integers(1, 119), unique=True, max_size=12), seed=st.integers(0, 2**31))
def test_statistics_do_not_depend_on_how_frames_come(kind, cuts, seed):
    train = logs(120, seed=seed)
    whole, pieces = fitted(kind, train), Scale(kind, 4)
    for start, stop in itertools.pairwise([0, *sorted(cuts), 120]):
        pieces.add(train[start:stop])
    for name in ("offset", "divisor", "variance"):
        assert pieces.values()[name] == pytest.approx(whole[name], rel=1e-9, abs=1e-9)
    wide = train.double()
    offset, divisor = {
        "minmax": (wide.min(), wide.max() - wide.min()),
        "mvn": (wide.mean(0), wide.std(0, correction=0)),
        "none": (torch.zeros(1).double(), torch.ones(1).double()),
    }[kind]
    assert whole["offset"] == pytest.approx(offset.reshape(-1).tolist(), rel=1e-9, abs=1e-9)
    assert whole["divisor"] == pytest.approx(divisor.reshape(-1).tolist(), rel=1e-9)


def test_digital_silence_is_refused():
    scale = Scale("minmax", 4)
    scale.add(torch.full((50, 4), -11.5))
    with pytest.raises(UserError, match="silent"):
        scale.values()
