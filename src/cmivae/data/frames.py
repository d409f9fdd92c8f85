"""One large float32 table of frames on disk as safetensors, written and rescaled piece by piece in bounded memory."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cmivae.errors import UserError
from cmivae.provenance.io import atomic_path

ROWS = 65_536  # frames in memory at a time: 53 MB at 201 bins
BYTES = 4  # of a float32


class FrameWriter:
    """Appends frames of the parts in turn; the shapes of all parts are known before.

    Args:
        file: open for reading and writing; it becomes a safetensors file.
        rows: number of frames of each part, in the order in which they will come.
        bins: F.
    """

    def __init__(self, file: BinaryIO, rows: dict[str, int], bins: int):
        self.file, self.bins, self.expected = file, bins, sum(rows.values())
        header, start = {}, 0
        for name, count in rows.items():
            size = count * bins * BYTES
            header[name] = {"dtype": "F32", "shape": [count, bins], "data_offsets": [start, start + size]}
            start += size
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.first = 8 + len(text)
        self.written = 0
        file.write(struct.pack("<Q", len(text)) + text)

    def append(self, frames: Tensor) -> None:
        """The next frames.  (L, F) float32"""
        self.file.write(frames.contiguous().numpy().astype("<f4", copy=False).tobytes())
        self.written += len(frames)

    def rescale(self, change: Callable[[Tensor], Tensor]) -> None:
        """Replace all frames by ``change`` of them, once all are written; it maps (L, F) -> (L, F).

        Raises:
            ValueError: fewer or more frames came than were announced.
        """
        if self.written != self.expected:
            raise ValueError(f"{self.written} frames were written, {self.expected} announced")
        for row in range(0, self.expected, ROWS):
            count = min(ROWS, self.expected - row)
            at = self.first + row * self.bins * BYTES
            self.file.seek(at)
            raw = np.frombuffer(self.file.read(count * self.bins * BYTES), "<f4").reshape(count, self.bins)
            self.file.seek(at)
            self.file.write(change(torch.from_numpy(raw.copy())).numpy().astype("<f4", copy=False).tobytes())


def write_frames(path: Path, rows: dict[str, int], bins: int, fill: Callable[[FrameWriter], None]) -> None:
    """Write a table of frames atomically; ``fill`` appends and rescales."""
    with atomic_path(path) as temporary, temporary.open("w+b") as file:
        fill(FrameWriter(file, rows, bins))


def read_frames(path: Path, part: str) -> Tensor:
    """One part.  -> (M, F) float32

    Raises:
        UserError: the file is missing or damaged, or has no such part.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return file.get_tensor(part)
    except FileNotFoundError:
        raise UserError("prepared frames are missing", where=str(path), fix="run the prepare stage") from None
    except (SafetensorError, OSError) as error:
        fix = "delete it and run the prepare stage again"
        raise UserError("prepared frames are damaged", where=str(path), why=str(error), fix=fix) from None
