"""From magnitude frames back to sound: Griffin-Lim, levels, checks and WAV bytes (paper section 5.2, conversion).

The features keep no phase. Griffin-Lim finds a waveform whose frames have these magnitudes as nearly as it can;
``convergence`` says how nearly. Everything is on the CPU, starts at phase zero and draws no random numbers.
"""

import io
import math
from dataclasses import dataclass

import soundfile
import torch
import torch.nn.functional as F
import torchaudio.functional as audio
from torch import Tensor

from cmivae.data.features import window_of
from cmivae.study.params import SpeechData

SILENT_DB = -70.0  # dB of full scale: an RMS below this is no sound; quiet speech has about -45


@dataclass(frozen=True)
class Stft:
    """How frames were cut: without padding, frame i is of the samples [hop i, hop i + n_fft).

    Frames of segments that were cut from the waveform first are taken as if they followed on each other, too.
    """

    n_fft: int = 400
    win_length: int = 400  # centred in n_fft
    hop_length: int = 160
    window: str | Tensor = "hann"  # hann, sqrt_hann, hamming (periodic); or (win_length,)
    pre_emphasis: float = 0.0

    @classmethod
    def of(cls, data: SpeechData) -> "Stft":
        """The settings of a data set's frames."""
        return cls(data.n_fft, data.win_length, data.hop_length, data.window, data.pre_emphasis)

    def samples(self, frames: int) -> int:
        """The length of sound that gives this many frames."""
        return self.hop_length * (frames - 1) + self.n_fft

    def weights(self) -> Tensor:
        """The window, (win_length,) float64."""
        if isinstance(self.window, Tensor):
            return self.window.to("cpu", torch.float64)
        return window_of(self.window, self.win_length, torch.float64)


@dataclass(frozen=True)
class Sound:
    """What a waveform measures; levels against full scale, 1.0."""

    seconds: float
    peak: float
    rms_db: float


