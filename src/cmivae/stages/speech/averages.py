"""Averages over time of real segments: what the classifier of VC-mCAS reads (appendix J)."""

import numpy as np
import torch
from numpy.typing import NDArray

from cmivae.data.speech import Speech


def real_averages(speech: Speech, part: str, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean over the frames of these segments.  (N,) -> (N, F)"""
    frames, starts = speech.frames(part), torch.from_numpy(speech.starts(part)[index])
    rows = starts.unsqueeze(1) + torch.arange(speech.segment)  # (N, T)
    return frames[rows].double().mean(1).numpy()


def sexes(speech: Speech, part: str, index: NDArray[np.int64]) -> NDArray[np.str_]:
    """Sex of the speaker of these segments.  (N,) -> (N,)"""
    spans = speech.of(part)
    return np.array([spans[owner].gender for owner in speech.owners(part)[index]])
