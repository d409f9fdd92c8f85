"""Vocoder: sound of the asked magnitudes, in place, the same each time; what is no sound is refused."""

import io
import math

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional as audio

from cmivae.data.features import Features, window_of
from cmivae.evaluation.vocoder import SILENT_DB, Stft, check_sound, convergence, level, to_wav, to_wave
from cmivae.study.params import SpeechData

RATE = 16000
SETTINGS = {
    "hann": Stft(),
    "sqrt_hann": Stft(window="sqrt_hann"),
    "hamming": Stft(window="hamming"),
    "pre-emphasis": Stft(window="hamming", pre_emphasis=0.97),
    "longer fft": Stft(n_fft=512, win_length=400, hop_length=160),
    "odd": Stft(n_fft=401, win_length=401, hop_length=161),
}
# Measured on this vowel: 0.041 to 0.070 after 64 iterations (real speech: 0.04 to 0.12), 0.76 to 0.93 after none.
GOOD = 0.1


def vowel(seconds=0.6):
    """Harmonics of a gliding voice through three resonances, with a soft start and end."""
    t = np.arange(round(seconds * RATE)) / RATE
    pitch = 120 + 40 * t / seconds
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    wave = np.zeros_like(t)
    for k in range(1, 30):
        gain = sum(1 / (1 + ((k * pitch - centre) / 120) ** 2) for centre in (700, 1200, 2600))
        wave += gain * np.sin(k * phase + k * k)
    wave *= np.minimum(1, np.minimum(t, t[::-1]) / 0.05)
    return torch.from_numpy(0.5 * wave / np.abs(wave).max()).float()


def frames(wave, stft):
    """(T, F) float32, as the features compute them."""
    if stft.pre_emphasis:
        wave = audio.preemphasis(wave, stft.pre_emphasis)
    window = stft.weights().float()
    return torch.stft(
        wave, stft.n_fft, stft.hop_length, stft.win_length, window, center=False, return_complex=True
    ).abs().T  # fmt: skip


@pytest.mark.parametrize("stft", SETTINGS.values(), ids=SETTINGS)
def test_the_sound_has_the_asked_magnitudes(stft):
    wave = vowel()
    wanted = frames(wave, stft)
    made = to_wave(wanted, stft)
    assert made.dtype == torch.float32
    assert made.shape == (stft.hop_length * (len(wanted) - 1) + stft.n_fft,)
    assert bool(torch.isfinite(made).all())
    assert convergence(wanted, made, stft) < GOOD
    assert check_sound(made).rms_db == pytest.approx(check_sound(wave[: len(made)]).rms_db, abs=0.3)


def test_the_sound_is_where_its_frames_say():
    """A burst at 4,000 samples comes back there, and frames at the edges are not lost."""
    wave = torch.zeros(160 * 49 + 400)
    burst = torch.hann_window(320) * torch.sin(torch.arange(320) * 0.5)
    for start in (0, 4000, len(wave) - 320):
        wave[start : start + 320] += 0.5 * burst
    made = to_wave(frames(wave, Stft()), Stft())
    assert len(made) == len(wave)
    power = made.square()
    centre = float((power * torch.arange(len(made)))[3000:5000].sum() / power[3000:5000].sum())
    assert centre == pytest.approx(4000 + 160, abs=20)
    for edge in (slice(0, 400), slice(-400, None)):
        assert float(made[edge].norm() / wave[edge].norm()) == pytest.approx(1, abs=0.35)


def test_convergence_is_zero_for_the_sound_itself_and_bad_for_another_phase():
    wave = vowel()
    wave = wave[: Stft().samples(len(frames(wave, Stft())))]
    wanted = frames(wave, Stft())
    assert convergence(wanted, wave, Stft()) < 1e-6
    assert convergence(wanted, to_wave(wanted, Stft(), n_iter=0), Stft()) > 5 * GOOD
    with pytest.raises(ValueError, match="samples"):
        convergence(wanted, wave[:-1], Stft())


def test_the_same_frames_give_the_same_sound_and_draw_no_random_numbers():
    wanted = frames(vowel(0.2), Stft())
    before = torch.get_rng_state()
    first, second = to_wave(wanted, Stft()), to_wave(wanted, Stft())
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)
    assert to_wav(first) == to_wav(second)


