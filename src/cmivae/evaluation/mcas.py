"""mCAS: can a classifier trained on decoded images label real ones? (Paper section 5.3, Figure 3.)

From few labelled images, z is inferred and decoded several times; every decode keeps the label of its source.
The accuracy on real test images is high only where z holds the class and the decoder uses it. The same code
on the real images themselves (one "decode" each) gives the baseline, the black line of Figure 3.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from cmivae.evaluation.packing import IMAGE, unpack
from cmivae.evaluation.probes import Scale, logistic_accuracy, svm_accuracy


@dataclass(frozen=True)
class Mcas:
    """Accuracies per labelled subset: logistic regression, SVM; and which logistic fits converged."""

    lr: tuple[float, ...]
    svm: tuple[float, ...]
    converged: tuple[bool, ...]


def mcas(
    images: NDArray[np.uint8],  # (S, N, D, 28, 28) in {0,1}, or packed (S, N, D, 98)
    labels: NDArray[np.integer],  # (S, N)
    test_x: NDArray[np.uint8],  # (M, 28, 28), or packed (M, 98)
    test_y: NDArray[np.integer],  # (M,)
    *,
    c: float,
    max_iter: int,
    gamma: Scale = "scale",
) -> Mcas:
    """Train on the D decodes of each of N labelled images, test on real images; once for each of S subsets.

    Raises:
        ValueError: the shapes do not fit together.
    """
    if images.shape[:2] != labels.shape:
        raise ValueError(f"images {images.shape} and labels {labels.shape} disagree on subsets or images")
    test = _pixels(test_x)  # (M, 784)
    lr, svm = [], []
    for subset, subset_labels in zip(images, labels, strict=True):
        train = _pixels(subset)  # (N*D, 784)
        train_y = np.repeat(subset_labels, subset.shape[1])  # (N*D,)
        lr.append(logistic_accuracy(train, train_y, test, test_y, c=c, max_iter=max_iter))
        svm.append(svm_accuracy(train, train_y, test, test_y, c=c, gamma=gamma))
    return Mcas(tuple(p.accuracy for p in lr), tuple(svm), tuple(p.converged for p in lr))


def pixel_entropy(images: NDArray[np.uint8]) -> float:
    """Diversity of the decodes of one z (claim on Figure 5), in nats per pixel.

    Args:
        images: (..., D, 28, 28) in {0,1}, or packed (..., D, 98); D decodes of each z.

    Returns:
        Mean over z and pixels of the binary entropy of a pixel's frequency over the D decodes: 0 where all
        decodes agree, at most ln 2.
    """
    on = unpack(images).mean(axis=-3)  # (..., 28, 28)
    return float(np.mean(entr(on) + entr(1.0 - on)))


def _pixels(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    return unpack(images).reshape(-1, IMAGE[0] * IMAGE[1]).astype(np.float64)