def to_wave(magnitude: Tensor, stft: Stft, *, n_iter: int = 64, momentum: float = 0.99) -> Tensor:
    """Sound with these magnitudes, by fast Griffin-Lim; de-emphasised where the frames were pre-emphasised.

    torchaudio's Griffin-Lim is for centred frames and gives no sound before the middle of the first one or after
    the middle of the last. So the outer frames are repeated beyond the edges, and what lies outside is cut off:
    sample n of the result is sample n of the sound that the frames were computed from.

    Args:
        magnitude: (T, F) linear, at least 0; F = n_fft // 2 + 1.
        stft: how the frames were cut.
        n_iter: iterations; 64 takes about 0.04 s a second of sound on one core.
        momentum: of fast Griffin-Lim, in [0, 1); 0 is the slower original.

    Returns:
        (hop_length (T - 1) + n_fft,) float32 on the CPU; it may exceed [-1, 1], see ``level``.

    Raises:
        ValueError: the shape does not fit, or a magnitude is negative or not finite.
    """
    spectrum = _checked(magnitude, stft).T  # (F, T) float64: rounding leaves no trace in 16 bits
    beyond = -(-(stft.n_fft - stft.n_fft // 2) // stft.hop_length)  # frames beyond each edge
    spectrum = F.pad(spectrum[None], (beyond, beyond), mode="replicate")[0]
    wave = audio.griffinlim(
        spectrum,
        stft.weights(),
        n_fft=stft.n_fft,
        hop_length=stft.hop_length,
        win_length=stft.win_length,
        power=1.0,
        n_iter=n_iter,
        momentum=momentum,
        length=None,
        rand_init=False,
    )
    start = stft.hop_length * beyond - stft.n_fft // 2
    wave = wave[start : start + stft.samples(magnitude.shape[0])]
    if stft.pre_emphasis:
        # audio.deemphasis would clip at 1.0 without a word.
        poles, zeros = wave.new_tensor([1.0, -stft.pre_emphasis]), wave.new_tensor([1.0, 0.0])
        wave = audio.lfilter(wave, poles, zeros, clamp=False)
    return wave.float()


def convergence(magnitude: Tensor, wave: Tensor, stft: Stft) -> float:
    """Spectral convergence: the norm of the error of the sound's magnitudes against that of ``magnitude``.

    Args:
        magnitude: (T, F) linear, what was asked for.
        wave: (hop_length (T - 1) + n_fft,) what ``to_wave`` made of it.
        stft: how the frames are cut.

    Returns:
        0 where the sound has exactly these magnitudes; of real speech 0.045 in the mean, 0.08 at most.

    Raises:
        ValueError: the shapes do not fit, or a magnitude is negative or not finite.
    """
    wanted = _checked(magnitude, stft)
    if wave.shape != (stft.samples(wanted.shape[0]),):
        raise ValueError(f"{wanted.shape[0]} frames need {stft.samples(wanted.shape[0])} samples, got {wave.shape}")
    wave = wave.to(torch.float64)
    if stft.pre_emphasis:
        wave = audio.preemphasis(wave, stft.pre_emphasis)
    frames = torch.stft(
        wave, stft.n_fft, stft.hop_length, stft.win_length, stft.weights(), center=False, return_complex=True
    ).abs()
    return float((frames.T - wanted).norm() / wanted.norm())


def level(wave: Tensor, *, peak: float = 0.9) -> tuple[Tensor, float]:
    """The sound as it is if it fits into [-1, 1], else scaled down to ``peak``.

    Returns:
        The sound, (N,), and the gain that was applied: 1.0 where nothing was changed.
    """
    highest = float(wave.abs().max())
    if highest <= 1.0:
        return wave, 1.0
    gain = peak / highest
    return wave * gain, gain


def check_sound(wave: Tensor, rate: int = 16000) -> Sound:
    """Duration and level of a waveform (N,), once it is sure that there is something to hear.

    Raises:
        ValueError: it is empty or not one channel, holds NaN or infinity, or is silent (``SILENT_DB``).
    """
    if wave.ndim != 1 or not len(wave):
        raise ValueError(f"expected the samples of one channel, got shape {tuple(wave.shape)}")
    if not bool(torch.isfinite(wave).all()):
        raise ValueError(f"{int((~torch.isfinite(wave)).sum())} of {len(wave)} samples are NaN or infinite")
    rms = float(wave.double().square().mean().sqrt())
    rms_db = 20 * math.log10(rms) if rms else -math.inf
    if rms_db < SILENT_DB:
        raise ValueError(f"the sound is silent: RMS {rms_db:.0f} dB of full scale")
    return Sound(len(wave) / rate, float(wave.abs().max()), rms_db)


def to_wav(wave: Tensor, rate: int = 16000) -> bytes:
    """A RIFF file of 16-bit PCM with these samples (N,); same samples, same bytes.

    Raises:
        ValueError: it is no sound (``check_sound``) or would clip (use ``level`` first).
    """
    peak = check_sound(wave, rate).peak
    if peak > 1.0:
        raise ValueError(f"the sound would clip: its peak is {peak:.2f}")
    file = io.BytesIO()
    # Scaled here, so that the bytes do not hang on the library's rule.
    soundfile.write(file, (wave.double() * 32767).round().to(torch.int16).numpy(), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def _checked(magnitude: Tensor, stft: Stft) -> Tensor:
    # (T, F) -> the same in float64 on the CPU
    bins = stft.n_fft // 2 + 1
    if magnitude.ndim != 2 or not len(magnitude) or magnitude.shape[1] != bins:
        raise ValueError(f"expected frames (T, {bins}) with T at least 1, got {tuple(magnitude.shape)}")
    if not bool(torch.isfinite(magnitude).all()):
        raise ValueError("magnitudes hold NaN or infinity")
    if bool((magnitude < 0).any()):
        raise ValueError("magnitudes below 0: exponentiate log frames first")
    return magnitude.to("cpu", torch.float64)
