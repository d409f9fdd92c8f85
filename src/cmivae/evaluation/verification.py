"""EER(z) and EER(s): can speakers be told apart by an utterance's mean latent? (Paper section 5.2, Tables 1 and 3.)

An utterance is the mean of the posterior means of its segments, a trial's score the cosine of two utterances, and
the EER the rate at which false acceptances and false rejections are equally frequent.
"""

from bisect import bisect_left
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cmivae.errors import UserError

BLOCK = 512  # rows of the matrix of cosines that are in memory at a time
DECIMALS = 12  # of a score: the rest depends on the order of sums, and equal vectors must tie


def utterance_means(values: ArrayLike, utterance: ArrayLike, count: int) -> NDArray[np.float64]:
    """Mean of the segments of each utterance, (U, D).

    Args:
        values: (N, D) one vector a segment; of s, its mean over the frames.
        utterance: (N,) index 0..U-1 of the segment's utterance, in any order.
        count: U.

    Raises:
        UserError: a value is not finite, or an utterance has no segment.
        ValueError: the shapes disagree, or an index is outside 0..U-1.
    """
    x, index = np.asarray(values, dtype=np.float64), np.asarray(utterance)
    if x.ndim != 2 or index.shape != x.shape[:1]:
        raise ValueError(f"values {x.shape} and utterance {index.shape} disagree")
    if index.size and (index.min() < 0 or index.max() >= count):
        raise ValueError(f"utterance indices {index.min()} to {index.max()} are not within 0 to {count - 1}")
    segments = np.bincount(index.astype(np.int64), minlength=count)  # (U,)
    if not segments.all():
        empty = np.flatnonzero(segments == 0)
        raise UserError(
            f"{len(empty)} of {count} utterances have no segment, first number {empty[0]}",
            why="their mean has no value",
            fix="leave utterances shorter than one segment out of the corpus",
        )
    if not np.isfinite(x).all():
        raise UserError(
            f"latents hold {np.sum(~np.isfinite(x))} values that are not finite",
            why=f"of {x.size} values; a run that diverged must not become a number",
            fix="look at the training log of this run; a lower learning rate or gradient clipping may help",
        )
    ordered = x if np.all(index[1:] >= index[:-1]) else x[np.argsort(index, kind="stable")]
    starts = np.cumsum(segments) - segments  # (U,)
    return np.add.reduceat(ordered, starts, axis=0) / segments[:, None]


def centred(x: ArrayLike) -> NDArray[np.float64]:
    """(U, D) without its mean over all U: cosines of raw spectra are all close to 1."""
    values = np.asarray(x, dtype=np.float64)
    return values - values.mean(axis=0)


def cosine_scores(x: ArrayLike, pairs: NDArray[np.integer]) -> NDArray[np.float64]:
    """Cosine of each pair of rows, (P,), to 12 decimals. Memory beside the result is ``BLOCK * U`` numbers.

    Args:
        x: (U, D) one vector an utterance.
        pairs: (P, 2) indices of rows in any order; fastest where the first ascends.

    Raises:
        UserError: a vector has length zero, or a value is not finite.
        ValueError: an index is outside 0..U-1.
    """
    values = np.asarray(x, dtype=np.float64)
    length = np.linalg.norm(values, axis=1, keepdims=True)  # (U, 1)
    bad = ~(np.isfinite(length) & (length > 0))
    if bad.any():
        raise UserError(
            f"{bad.sum()} of {len(values)} utterance vectors have no direction",
            why="a vector of length zero, or not finite, has no cosine with another",
            fix="look at the training log of this run: the latent has collapsed or the run diverged",
        )
    unit = values / length
    first, second = np.asarray(pairs).T  # (P,) each
    if len(first) and not (pairs.min() >= 0 and pairs.max() < len(values)):
        raise ValueError(f"pairs {pairs.min()} to {pairs.max()} are not within 0 to {len(values) - 1}")
    if np.any(first[1:] < first[:-1]):
        order = np.argsort(first, kind="stable")
        scores = np.empty(len(order))
        scores[order] = _cosines(unit, first[order], second[order])
        return scores
    return _cosines(unit, first, second)


