"""Speech the plain ways: DSAE with a loop over time in Python, and spectrograms as librosa 0.11 computes them.

librosa itself is no dependency: ``stft`` follows ``librosa.stft`` (frames by strides, blocks of 256 KiB, windows
times frames, ``scipy.fft.rfft``, complex64, Fortran order).
"""

import numpy as np
import scipy.fft
import torch
from numpy.typing import NDArray
from scipy.signal import get_window
from torch import Tensor, nn

BLOCK_BYTES = 2**18  # librosa.util.MAX_MEM_BLOCK
N_FFT, HOP, SEGMENT = 400, 160, 3200
Gaussian = tuple[Tensor, Tensor]


class StepByStepDsae:
    """The ELBO of ``cmivae.models.dsae.Dsae``, with the same weights, its recurrent nets run by a loop over time."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.cells = {
            "z": [_lstm_cell(model.z_lstm, ""), _lstm_cell(model.z_lstm, "_reverse")],
            "s": [_lstm_cell(model.s_lstm, ""), _lstm_cell(model.s_lstm, "_reverse")],
            "prior": [_lstm_cell(model.prior, "")],
        }
        self.rnn = _share(nn.RNNCell(model.s_rnn.input_size, model.s_rnn.hidden_size, device="meta"), model.s_rnn, "")

    def loss(self, x: Tensor, noise: torch.Generator) -> Tensor:
        """Recon + KL(s) + KL(z) in nats, summed over data and time, mean over the batch.  (B, T, F) -> ()"""
        m, (items, frames, _) = self.model, x.shape
        _, last = self._run(self.cells["z"][0], x, backwards=False)
        _, first = self._run(self.cells["z"][1], x, backwards=True)
        z_mean, z_logvar = m.z_out(torch.cat([last, first], 1)).chunk(2, 1)
        z = z_mean + (0.5 * z_logvar).exp() * self._noise(x, (items, m.z_dim), noise)
        drawn = self._noise(x, (items, frames, m.s_dim), noise)
        joined = torch.cat([x, z.unsqueeze(1).expand(-1, frames, -1)], 2)
        forward, _ = self._run(self.cells["s"][0], joined, backwards=False)
        backward, _ = self._run(self.cells["s"][1], joined, backwards=True)
        state = x.new_zeros(items, m.s_rnn.hidden_size)
        h = c = x.new_zeros(items, m.prior.hidden_size)
        before = x.new_zeros(items, m.s_dim)
        total = 0.5 * (z_mean**2 + z_logvar.exp() - 1 - z_logvar).sum(1)
        for t in range(frames):
            state = self.rnn(torch.cat([forward[t], backward[t]], 1), state)
            mean, logvar = m.s_out(state).chunk(2, 1)
            s = mean + (0.5 * logvar).exp() * drawn[:, t]
            h, c = self.cells["prior"][0](before, (h, c))
            p_mean, p_logvar = m.prior_out(h).chunk(2, 1)
            ratio = (logvar - p_logvar).exp() + (mean - p_mean) ** 2 * (-p_logvar).exp()
            out = m.decoder(torch.cat([s, z], 1))
            x_logvar = m.logvar.clamp_min(m.min_logvar)
            nll = 0.5 * ((x[:, t] - out) ** 2 * (-x_logvar).exp() + x_logvar + np.log(2 * np.pi))
            total = total + 0.5 * (ratio - 1 - logvar + p_logvar).sum(1) + nll.sum(1)
            before = s
        return total.mean()

    @staticmethod
    def _run(cell: nn.LSTMCell, x: Tensor, backwards: bool) -> tuple[list[Tensor], Tensor]:
        """Hidden states of all steps in the order of time, and the last one computed."""
        h = c = x.new_zeros(len(x), cell.hidden_size)
        states: list[Tensor] = [h] * x.shape[1]
        for t in reversed(range(x.shape[1])) if backwards else range(x.shape[1]):
            h, c = cell(x[:, t], (h, c))
            states[t] = h
        return states, h

    @staticmethod
    def _noise(x: Tensor, shape: tuple[int, ...], noise: torch.Generator) -> Tensor:
        return torch.randn(shape, generator=noise, device=x.device, dtype=x.dtype)


def _lstm_cell(net: nn.LSTM, suffix: str) -> nn.LSTMCell:
    return _share(nn.LSTMCell(net.input_size, net.hidden_size, device="meta"), net, suffix)


def _share(cell: nn.Module, net: nn.Module, suffix: str) -> nn.Module:
    """A cell whose parameters are those of the recurrent net."""
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        setattr(cell, name, getattr(net, f"{name}_l0{suffix}"))
    return cell


def stft(wave: NDArray[np.float32], center: bool) -> NDArray[np.complex64]:
    """As ``librosa.stft(wave, n_fft=400, hop_length=160, center=center, pad_mode="reflect")``.  (N,) -> (201, L)"""
    window = get_window("hann", N_FFT, fftbins=True).astype(np.float32)[:, None]  # (400, 1)
    if center:
        wave = np.pad(wave, N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(wave, N_FFT)[::HOP].T  # (400, L), a view
    found = np.zeros((1 + N_FFT // 2, frames.shape[1]), np.complex64, order="F")
    columns = max(BLOCK_BYTES // (N_FFT * frames.itemsize), 1)
    for start in range(0, frames.shape[1], columns):
        part = slice(start, start + columns)
        found[:, part] = scipy.fft.rfft(window * frames[:, part], axis=0)
    return found


def log_magnitude(spectrum: NDArray[np.complex64], floor: float) -> NDArray[np.float32]:
    """(201, L) -> (L, 201)"""
    return np.log(np.maximum(np.abs(spectrum), floor)).T


def per_file(waves: list[NDArray[np.float32]], floor: float) -> list[NDArray[np.float32]]:
    """A spectrogram of each whole file."""
    return [log_magnitude(stft(wave, center=False), floor) for wave in waves]


def per_segment(waves: list[NDArray[np.float32]], floor: float) -> list[NDArray[np.float32]]:
    """A spectrogram of each 200 ms, of which the last of 21 frames is dropped.  -> a list of (20, 201)"""
    pieces = (w[start : start + SEGMENT] for w in waves for start in range(0, len(w) - SEGMENT + 1, SEGMENT))
    return [log_magnitude(stft(piece, center=True), floor)[:20] for piece in pieces]
