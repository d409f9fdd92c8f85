"""Waveform to log-magnitude frames (section 5.2): 25 ms windows every 10 ms, 201 bins, through torchaudio."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchaudio.functional import preemphasis, spectrogram

from cmivae.errors import UserError
from cmivae.study.params import SpeechData

PIECE = 1024  # frames that are transformed together: memory is theirs, however long the recording
DECIBEL = 20 / math.log(10)  # decibels a natural unit of log magnitude
BIN_FLOOR = 1e-8  # of a variance, for a bin that never changes


def window_of(name: str, length: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """The periodic analysis window of this name: hann, sqrt_hann or hamming.  (length,)"""
    made = torch.hamming_window if name == "hamming" else torch.hann_window
    window = made(length, dtype=dtype)
    return window.sqrt() if name == "sqrt_hann" else window


class Features:
    """Log-magnitude frames of one waveform at a time; settings are those of ``params.yaml:datasets.*.data``."""

    def __init__(self, data: SpeechData):
        self.data, self.window = data, window_of(data.window, data.win_length)
        self.piece = data.segment * data.hop_length  # samples of a segment cut from the waveform: 3,200, 200 ms
        self.padded = (data.segment - 1) * data.hop_length + data.n_fft  # 3,440
        self.bins = data.n_fft // 2 + 1

    def frames(self, samples: int) -> int:
        """How many frames a waveform of ``samples`` gives; none where it is too short."""
        if self.data.framing != "utterance":
            return samples // self.piece * self.data.segment
        return max(1 + (samples - self.data.n_fft) // self.data.hop_length, 0)

    @torch.no_grad()
    def __call__(self, wave: NDArray[np.float32]) -> Tensor:
        """Log magnitudes of a waveform in [-1, 1].  (N,) -> (L, F)"""
        sound = torch.from_numpy(wave)
        if self.data.pre_emphasis:
            sound = preemphasis(sound, self.data.pre_emphasis)
        logs = self._whole(sound) if self.data.framing == "utterance" else self._pieces(sound)
        np.log(np.maximum(logs, self.data.floor, out=logs), out=logs)  # a third of the time that torch takes
        return torch.from_numpy(logs).mul_(DECIBEL) if self.data.log == "db" else torch.from_numpy(logs)

    def _whole(self, sound: Tensor) -> NDArray[np.float32]:
        """The whole recording, ``PIECE`` frames at a time.  (N,) -> (L, F)"""
        hop, found = self.data.hop_length, np.empty((self.frames(len(sound)), self.bins), np.float32)
        for first in range(0, len(found), PIECE):
            part = sound[first * hop : (first + PIECE - 1) * hop + self.data.n_fft]
            np.abs(self._stft(part).T, out=found[first : first + PIECE])
        return found

    def _pieces(self, sound: Tensor) -> NDArray[np.float32]:
        """Segments cut from the waveform first, each transformed by itself.  (N,) -> (S * T, F)"""
        pieces = sound[: len(sound) // self.piece * self.piece].unflatten(0, (-1, self.piece))  # (S, 3200)
        if self.data.framing == "wave_padend":
            padded = torch.nn.functional.pad(pieces, (0, max(self.padded - self.piece, 0)))  # (S, 3440)
            spectra = self._stft(padded)
        else:
            spectra = self._stft(pieces, center=True)  # (S, F, 21)
        kept = np.abs(spectra)[:, :, : self.data.segment]
        return kept.transpose(0, 2, 1).reshape(-1, self.bins)

    def _stft(self, sound: Tensor, center: bool = False) -> NDArray[np.complex64]:
        """(..., N) -> (..., F, L). NumPy takes magnitudes of it; torch's own take longer than the transform."""
        data = self.data
        return spectrogram(
            sound, 0, self.window, data.n_fft, data.hop_length, data.win_length,
            power=None, normalized=False, center=center, pad_mode="reflect", onesided=True,
        ).numpy()  # fmt: skip


class Scale:
    """Normalisation fitted on training frames: one min and max of all values, a mean and variance of each bin, or none.

    Nothing is clipped elsewhere. The variance of normalised training frames starts the decoder's.
    """

    def __init__(self, kind: str, bins: int):
        self.kind, self.count = kind, 0
        self.low, self.high = math.inf, -math.inf
        self.sums, self.squares = torch.zeros(bins, dtype=torch.double), torch.zeros(bins, dtype=torch.double)

    def add(self, logs: Tensor) -> None:
        """Take note of training frames.  (L, F)"""
        self.count += len(logs)
        self.low, self.high = min(self.low, logs.min().item()), max(self.high, logs.max().item())
        wide = logs.double()
        self.sums += wide.sum(0)
        self.squares += wide.square().sum(0)

    def values(self) -> dict[str, object]:
        """What ``normalise`` and ``restore`` need: offset and divisor (1 or F of them), and the variance after it.

        Raises:
            UserError: all training frames are one value, such as digital silence.
        """
        if not self.high > self.low:
            why = f"every log magnitude is {self.low:g}"
            raise UserError("the training part is silent", where="data/raw", why=why, fix="bring recordings of speech")
        mean = self.sums / self.count  # (F,)
        variance = (self.squares / self.count - mean.square()).clamp_min(BIN_FLOOR)  # (F,)
        offset, divisor = torch.zeros(1).double(), torch.ones(1).double()
        if self.kind == "minmax":
            offset = torch.tensor([self.low], dtype=torch.double)
            divisor = torch.tensor([self.high - self.low], dtype=torch.double)
        elif self.kind == "mvn":
            offset, divisor = mean, variance.sqrt()
        after = (variance / divisor.square()).tolist()
        return {"kind": self.kind, "offset": offset.tolist(), "divisor": divisor.tolist(), "variance": after}


def normalise(logs: Tensor, scale: dict) -> Tensor:
    """Log magnitudes to what the model sees.  (L, F) -> (L, F) float32"""
    return ((logs - _row(scale, "offset")) / _row(scale, "divisor")).float()


def restore(frames: Tensor, scale: dict) -> Tensor:
    """Inverse of ``normalise``.  (..., F) -> (..., F) float64"""
    return frames.double() * _row(scale, "divisor") + _row(scale, "offset")


def magnitude(frames: Tensor, scale: dict, data: SpeechData) -> Tensor:
    """Normalised frames to linear magnitude, for sound.  (L, F) -> (L, F) float64"""
    logs = restore(frames, scale)
    return (logs / DECIBEL if data.log == "db" else logs).exp()


def _row(scale: dict, name: str) -> Tensor:
    return torch.tensor(scale[name], dtype=torch.double)  # (1,) or (F,)