def equal_error_rate(target: ArrayLike, nontarget: ArrayLike) -> float:
    """The equal error rate in percent, exactly: 0 where all targets score higher, 50 where all scores are equal.

    At threshold t a trial is accepted where its score is at least t. FAR is the share of accepted non-targets, FRR
    that of rejected targets. The points (FAR, FRR) of all distinct scores as t, and of t above them all, are joined
    by straight lines; the EER is where that line crosses FAR = FRR.

    Thresholds are bisected on the sorted targets, each step counting the non-targets at or above one, so that of
    those only the few between two targets are sorted: O(M log T + T log T) for T targets and M non-targets.

    Args:
        target: (T,) scores of trials of one speaker.
        nontarget: (M,) scores of trials of two speakers.

    Raises:
        ValueError: there are no scores of one kind, or a score is not finite.
    """
    same, different = _scores("target", target), _scores("non-target", nontarget)
    n_same, n_different = len(same), len(different)
    thresholds, rejected = np.unique(same, return_counts=True)  # (K,) each
    rejected = np.concatenate(([0], np.cumsum(rejected)))  # (K+1,): targets below each threshold, and below infinity

    def accepted(k: int) -> int:
        return int(np.count_nonzero(different >= thresholds[k])) if k < len(thresholds) else 0

    def crossed(k: int) -> bool:
        return int(rejected[k]) * n_different >= accepted(k) * n_same  # FRR >= FAR

    k = bisect_left(range(len(thresholds)), True, key=crossed)
    low = thresholds[k - 1] if k else -np.inf
    high = thresholds[k] if k < len(thresholds) else np.inf
    between = np.unique(different[(different > low) & (different < high)], return_counts=True)[1]
    above = accepted(k)
    far = above + np.append(np.cumsum(between[::-1])[::-1], 0)  # (B+1,) accepted at scores in between, and at high
    points = [(int(count), int(rejected[k])) for count in far]
    if k:
        points.insert(0, (accepted(k - 1), int(rejected[k - 1])))
    differences = [r * n_different - a * n_same for a, r in points]  # (FRR - FAR) T M
    after = bisect_left(differences, 0)
    d0, d1 = differences[after - 1], differences[after]
    a0, a1 = points[after - 1][0], points[after][0]
    return 100 * (a0 * d1 - a1 * d0) / (n_different * (d1 - d0))


def eer_of(x: ArrayLike, pairs: NDArray[np.integer], is_target: NDArray[np.bool_]) -> float:
    """EER in percent of cosines of utterance vectors (U, D) over trials (P, 2) with targets (P,)."""
    scores = cosine_scores(x, pairs)
    return equal_error_rate(scores[is_target], scores[~is_target])


def _cosines(unit: NDArray[np.float64], first: NDArray, second: NDArray) -> NDArray[np.float64]:
    """(P,) for ascending ``first``: one matrix product for each block of rows, of which the pairs are picked."""
    scores, rows = np.empty(len(first)), len(unit)
    bounds = np.searchsorted(first, np.arange(0, rows + BLOCK, BLOCK))
    for block, (start, stop) in enumerate(pairwise(bounds)):
        if start < stop:
            offset = block * BLOCK
            cosines = unit[offset : offset + BLOCK] @ unit.T  # (BLOCK, U)
            place = (first[start:stop] - offset).astype(np.int64) * rows + second[start:stop]
            np.take(cosines.ravel(), place, out=scores[start:stop], mode="clip")
    return np.round(scores, DECIMALS, out=scores)


def _scores(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} scores have shape {array.shape}, expected at least one in one row")
    if not np.isfinite(array).all():
        raise ValueError(f"{np.sum(~np.isfinite(array))} of {array.size} {name} scores are not finite")
    return array
