"""VC-mCAS: does converted speech sound of the sex that gave it its z? (Paper section 5.2, Table 2.)

Segments of a male and a female speaker exchange their s, are decoded, and each decode is labelled with the sex of
the donor of its z. A logistic regression trained on them labels real segments: well only where z holds the voice
and the decoder uses it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmivae.evaluation.probes import logistic_accuracy


@dataclass(frozen=True)
class Conversion:
    """VC-mCAS in percent of real segments, and how the fit of the classifier went."""

    percent: float
    converged: bool
    iterations: int


def vc_mcas(
    converted: NDArray[np.floating],  # (N, F): decoder means, averaged over the frames of a segment
    converted_sex: NDArray,  # (N,) "F" or "M" of the donor of z
    real: NDArray[np.floating],  # (M, F): real test segments, averaged over their frames
    real_sex: NDArray,  # (M,) "F" or "M"
    *,
    c: float,
    max_iter: int,
) -> Conversion:
    """Train on converted segments, test on real ones; with real ``converted`` ones it gives the baseline.

    Raises:
        ValueError: the shapes do not fit together, a value is not finite, or the donors are of one sex.
    """
    for name, x, sex in (("converted", converted, converted_sex), ("real", real, real_sex)):
        if x.ndim != 2 or sex.shape != x.shape[:1] or not len(x):
            raise ValueError(f"{name} segments {x.shape} and their sexes {sex.shape} disagree or are none")
    probe = logistic_accuracy(converted, converted_sex, real, real_sex, c=c, max_iter=max_iter)
    return Conversion(100 * probe.accuracy, probe.converged, probe.iterations)
