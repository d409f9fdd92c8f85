"""Density-ratio trick (Eqs. 11, 12, 15, 16): a critic that tells joint from marginal pairs knows their ratio.

With the logit l = log(D / (1 - D)) as the critic's output, D is never formed: no log of 0, no overflow.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def critic_loss(l_joint: Tensor, l_marg: Tensor) -> Tensor:
    """-(E_joint[log D] + E_marg[log(1 - D)]), to be minimised.  (B,), (B,) -> ()"""
    return F.softplus(-l_joint).mean() + F.softplus(l_marg).mean()


def information(l_joint: Tensor) -> Tensor:
    """I-hat, the mean log ratio over joint pairs, in nats (Eq. 16).  (B,) -> ()"""
    return l_joint.mean()


def prior(z: Tensor, generator: torch.Generator) -> Tensor:
    """Fresh draws of p(z) = N(0, I): marginals of the critics of CMI-VAE and MI-VAE.  (B, Z) -> (B, Z)"""
    return torch.randn(z.shape, generator=generator, device=z.device, dtype=z.dtype)


def shuffled(z: Tensor, generator: torch.Generator) -> Tensor:
    """The batch's own z, none at its place: marginals q(z)q(s) to estimate I(z; s).  (B, Z) -> (B, Z)"""
    return z[derangement(z.shape[0], generator).to(z.device)]


def derangement(n: int, generator: torch.Generator) -> Tensor:
    """A random permutation of n places without a fixed point: a random cycle through all of them.  -> (n,)

    Raises:
        ValueError: n < 2, where there is none.
    """
    if n < 2:
        raise ValueError(f"{n} item(s) cannot be deranged: the batch must hold 2 or more")
    cycle = torch.randperm(n, generator=generator, device=generator.device)  # (n,)
    return cycle.roll(-1)[cycle.argsort()]  # place cycle[i] gets cycle[i + 1]
