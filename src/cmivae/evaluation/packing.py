"""Binary images as bits: an eighth of the bytes on disk."""

import numpy as np
from numpy.typing import NDArray

IMAGE = (28, 28)
PACKED = 98  # bytes of a binary 28x28 image


def pack(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Binary images (..., 28, 28) as bits (..., 98)."""
    return np.packbits(images.reshape(*images.shape[:-2], -1), axis=-1)


def unpack(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (..., 28, 28) of packed bits (..., 98); images that are not packed come back as they are.

    Raises:
        ValueError: neither of the two shapes.
    """
    if images.shape[-2:] == IMAGE:
        return images
    if images.shape[-1] == PACKED and images.dtype == np.uint8:
        return np.unpackbits(images, axis=-1).reshape(*images.shape[:-1], *IMAGE)
    raise ValueError(f"expected images (..., 28, 28) or packed (..., 98), got {images.shape} {images.dtype}")
