"""scikit-learn's 1,797 digits of 8 x 8 pixels in MNIST's frame: images for runs without a download.

Exactly: bilinear interpolation from 8 x 8 to 20 x 20 with pixel centres at ``(i + 1/2) * 8/20 - 1/2`` (as
torch with ``align_corners=False``), positions outside clamped to the edge; 4 pixels of background on each
side; grey ``g`` of 0..16 becomes ``floor(255 g / 16 + 1/2)``. In integers, since many pixels are exactly half
way and floating point would put them on either side of the threshold.
"""

from pathlib import Path

import numpy as np

from cmivae.data.idx import FETCH_AGAIN, read_gzip
from cmivae.data.readers import CLASSES, SIDE, Grey
from cmivae.errors import UserError

FILE = "digits.csv"
LIMIT = 1 << 20  # bytes; the file has 264,712
COUNT, N_TRAIN = 1797, 1400
SMALL, BOX = 8, 20  # pixels a side of the source and of MNIST's box for the digit
TOP = 16  # largest grey value of the source
TENTHS = 10  # bilinear weights of 8 -> 20 are whole tenths
SHUFFLE_SEED = 0  # of the fixed split; the source's order groups its writers


def read_digits(folder: Path) -> Grey:
    """The digits as 28 x 28 grey images, 1,400 to train and 397 to test, shuffled once.

    Raises:
        UserError: the file is missing, damaged or another one.
    """
    path = Path(folder) / FILE
    table = _parse(path)
    images, labels = enlarge(table[:, :-1].reshape(-1, SMALL, SMALL)), table[:, -1].astype(np.uint8)
    order = np.random.default_rng(SHUFFLE_SEED).permutation(COUNT)
    train, test = order[:N_TRAIN], order[N_TRAIN:]
    return Grey(images[train], labels[train], images[test], labels[test])


def enlarge(small: np.ndarray) -> np.ndarray:
    """Grey images (N, 8, 8) of 0..16 to (N, 28, 28) uint8 of 0..255, as the head of this module says."""
    weights = _weights()  # (20, 8)
    box = weights @ small.astype(np.int64) @ weights.T  # (N, 20, 20), hundredths of 0..16
    most = TOP * TENTHS**2
    grey = (2 * 255 * box + most) // (2 * most)
    margin = (SIDE - BOX) // 2
    return np.pad(grey, ((0, 0), (margin, margin), (margin, margin))).astype(np.uint8)  # (N, 28, 28)


def _weights() -> np.ndarray:
    """Bilinear weights in tenths, (20, 8): row ``i`` makes pixel ``i`` from two neighbours."""
    position = np.clip(4 * np.arange(BOX) - 3, 0, TENTHS * (SMALL - 1))  # tenths of a source pixel
    left = np.minimum(position // TENTHS, SMALL - 2)
    right_share = position - TENTHS * left
    weights = np.zeros((BOX, SMALL), np.int64)
    weights[np.arange(BOX), left] = TENTHS - right_share
    weights[np.arange(BOX), left + 1] = right_share
    return weights


def _parse(path: Path) -> np.ndarray:
    try:
        text = read_gzip(path, LIMIT).decode("ascii")
        table = np.array([line.split(",") for line in text.splitlines()]).astype(np.int64)  # (1797, 65)
    except ValueError as error:
        raise _wrong(path, str(error)) from None
    if table.shape != (COUNT, SMALL**2 + 1):
        raise _wrong(path, f"its shape is {table.shape}, expected {(COUNT, SMALL**2 + 1)}")
    if table.min() < 0 or table[:, :-1].max() > TOP or table[:, -1].max() >= CLASSES:
        raise _wrong(path, f"a value is outside 0..{TOP} (grey) or 0..{CLASSES - 1} (label)")
    return table


def _wrong(path: Path, why: str) -> UserError:
    return UserError("not scikit-learn's table of digits", where=str(path), why=why, fix=FETCH_AGAIN)
