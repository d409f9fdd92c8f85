"""Metrics by scikit-learn's own routes."""

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve


def roc_equal_error_rate(is_target: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The EER in percent by scikit-learn: all points of the ROC, and a line between the two about FAR = FRR."""
    far, hit, _ = roc_curve(is_target, scores, drop_intermediate=False)
    gap = 1 - hit - far  # FRR - FAR, falling from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return 100 * float(far[after - 1] + share * (far[after] - far[after - 1]))
