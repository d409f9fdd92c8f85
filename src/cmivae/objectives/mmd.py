"""Maximum mean discrepancy between q(z) and p(z) = N(0, I), the divergence of InfoVAE (Zhao et al. 2019).

With Gaussian kernels k(a, b) = exp(-|a - b|^2 / (2 h)) the parts with p(z) are integrals in closed form, and none of
its samples is drawn: E_p[k(z, .)] = (h / (h + 1))^(Z/2) exp(-|z|^2 / (2 (h + 1))) and E_pp[k] = (h / (h + 2))^(Z/2).
"""

import torch
from torch import Tensor

WIDTHS = (0.25, 0.5, 1.0, 2.0)  # kernels' h over Z: |a - b|^2 is about 2 Z between draws of p(z)


def mmd_to_prior(z: Tensor) -> Tensor:
    """Unbiased estimate of MMD^2(q(z), N(0, I)), the mean over ``WIDTHS``; without unit, and at most 2.  (B, Z) -> ()

    Raises:
        ValueError: fewer than two items, which have no pair.
    """
    count, dim = z.shape
    if count < 2:
        raise ValueError(f"{count} item(s) have no pair: the batch must hold 2 or more")
    square = z.square().sum(1)  # (B,)
    between = (square[:, None] + square[None, :] - 2 * z @ z.T).clamp_min(0)  # (B, B)
    found = [_one(square, between, width * dim, dim) for width in WIDTHS]
    return torch.stack(found).mean()


def _one(square: Tensor, between: Tensor, h: float, dim: int) -> Tensor:
    """The same with one kernel.  (B,), (B, B) -> ()"""
    count = len(square)
    own = ((-between / (2 * h)).exp().sum() - count) / (count * (count - 1))  # k(z, z) = 1 is left out
    mixed = (h / (h + 1)) ** (dim / 2) * (-square / (2 * (h + 1))).exp().mean()
    return own - 2 * mixed + (h / (h + 2)) ** (dim / 2)