def test_one_frame_is_enough():
    assert to_wave(torch.rand(1, 201, generator=torch.Generator().manual_seed(0)), Stft()).shape == (400,)


@pytest.mark.parametrize("window", ["hann", "sqrt_hann", "hamming"])
@pytest.mark.parametrize("pre_emphasis", [0.0, 0.97])
def test_frames_of_the_features_become_sound(window, pre_emphasis):
    data = SpeechData(window=window, pre_emphasis=pre_emphasis)
    torch.testing.assert_close(Stft.of(data).weights().float(), window_of(data.window, data.win_length))
    wanted = Features(data)(vowel().numpy()).exp()
    made = to_wave(wanted, Stft.of(data))
    assert convergence(wanted, made, Stft.of(data)) < GOOD
    assert len(Features(data)(made.numpy())) == len(wanted)


def test_settings_come_from_the_data_set_and_a_window_may_be_given():
    stft = Stft.of(SpeechData(window="hamming", pre_emphasis=0.97))
    assert stft == Stft(400, 400, 160, "hamming", 0.97)
    torch.testing.assert_close(stft.weights(), torch.hamming_window(400, dtype=torch.float64))
    wanted = frames(vowel(0.2), Stft())
    given = Stft(window=torch.hann_window(400, dtype=torch.float64))
    assert torch.equal(to_wave(wanted, given), to_wave(wanted, Stft()))


@pytest.mark.parametrize(
    ("magnitude", "message"),
    [
        (torch.ones(5, 200), "expected frames"),
        (torch.ones(0, 201), "expected frames"),
        (torch.ones(201), "expected frames"),
        (torch.full((5, 201), math.nan), "NaN"),
        (torch.full((5, 201), math.inf), "NaN or infinity"),
        (torch.full((5, 201), -1.0), "below 0"),
    ],
)
def test_frames_that_are_no_magnitudes_are_refused(magnitude, message):
    with pytest.raises(ValueError, match=message):
        to_wave(magnitude, Stft())


def test_level_changes_only_what_would_clip_and_says_so():
    wave = vowel()
    same, gain = level(wave)
    assert same is wave
    assert gain == 1.0
    lower, gain = level(4 * wave)
    assert float(lower.abs().max()) == pytest.approx(0.9)
    assert gain == pytest.approx(0.9 / 2)
    torch.testing.assert_close(lower, 4 * wave * gain)


def test_a_sound_is_measured():
    t = torch.arange(8000) / RATE
    sound = check_sound(0.5 * torch.sin(2 * torch.pi * 1000 * t), RATE)
    assert sound.seconds == 0.5
    assert sound.peak == pytest.approx(0.5)
    assert sound.rms_db == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=1e-3)


@pytest.mark.parametrize(
    ("wave", "message"),
    [
        (torch.zeros(100), "silent"),
        (torch.full((100,), 0.9 * 10 ** (SILENT_DB / 20)), "silent"),
        (torch.tensor([0.1, math.nan, math.inf]), "2 of 3 samples"),
        (torch.ones(2, 100), "one channel"),
        (torch.ones(0), "one channel"),
    ],
)
def test_what_is_no_sound_is_refused(wave, message):
    with pytest.raises(ValueError, match=message):
        check_sound(wave)
    with pytest.raises(ValueError, match=message):
        to_wav(wave)


def test_wav_bytes_are_16_bit_pcm_with_these_samples():
    wave = torch.cat([vowel(0.2), torch.tensor([1.0, -1.0])])
    content = to_wav(wave, RATE)
    assert content[:4] + content[8:12] == b"RIFFWAVE"
    assert len(content) == 44 + 2 * len(wave)
    info = soundfile.info(io.BytesIO(content))
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (RATE, 1, len(wave), "PCM_16")
    back, _ = soundfile.read(io.BytesIO(content), dtype="int16")
    assert list(back[-2:]) == [32767, -32767]
    assert np.abs(back / 32767 - wave.numpy()).max() <= 0.5 / 32767 + 1e-7
    with pytest.raises(ValueError, match="would clip"):
        to_wav(1.5 * wave)
