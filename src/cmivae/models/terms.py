"""The contract of a model: ``forward(x, generator) -> Terms``, and the Gaussian maths that all models share."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Terms:
    """What one forward pass of a sequential VAE yields, per item of the batch.

    ``recon`` is the negative log-likelihood in nats summed over all data dimensions; ``kl_z`` and ``kl_s`` are in
    nats summed over latent dimensions and time (``kl_s`` is zero where s is deterministic, as in PixelCNN-VAE).
    """

    z: Tensor  # (B, Z) the sample used for recon
    z_mean: Tensor  # (B, Z)
    z_logvar: Tensor  # (B, Z)
    s: Tensor  # (B, ...) the local latents used for recon
    recon: Tensor  # (B,)
    kl_z: Tensor  # (B,)
    kl_s: Tensor  # (B,)

    @property
    def elbo(self) -> Tensor:
        """Evidence lower bound with beta = 1, higher is better (Eqs. 1 to 3).  (B,)"""
        return -(self.recon + self.kl_z + self.kl_s)


def gaussian_kl(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean, exp(logvar)) || N(0, I)) summed over the last dimension, in nats.  (B, Z), (B, Z) -> (B,)"""
    return 0.5 * (mean.square() + logvar.exp() - 1 - logvar).sum(-1)


def gaussian_kl_between(mean: Tensor, logvar: Tensor, prior_mean: Tensor, prior_logvar: Tensor) -> Tensor:
    """KL of one diagonal Gaussian from another, summed over the last dimension, in nats.  4 x (..., S) -> (...)"""
    ratio = (logvar - prior_logvar).exp() + (mean - prior_mean).square() * (-prior_logvar).exp()
    return 0.5 * (ratio - 1 - logvar + prior_logvar).sum(-1)


def gaussian_nll(x: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """-log N(x; mean, exp(logvar)) summed over the last dimension, in nats.  (..., F), (..., F), (F,) -> (...)"""
    square = (x - mean).square() * (-logvar).exp()
    return 0.5 * (square + logvar + math.log(2 * math.pi)).sum(-1)


def gaussian_sample(mean: Tensor, logvar: Tensor, generator: torch.Generator) -> Tensor:
    """One reparameterised sample.  (..., Z), (..., Z) -> (..., Z)"""
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + (0.5 * logvar).exp() * noise
