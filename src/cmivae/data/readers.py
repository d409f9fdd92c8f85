"""Raw files to grey images: the contract of an image reader, and the reader of MNIST and Fashion-MNIST."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cmivae.data.idx import FETCH_AGAIN, read_gzip, read_idx
from cmivae.errors import UserError

SIDE = 28  # pixels
CLASSES = 10
COUNTS = {"train": 60_000, "t10k": 10_000}
HEADER = 16  # bytes, the longer of the two IDX headers


@dataclass(frozen=True)
class Grey:
    """Grey images of 28 x 28 pixels with their labels, as the source splits them."""

    train_x: np.ndarray  # (N, 28, 28) uint8, 0..255
    train_y: np.ndarray  # (N,) uint8
    test_x: np.ndarray  # (M, 28, 28) uint8
    test_y: np.ndarray  # (M,) uint8


def read_mnist(folder: Path) -> Grey:
    """MNIST or Fashion-MNIST from its four IDX files: 60,000 and 10,000 images (paper section 5.3).

    Raises:
        UserError: a file is missing or damaged, or has other counts or labels.
    """
    folder = Path(folder)
    return Grey(
        train_x=_read(folder / "train-images-idx3-ubyte", (COUNTS["train"], SIDE, SIDE)),
        train_y=_read_labels(folder / "train-labels-idx1-ubyte", COUNTS["train"]),
        test_x=_read(folder / "t10k-images-idx3-ubyte", (COUNTS["t10k"], SIDE, SIDE)),
        test_y=_read_labels(folder / "t10k-labels-idx1-ubyte", COUNTS["t10k"]),
    )


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    array = read_idx(read_gzip(path, HEADER + math.prod(shape)), path)
    if array.shape != shape:
        why = f"its shape is {array.shape}, expected {shape}"
        raise UserError("not a file of MNIST or Fashion-MNIST", where=str(path), why=why, fix=FETCH_AGAIN)
    return array


def _read_labels(path: Path, count: int) -> np.ndarray:
    labels = _read(path, (count,))
    if labels.max() >= CLASSES:
        why = f"a label is {labels.max()}, expected 0 to {CLASSES - 1}"
        raise UserError("not a label file of MNIST or Fashion-MNIST", where=str(path), why=why, fix=FETCH_AGAIN)
    return labels
