"""Rows of the metrics: EER and SVM."""

import numpy as np
from measure import Case, Row
from peers_metrics import roc_equal_error_rate
from sizes import Sizes
from sklearn.svm import SVC

from cmivae.data.trials import draw_trials
from cmivae.evaluation.probes import RbfMachine
from cmivae.evaluation.verification import cosine_scores, equal_error_rate


def eer(sizes: Sizes) -> Case:
    """All trials of 8 utterances a speaker: bisection on the targets against all points of a ROC."""
    rng = np.random.default_rng(0)
    names = np.repeat(np.arange(sizes.speakers), 8).astype(str).tolist()
    z = np.repeat(rng.normal(size=(sizes.speakers, 64)), 8, axis=0) + rng.normal(size=(8 * sizes.speakers, 64))
    pairs, is_target = draw_trials(names, None, 0)
    scores = cosine_scores(z, pairs)

    def ours() -> float:
        return equal_error_rate(scores[is_target], scores[~is_target])

    def peer() -> float:
        return roc_equal_error_rate(is_target, scores)

    return Case(ours, peer, lambda: abs(ours() - peer()))


def svm(sizes: Sizes) -> Case:
    """Labels of binary images by an RBF machine, as in mCAS(SVM): its kernel by matrix products against libsvm's."""
    rng = np.random.default_rng(0)
    centres = rng.random((10, sizes.pixels))

    def images(count: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(count) % 10
        return (rng.random((count, sizes.pixels)) < 0.3 * centres[labels] + 0.05).astype(np.float64), labels

    (x, y), (test, _) = images(sizes.labelled), images(sizes.tested)
    ours, peer = RbfMachine(x, y, c=1.0), SVC(kernel="rbf", C=1.0).fit(x, y)

    def difference() -> float:
        return float(np.mean(ours.predict(test) != peer.predict(test)))

    return Case(lambda: ours.predict(test), lambda: peer.predict(test), difference)


ROWS = [
    Row("eer", "EER of 902,496 trials", "scikit-learn's roc_curve and a line across FAR = FRR", eer,
        "EER in percent", 1e-9, bar=15, stretch=30),
    Row("svm", "RBF-SVM: 10,000 x 784 scored, 1,000 learned", "scikit-learn's SVC.predict", svm,
        "share of labels that differ", 0.0, bar=5, stretch=10),
]  # fmt: skip
