"""Stage baseline for images: the classifiers of mCAS and AoLR on real pixels, the black line of Figure 3."""

import numpy as np
from threadpoolctl import threadpool_limits

from cmivae.data.prepare import Prepared, load
from cmivae.evaluation.mcas import Mcas, mcas
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_json
from cmivae.study.params import Evaluate


def make(context: Context) -> None:
    """Write ``metrics.json``: 100-image subsets (mCAS) and the 1,000-image probe set (AoLR) on binary pixels."""
    prepared, params = load(context.prepared), context.image.evaluate
    with threadpool_limits(1):
        small = _real(prepared, np.array(prepared.subsets["mcas"]), params)
        large = _real(prepared, np.array([prepared.subsets["probe"]]), params)
    metrics = {
        "lr100": {"mean": float(np.mean(small.lr)), "per_subset": small.lr},
        "svm100": {"mean": float(np.mean(small.svm)), "per_subset": small.svm},
        "lr1000": {"accuracy": large.lr[0]},
        "svm1000": {"accuracy": large.svm[0]},
    }
    write_json(context.folder / "metrics.json", metrics)


def _real(prepared: Prepared, index: np.ndarray, params: Evaluate) -> Mcas:
    images = prepared.train_x[index][:, :, None]  # (S, N, 1, 28, 28)
    return mcas(
        images, prepared.train_y[index], prepared.test_x, prepared.test_y,
        c=params.c, max_iter=params.max_iter, gamma=params.svm_gamma,
    )  # fmt: skip
