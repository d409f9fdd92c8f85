"""AoLR and AoSVM: how well labels can be read from few features (paper section 5.3)."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

Scale = Literal["scale", "auto"]


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

    The kernel is computed by one GEMM, which predicts as ``SVC(kernel="rbf")`` does but many times faster.

    Raises:
        ValueError: shapes disagree, a value is not finite, or there is only one class.
    """
    train, test = _features(train_x), _features(test_x)
    width = kernel_gamma(train, gamma)
    model = SVC(kernel="precomputed", C=c).fit(rbf_kernel(train, gamma=width), np.asarray(train_y))
    predicted = model.predict(rbf_kernel(test, train, gamma=width))  # (M,)
    return float(np.mean(predicted == np.asarray(test_y)))


def kernel_gamma(train_x: NDArray[np.float64], gamma: Scale) -> float:
    """Kernel width of ``SVC``: "scale" is 1 / (F * variance), "auto" is 1 / F; 1 where the variance is 0."""
    features = train_x.shape[1]
    if gamma == "auto":
        return 1.0 / features
    variance = float(train_x.var())
    return 1.0 / (features * variance) if variance > 0 else 1.0


def _features(x: ArrayLike) -> NDArray[np.float64]:
    return np.ascontiguousarray(x, dtype=np.float64)
