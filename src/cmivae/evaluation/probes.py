"""AoLR and AoSVM: how well labels can be read from few features (paper section 5.3)."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

Scale = Literal["scale", "auto"]
ROWS = 512  # of a kernel matrix that are computed together


@dataclass(frozen=True)
class Probe:
    """Test accuracy of a logistic regression, and whether its fit came to an end."""

    accuracy: float
    converged: bool
    iterations: int


def logistic_accuracy(
    train_x: ArrayLike,  # (N, F)
    train_y: ArrayLike,  # (N,)
    test_x: ArrayLike,  # (M, F)
    test_y: ArrayLike,  # (M,)
    *,
    c: float,
    max_iter: int,
) -> Probe:
    """AoLR: lbfgs logistic regression on unscaled features in float64.

    A fit that stops at ``max_iter`` is reported as ``converged=False``.

    Raises:
        ValueError: shapes disagree, a value is not finite, or there is only one class.
    """
    model = LogisticRegression(C=c, max_iter=max_iter, solver="lbfgs")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(_features(train_x), np.asarray(train_y))
    converged = True
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            converged = False
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    accuracy = float(np.mean(model.predict(_features(test_x)) == np.asarray(test_y)))
    return Probe(accuracy, converged, int(model.n_iter_.max()))


def svm_accuracy(
    train_x: ArrayLike,  # (N, F)
    train_y: ArrayLike,  # (N,)
    test_x: ArrayLike,  # (M, F)
    test_y: ArrayLike,  # (M,)
    *,
    c: float,
    gamma: Scale = "scale",
) -> float:
    """AoSVM: RBF support vector machine on unscaled features in float64.

    Raises:
        ValueError: shapes disagree, a value is not finite, or there is only one class.
    """
    predicted = RbfMachine(train_x, train_y, c=c, gamma=gamma).predict(test_x)  # (M,)
    return float(np.mean(predicted == np.asarray(test_y)))


class RbfMachine:
    """``SVC(kernel="rbf")`` with its kernel computed by matrix products: the same predictions many times faster.

    Args:
        x: (N, F).
        y: (N,) labels.

    Raises:
        ValueError: as ``SVC`` does.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike, *, c: float, gamma: Scale = "scale"):
        self.x = _features(x)
        self.width = kernel_gamma(self.x, gamma)
        self.model = SVC(kernel="precomputed", C=c).fit(rbf(self.x, self.x, self.width), np.asarray(y))

    def predict(self, x: ArrayLike) -> NDArray:
        """Labels.  (M, F) -> (M,)"""
        return np.concatenate([self.model.predict(rows) for rows in self._rows(x)])

    def decision(self, x: ArrayLike) -> NDArray[np.float64]:
        """Decision values as ``SVC.decision_function``.  (M, F) -> (M,) for two classes, (M, K) for more"""
        return np.concatenate([self.model.decision_function(rows) for rows in self._rows(x)])

    def _rows(self, x: ArrayLike) -> Iterator[NDArray[np.float64]]:
        features = _features(x)
        for start in range(0, len(features), ROWS):
            yield rbf(features[start : start + ROWS], self.x, self.width)


def rbf(a: NDArray[np.float64], b: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """Kernel matrix exp(-width |a_i - b_j|^2).  (M, F), (N, F) -> (M, N)

    Binary features are multiplied in float32, where sums of up to 2^24 ones are exact, in half the time.
    """
    if _binary(a) and _binary(b) and a.shape[1] < 2**24:
        products = a.astype(np.float32) @ b.astype(np.float32).T
    else:
        products = a @ b.T
    kernel = np.multiply(products, 2.0, dtype=np.float64)  # (M, N)
    kernel -= np.einsum("ij,ij->i", a, a)[:, None]
    kernel -= np.einsum("ij,ij->i", b, b)
    np.minimum(kernel, 0.0, out=kernel)  # of equal rows, rounding could leave a little more
    kernel *= width
    return np.exp(kernel, out=kernel)


def kernel_gamma(train_x: NDArray[np.float64], gamma: Scale) -> float:
    """Kernel width of ``SVC``: "scale" is 1 / (F * variance), "auto" is 1 / F; 1 where the variance is 0."""
    features = train_x.shape[1]
    if gamma == "auto":
        return 1.0 / features
    variance = float(train_x.var())
    return 1.0 / (features * variance) if variance > 0 else 1.0


def _binary(x: NDArray[np.float64]) -> bool:
    return bool(((x == 0) | (x == 1)).all())


def _features(x: ArrayLike) -> NDArray[np.float64]:
    return np.ascontiguousarray(x, dtype=np.float64)
