"""Information in nats: estimates of I(z;s) and MI(x;z), active units (paper appendices A and E)."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cmivae.errors import UserError


def i_hat(l_joint: ArrayLike) -> float:
    """Estimate of I(z;s): the mean critic logit over pairs of q(z,s), in nats (paper appendix E).

    Args:
        l_joint: (N,) logits of a critic trained on q(z,s) against q(z)q(s).

    Raises:
        UserError: there are no logits, or one is not finite.
    """
    return float(_finite("critic logits", l_joint).mean())


def bce(l_joint: ArrayLike, l_marg: ArrayLike) -> float:
    """Critic loss, -log D on joint pairs plus -log(1 - D) on marginal pairs, from logits (paper Eqs. 12, 16).

    A critic that knows nothing scores 2 ln 2. An overfit one scores badly, so this stands beside ``i_hat``.

    Args:
        l_joint: (N,) logits on joint pairs.
        l_marg: (M,) logits on marginal pairs.

    Raises:
        UserError: there are no logits, or one is not finite.
    """
    joint, marginal = _finite("joint logits", l_joint), _finite("marginal logits", l_marg)
    return float(np.logaddexp(0.0, -joint).mean() + np.logaddexp(0.0, marginal).mean())


def estimates(latents: Mapping[str, NDArray]) -> dict[str, object]:
    """I(z;s) by the critic trained beside the VAE and by those trained after it; null where not run.

    Args:
        latents: ``online_joint``, ``online_shuffled`` (N,) and ``posthoc_joint``, ``posthoc_shuffled`` (I, N) logits,
            each pair where there is one.
    """
    found: dict[str, object] = dict.fromkeys(("online", "online_bce", "posthoc", "posthoc_bce"))
    found["posthoc_inits"] = []
    if "online_joint" in latents:
        joint, marginal = latents["online_joint"], latents["online_shuffled"]
        found |= {"online": i_hat(joint), "online_bce": bce(joint, marginal)}
    if "posthoc_joint" in latents:
        pairs = list(zip(latents["posthoc_joint"], latents["posthoc_shuffled"], strict=True))
        inits = [i_hat(joint) for joint, _ in pairs]
        losses = [bce(joint, marginal) for joint, marginal in pairs]
        found |= {"posthoc": float(np.mean(inits)), "posthoc_bce": float(np.mean(losses)), "posthoc_inits": inits}
    return found


def active_units(z_mean: ArrayLike, threshold: float = 0.01) -> int:
    """How many of the Z latents vary: variance over the data of the posterior mean above ``threshold``.

    Args:
        z_mean: (N, Z) posterior means.

    Raises:
        UserError: there are no means, or one is not finite.
    """
    return int(np.sum(_finite("posterior means", z_mean).var(axis=0) > threshold))


def aggregate_mi(z_mean: ArrayLike, z_logvar: ArrayLike, z: ArrayLike, *, chunk: int = 500) -> float:
    """MI(x;z) of He et al. 2019: mean log q(z|x) minus mean log q(z), in nats.

    q(z) is the mixture of all N Gaussian posteriors, so the estimate is at most ln N. Memory is ``chunk * N``
    float64 numbers.

    Args:
        z_mean: (N, Z) posterior means.
        z_logvar: (N, Z) posterior log-variances.
        z: (N, Z) one sample of each posterior, in the same order.

    Raises:
        UserError: an input is empty or not finite.
        ValueError: the shapes disagree.
    """
    mean, logvar = _finite("posterior means", z_mean), _finite("posterior log-variances", z_logvar)
    sample = _finite("posterior samples", z)
    if not (mean.shape == logvar.shape == sample.shape and mean.ndim == 2):
        raise ValueError(f"shapes disagree: {mean.shape}, {logvar.shape}, {sample.shape}")
    n, z_dim = mean.shape
    precision = np.exp(-logvar)  # (N, Z)
    scaled = mean * precision  # (N, Z)
    constant = np.sum(mean * scaled + logvar, axis=1) + z_dim * math.log(2 * math.pi)  # (N,)
    total = 0.0
    for start in range(0, n, chunk):
        part = sample[start : start + chunk]  # (C, Z)
        log_q = -0.5 * ((part**2) @ precision.T - 2.0 * part @ scaled.T + constant)  # (C, N) log q(z_i | x_j)
        rows = np.arange(len(part))
        total += float(np.sum(log_q[rows, start + rows] - _log_mean_exp(log_q)))
    return total / n


def _log_mean_exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    # In place where it can be: a chunk at N=10,000 has 40 MB, and time goes into passes over memory.
    peak = values.max(axis=1, keepdims=True)
    weights = values - peak
    np.exp(weights, out=weights)
    return peak[:, 0] + np.log(weights.mean(axis=1))


def _finite(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        raise UserError(f"no {name}", why="a mean over nothing has no value", fix="check the embed stage's output")
    if not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise UserError(
            f"{name} hold {bad} values that are not finite",
            why=f"of {array.size} values; a run that diverged must not become a number",
            fix="look at the training log of this run; a lower learning rate or gradient clipping may help",
        )
    return array
