"""What a loop takes batches from: one whole part of a data set, on the device where it fits, in the model's form."""

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from cmivae.training.devices import generator

STARTS = 7  # stream of random numbers: random segments of an epoch


class Items(Protocol):
    """A part of a data set. ``items[index]`` is a batch x that the model takes; an index is a tensor or a slice."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Tensor | slice) -> Tensor: ...

    @property
    def place(self) -> torch.device:
        """Where the data lie; batches may go elsewhere."""
        ...

    def redraw(self, seed: int, epoch: int) -> None:
        """Draw anew what an epoch draws anew, known from seed and epoch alone, so that a resume needs no replay."""
        ...


class Images:
    """Binary images.  (N, 28, 28) uint8, on the device"""

    def __init__(self, images: Tensor):
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        return self.images[index].unsqueeze(1).float()  # (B, 1, 28, 28)

    @property
    def place(self) -> torch.device:
        """Where the images lie."""
        return self.images.device

    def redraw(self, seed: int, epoch: int) -> None:
        """Images are the same in every epoch."""


class Segments:
    """Windows of ``length`` frames of utterances that lie one after another.

    Args:
        frames: (M, F) float32, on the device or, where they do not fit there, on the CPU.
        starts: (N,) first frame of each segment.
        device: where batches go.
        spans: (U, 2) first frame and number of frames of each utterance: makes ``redraw`` draw random segments,
            as many of each utterance as lie in it end to end.
    """

    def __init__(self, frames: Tensor, starts: Tensor, length: int, device: torch.device, spans: Tensor | None = None):
        self.frames, self.device, self.spans = frames, device, spans
        self.starts = starts.to(frames.device).clone()  # ours: ``redraw`` changes it in place
        self.window = torch.arange(length, device=frames.device)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        where = index.to(self.frames.device) if isinstance(index, Tensor) else index
        rows = self.starts[where].unsqueeze(1) + self.window  # (B, T)
        return self.frames[rows].to(self.device, non_blocking=True)  # (B, T, F)

    @property
    def place(self) -> torch.device:
        """Where the frames lie."""
        return self.frames.device

    def redraw(self, seed: int, epoch: int) -> None:
        """Random starts, as FHVAE's ``seg_rand``; nothing where segments are fixed."""
        if self.spans is None:
            return
        length = len(self.window)
        counts = self.spans[:, 1] // length  # (U,)
        first = self.spans[:, 0].repeat_interleave(counts)  # (N,)
        room = (self.spans[:, 1] - length + 1).repeat_interleave(counts)  # (N,)
        drawn = torch.rand(
            len(first), generator=generator(torch.device("cpu"), seed, STARTS, epoch), dtype=torch.double
        )
        self.starts.copy_(first + (drawn * room).long())  # in place, for a captured step


def chunks(count: int, size: int) -> Iterator[slice]:
    """Slices of about ``size`` that cover ``count`` items; one alone, which has no derangement, joins those before."""
    start = 0
    while start < count:
        stop = count if count - start <= size + 1 else start + size
        yield slice(start, stop)
        start = stop
