"""AoLR and AoSVM: known answers, agreement with scikit-learn's own RBF machine, no silent non-convergence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.svm import SVC

from cmivae.evaluation.probes import ROWS, RbfMachine, kernel_gamma, logistic_accuracy, rbf, svm_accuracy


def blobs(seed: int, n: int = 60, spread: float = 1.0, classes: int = 3, features: int = 5):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features)) * 2
    y = np.arange(n) % classes
    return centres[y] + spread * rng.normal(size=(n, features)), y


def test_separated_classes_are_read_perfectly():
    x, y = blobs(0, spread=0.01)
    probe = logistic_accuracy(x[:30], y[:30], x[30:], y[30:], c=1.0, max_iter=1000)
    assert probe.accuracy == 1.0
    assert probe.converged
    assert 0 < probe.iterations < 1000
    assert svm_accuracy(x[:30], y[:30], x[30:], y[30:], c=1.0) == 1.0


def test_accuracy_is_the_share_of_right_answers():
    x = np.array([[-1.0], [1.0]] * 5)
    y = np.array([0, 1] * 5)
    wrong = np.array([0, 1, 0, 0])  # the last of four is mislabelled
    probe = logistic_accuracy(x, y, x[:4], wrong, c=1.0, max_iter=100)
    assert probe.accuracy == 0.75
    assert svm_accuracy(x, y, x[:4], wrong, c=1.0) == 0.75


def test_a_fit_that_stops_early_says_so():
    x, y = blobs(1)
    probe = logistic_accuracy(x, y, x, y, c=100.0, max_iter=2)
    assert not probe.converged
    assert probe.iterations == 2


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.sampled_from(["scale", "auto"]), c=st.sampled_from([0.1, 1.0, 10.0]))
def test_svm_predicts_as_scikit_learn_does(seed, gamma, c):
    x, y = blobs(seed, n=120, spread=2.0)
    plain = SVC(kernel="rbf", C=c, gamma=gamma).fit(x[:60], y[:60])
    expected = float(np.mean(plain.predict(x[60:]) == y[60:]))
    assert svm_accuracy(x[:60], y[:60], x[60:], y[60:], c=c, gamma=gamma) == expected


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000), gamma=st.sampled_from(["scale", "auto"]),
    classes=st.sampled_from([2, 3, 5]), binary=st.booleans(),
)  # fmt: skip
def test_svm_decides_as_scikit_learn_does(seed, gamma, classes, binary):
    """Over several blocks of rows: the same predictions. Solvers stop at 1e-3, so that is how far decisions agree."""
    x, y = blobs(seed, n=60 + ROWS + 1, spread=2.0, classes=classes, features=30)
    x = (x > 0).astype(np.float64) if binary else x
    ours = RbfMachine(x[:60], y[:60], c=1.0, gamma=gamma)
    plain = SVC(kernel="rbf", gamma=gamma).fit(x[:60], y[:60])
    decided = plain.decision_function(x[60:])
    assert np.allclose(ours.decision(x[60:]), decided, rtol=0, atol=1e-3)
    runner_up = decided if classes == 2 else np.diff(np.sort(decided, axis=1)[:, -2:]).ravel()
    sure = np.abs(runner_up) > 1e-3
    assert sure.mean() > 0.9
    assert np.array_equal(ours.predict(x[60:])[sure], plain.predict(x[60:])[sure])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), binary=st.booleans())
def test_the_same_machine_scores_the_same_by_our_kernel(seed, binary):
    x, y = blobs(seed, n=600, spread=3.0, classes=2, features=50)
    x = (x > 0).astype(np.float64) if binary else x
    plain = SVC(kernel="rbf").fit(x[:60], y[:60])
    kernel = rbf(x[60:], plain.support_vectors_, kernel_gamma(x[:60], "scale"))
    ours = (kernel @ plain.dual_coef_.T + plain.intercept_).ravel()
    assert np.allclose(ours, plain.decision_function(x[60:]), rtol=0, atol=1e-11)


def test_the_kernel_by_hand_and_one_for_equal_rows():
    rng = np.random.default_rng(0)
    for a, b in ((rng.normal(size=(4, 7)) * 100, rng.normal(size=(5, 7))), (rng.random((2, 4, 9)) < 0.5).astype(float)):
        expected = [[np.exp(-0.01 * np.square(u - v).sum()) for v in b] for u in a]
        assert np.allclose(rbf(a, b, 0.01), expected, rtol=1e-9, atol=1e-300)
        assert np.allclose(np.diag(rbf(a, a, 0.01)), 1.0, atol=1e-9)
        assert rbf(a, a, 0.01).max() <= 1.0


def test_svm_of_constant_features_has_a_width():
    assert kernel_gamma(np.zeros((4, 3)), "scale") == 1.0


def test_float32_and_float64_inputs_agree():
    x, y = blobs(2, spread=2.0)
    x = np.round(x, 2).astype(np.float32)
    small = logistic_accuracy(x, y, x, y, c=1.0, max_iter=1000)
    assert small == logistic_accuracy(x.astype(np.float64), y, x, y, c=1.0, max_iter=1000)


def test_nan_features_are_refused():
    x, y = blobs(3)
    x[0, 0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        svm_accuracy(x, y, x, y, c=1.0)
