"""Speech-like sound from formants, in numpy alone: a glottal or noise source, filtered frame by frame, overlap-added.

It says nothing, but it has what the models need: phones that change every 50 to 150 ms, and a voice that stays.
Elementwise operations and FFTs only (no matrix product, whose last bits differ between BLAS libraries).
"""

from dataclasses import dataclass

import numpy as np

RATE = 16000
HOP, WINDOW, BLOCKS = 80, 320, 8  # samples, samples, hops that one filtered frame spreads over
SPAN = BLOCKS * HOP
FREQUENCY = np.arange(SPAN // 2 + 1) * RATE / SPAN  # (321,) Hz
UPPER = (3500.0, 4500.0, 5500.0, 6600.0)  # Hz, formants above the third
WIDTHS = (70.0, 90.0, 130.0, 200.0, 250.0, 350.0, 450.0)  # Hz

# Hz of three formants, level of voice and of noise, centre and width of the noise in Hz, milliseconds.
VOWELS = {
    "iy": (280, 2280, 3000, 1.0, 0.0, 3000, 3000, 110), "ih": (390, 1990, 2550, 1.0, 0.0, 3000, 3000, 80),
    "eh": (530, 1840, 2480, 1.0, 0.0, 3000, 3000, 95), "ae": (660, 1720, 2410, 1.0, 0.0, 3000, 3000, 120),
    "aa": (730, 1090, 2440, 1.0, 0.0, 3000, 3000, 120), "ao": (570, 840, 2410, 1.0, 0.0, 3000, 3000, 115),
    "uh": (440, 1020, 2240, 0.9, 0.0, 3000, 3000, 75), "uw": (310, 870, 2240, 0.9, 0.0, 3000, 3000, 105),
    "ah": (620, 1190, 2390, 1.0, 0.0, 3000, 3000, 75), "er": (490, 1350, 1690, 0.9, 0.0, 3000, 3000, 95),
}  # fmt: skip
CONSONANTS = {
    "m": (250, 1000, 2200, 0.45, 0.0, 3000, 3000, 65), "n": (250, 1500, 2500, 0.45, 0.0, 3000, 3000, 60),
    "l": (360, 1000, 2700, 0.6, 0.0, 3000, 3000, 60), "r": (350, 1100, 1550, 0.6, 0.0, 3000, 3000, 60),
    "w": (300, 700, 2200, 0.55, 0.0, 3000, 3000, 60), "y": (280, 2200, 3000, 0.6, 0.0, 3000, 3000, 55),
    "s": (320, 1700, 2600, 0.0, 0.5, 6200, 2600, 100), "sh": (320, 1800, 2500, 0.0, 0.5, 3400, 2200, 100),
    "f": (300, 1100, 2300, 0.0, 0.12, 5000, 7000, 85), "th": (300, 1400, 2500, 0.0, 0.1, 6000, 5000, 75),
    "z": (280, 1700, 2600, 0.3, 0.25, 6200, 2600, 75), "v": (280, 1100, 2300, 0.4, 0.06, 5000, 7000, 60),
    "hh": (500, 1500, 2500, 0.0, 0.15, 1500, 3000, 60), "b": (250, 900, 2200, 0.1, 0.0, 900, 1500, 65),
    "d": (250, 1700, 2600, 0.1, 0.0, 4000, 3000, 60), "g": (250, 2000, 2300, 0.1, 0.0, 2000, 1500, 65),
    "p": (300, 900, 2200, 0.0, 0.0, 900, 1500, 75), "t": (300, 1700, 2600, 0.0, 0.0, 4500, 3000, 70),
    "k": (300, 2000, 2300, 0.0, 0.0, 2000, 1500, 75),
}  # fmt: skip
BURST = {"b": 0.15, "d": 0.25, "g": 0.2, "p": 0.35, "t": 0.45, "k": 0.4}  # noise level as a closure opens
BURST_MS = 18
PAUSE = (500, 1500, 2500, 0.0, 0.0, 3000, 3000, 90)
PHONES = VOWELS | CONSONANTS | {"pau": PAUSE}
VOWEL_NAMES, CONSONANT_NAMES = tuple(VOWELS), tuple(CONSONANTS)


@dataclass(frozen=True)
class Voice:
    """What stays the same in all utterances of a speaker."""

    f0: float  # Hz
    formants: tuple[float, ...]  # factors of the seven formants: size and shape of the vocal tract
    tilt: float  # dB an octave above 500 Hz, beside the source's own
    breath: float  # noise in voiced sounds
    opening: float  # share of a period in which the glottis opens
    level: float  # dB
    rate: float  # factor of all durations


def make_voice(rng: np.random.Generator, gender: str, spread: float) -> Voice:
    """Draw a speaker; ``spread`` scales how far speakers of one sex lie apart."""
    female = gender == "F"
    tract = (1.13 if female else 0.99) * (1 + 0.03 * spread * rng.standard_normal())
    shape = 1 + 0.03 * spread * rng.standard_normal(3 + len(UPPER))
    f0 = (185.0 if female else 110.0) * np.exp(0.09 * spread * rng.standard_normal())
    tilt, breath, opening, level, rate = rng.standard_normal(5) * spread
    return Voice(
        f0=float(np.clip(f0, 60, 400)),
        formants=tuple(float(each) for each in np.clip(tract * shape, 0.75, 1.5)),
        tilt=float((-1.0 if female else 0.0) + 2.0 * tilt),
        breath=float(0.03 * np.exp(0.8 * breath) * (1.6 if female else 1.0)),
        opening=float(np.clip(0.42 + 0.03 * opening, 0.25, 0.6)),
        level=float(1.4 * level),
        rate=float(np.clip(1 + 0.05 * rate, 0.7, 1.4)),
    )


def make_sentence(rng: np.random.Generator, seconds: float) -> list[str]:
    """Draw phones of about that many seconds: syllables in words, a short pause after some words."""
    phones: list[str] = []
    left = 1000.0 * seconds - 2 * PAUSE[-1] - 300  # half a word too many
    while left > 0:
        before = len(phones)
        for _ in range(rng.integers(1, 4)):
            phones.append(CONSONANT_NAMES[rng.integers(len(CONSONANT_NAMES))])
            phones.append(VOWEL_NAMES[rng.integers(len(VOWEL_NAMES))])
            if rng.random() < 0.4:
                phones.append(CONSONANT_NAMES[rng.integers(len(CONSONANT_NAMES))])
        if rng.random() < 0.15:
            phones.append("pau")
        left -= sum(PHONES[phone][-1] for phone in phones[before:])
    return ["pau", *phones, "pau"]


def speak(rng: np.random.Generator, voice: Voice, phones: list[str]) -> np.ndarray:
    """One utterance, (N,) int16 at 16 kHz; ``rng`` draws what differs from one utterance to the next."""
    rate, pitch, tilt, gain, snr = rng.standard_normal(5)
    tracks = _tracks(rng, phones, voice.rate * (1 + 0.05 * rate))  # (frames, 7)
    tract = np.array(voice.formants)
    formants = np.concatenate([tracks[:, :3], np.broadcast_to(UPPER, (len(tracks), len(UPPER)))], axis=1) * tract
    voiced, noise = tracks[:, 3], tracks[:, 4]
    resonance = _resonance(formants) * _slope(voice.tilt + 0.4 * tilt)  # (frames, 321)
    hiss = 1 / (1 + ((FREQUENCY - tracks[:, 5:6] * tract[3]) / (tracks[:, 6:7] / 2)) ** 4)
    pulses = _glottis(rng, voice, len(tracks), 1 + 0.04 * pitch)
    air = rng.standard_normal((len(tracks) - 1) * HOP + WINDOW)
    breath = voice.breath * voiced[:, None] * resonance + noise[:, None] * hiss
    sound = _overlap(_frames(pulses) * voiced[:, None] * resonance + _frames(air) * breath)
    sound *= 0.04 / np.sqrt(np.mean(sound**2))
    sound += 0.05 * 10 ** (-(38 + 1.5 * snr + voice.level) / 20) * rng.standard_normal(len(sound))
    sound *= 10 ** ((voice.level + 0.5 * gain) / 20)
    return np.rint(np.clip(sound, -0.99, 0.99) * 32767).astype(np.int16)


def _tracks(rng: np.random.Generator, phones: list[str], rate: float) -> np.ndarray:
    """Targets of the phones, one row a hop, smoothed so that neighbours run into each other."""
    rows, counts = [], []
    for phone in phones:
        row, length = np.array(PHONES[phone][:-1], float), PHONES[phone][-1] * (1 + 0.15 * rng.standard_normal())
        row[:3] *= 1 + 0.015 * rng.standard_normal(3)
        rows.append(row)
        counts.append(max(round(rate * max(length, 25.0) * RATE / 1000 / HOP), 2))
        if phone in BURST:
            rows.append(np.concatenate([row[:3], [0.0, BURST[phone]], row[5:]]))
            counts.append(round(BURST_MS * RATE / 1000 / HOP))
    tracks = np.repeat(np.array(rows), counts, axis=0)
    return np.concatenate([_smooth(tracks[:, :3], 13), _smooth(tracks[:, 3:5], 5), _smooth(tracks[:, 5:], 5)], axis=1)


def _smooth(tracks: np.ndarray, taps: int) -> np.ndarray:
    weights = np.sin(np.pi * (np.arange(taps) + 1) / (taps + 1)) ** 2
    padded = np.pad(tracks, ((taps // 2, taps // 2), (0, 0)), mode="edge")
    shifted = [weight * padded[at : at + len(tracks)] for at, weight in enumerate(weights / weights.sum())]
    return np.add.reduce(shifted)


def _glottis(rng: np.random.Generator, voice: Voice, frames: int, pitch: float) -> np.ndarray:
    """Derivative of a Rosenberg pulse train: pitch falls, wavers and has accents."""
    length = (frames - 1) * HOP + WINDOW
    time = np.arange(length) / RATE
    phases, depths = rng.uniform(0, 2 * np.pi, 3), 0.05 * rng.standard_normal(3)
    contour = 1.08 - 0.16 * np.arange(length) / length
    for rhythm, phase, depth in zip((0.7, 1.9, 4.1), phases, depths, strict=True):
        contour += depth * np.sin(2 * np.pi * rhythm * time + phase)
    phase = np.cumsum(voice.f0 * pitch * contour / RATE) % 1.0
    opening, closing = voice.opening, 0.45 * voice.opening
    rise = 0.5 * (1 - np.cos(np.pi * phase / opening))
    fall = np.cos(np.pi / 2 * np.minimum((phase - opening) / closing, 1.0))
    flow = np.where(phase < opening, rise, fall)
    return np.diff(flow, prepend=flow[:1]) * RATE / voice.f0 / 16


def _resonance(formants: np.ndarray) -> np.ndarray:
    """Gain of a chain of resonators, (frames, 321); about 1 below the first formant."""
    square = FREQUENCY**2
    power = np.ones((len(formants), len(FREQUENCY)))
    for each, width in zip(formants.T[:, :, None], WIDTHS, strict=True):
        power *= each**4 / ((each**2 - square) ** 2 + square * width**2)
    return np.sqrt(power)


def _slope(tilt: float) -> np.ndarray:
    return 10 ** (tilt * np.log2(np.maximum(FREQUENCY, 500.0) / 500.0) / 20)


def _frames(sound: np.ndarray) -> np.ndarray:
    """Spectra (frames, 321) of windowed pieces, each in the middle of its span."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(WINDOW) + 0.5) / WINDOW)
    pieces = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP] * window
    side = (SPAN - WINDOW) // 2
    return np.fft.rfft(np.pad(pieces, ((0, 0), (side, side))), axis=1)


def _overlap(spectra: np.ndarray) -> np.ndarray:
    pieces = np.fft.irfft(spectra, SPAN, axis=1).reshape(len(spectra), BLOCKS, HOP)
    blocks = np.zeros((len(spectra) + BLOCKS - 1, HOP))
    for at in range(BLOCKS):
        blocks[at : at + len(spectra)] += pieces[:, at]
    return blocks.reshape(-1)
