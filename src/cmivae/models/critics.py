"""Critics of the density ratio (appendix I): they return the logit l = log(D / (1 - D)), never D itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from cmivae.models.contract import Critic
from cmivae.models.init import building, fan_in_
from cmivae.models.spectral import estimators, normalise_
from cmivae.study import params as study

CriticKind = Literal["zs", "z"]


class ImageCritic(Critic):
    """D(z, s) of images: a strided convolution net e(s), and l(z, s) = <e(s), z>.

    z enters only after the convolutions: e(s) serves joint and marginal pairs alike, and batch normalisation
    cannot tell which of the two it sees. ``disc_input`` chooses what the net reads: s, its mean over
    channels, a learned 1 x 1 reduction of it, or x.
    """

    def __init__(self, params: study.Critic, s_channels: int, z_dim: int, generator: torch.Generator | None = None):
        super().__init__()
        self.disc_input = params.disc_input
        c_in = s_channels if params.disc_input == "s" else 1
        norm = nn.Identity if params.spectral_norm else nn.BatchNorm2d
        with building():
            self.reduce = nn.Conv2d(s_channels, 1, 1) if params.disc_input == "s_1x1" else nn.Identity()
            self.net = nn.Sequential(
                nn.Conv2d(c_in, params.channels, 4, stride=2, padding=1),  # (B, 256, 14, 14)
                norm(params.channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(params.channels, params.channels, 4, stride=2, padding=1),  # (B, 256, 7, 7)
                norm(params.channels),
                nn.ReLU(inplace=True),
                nn.Conv2d(params.channels, z_dim, 4, stride=2, padding=1),  # (B, Z, 3, 3)
            )
        _draw_(self, params, generator)

    def embed(self, s: Tensor, x: Tensor) -> Tensor:
        """e(s), mean-pooled over the last 3 x 3 map.  (B, C, 28, 28), (B, 1, 28, 28) -> (B, Z)"""
        if self.disc_input == "x":
            read = x
        elif self.disc_input == "s_mean1":
            read = s.mean(1, keepdim=True)  # (B, 1, 28, 28)
        else:
            read = self.reduce(s)  # (B, C or 1, 28, 28)
        return self.net(read).mean((2, 3))

    def logit(self, e: Tensor, z: Tensor) -> Tensor:
        """<e, z>.  (B, Z), (B, Z) -> (B,)"""
        return (e * z).sum(1)


class LatentCritic(Critic):
    """D_z of MI-VAE (appendices H and I): a small net on z alone; it reads neither s nor x."""

    def __init__(self, params: study.Critic | study.SpeechCritic, z_dim: int, generator: torch.Generator | None = None):
        super().__init__()
        with building():
            self.net = nn.Sequential(
                nn.Linear(z_dim, params.hidden), nn.ReLU(inplace=True), nn.Linear(params.hidden, 1)
            )
        _draw_(self, params, generator)

    def embed(self, s: Tensor, x: Tensor) -> Tensor:
        """Nothing, in the shape of an embedding.  -> (B, 0)"""
        return x.new_empty(x.shape[0], 0)

    def logit(self, e: Tensor, z: Tensor) -> Tensor:
        """(B, 0), (B, Z) -> (B,)"""
        return self.net(z).squeeze(1)


def make_critic(
    kind: CriticKind,
    params: study.Critic,
    s_channels: int,
    z_dim: int,
    generator: torch.Generator | None = None,
) -> Critic:
    """The critic on (z, s) for CMI-VAE and the estimator of I(z; s), or the one on z for MI-VAE."""
    if kind == "z":
        return LatentCritic(params, z_dim, generator)
    return ImageCritic(params, s_channels, z_dim, generator)


@contextmanager
def frozen(critic: nn.Module) -> Iterator[None]:
    """For the VAE step: parameters get no gradient, running statistics and power iterations do not move.

    Batch statistics are used as before and gradients pass to the inputs. Everything is put back, even
    after an exception.
    """
    wanted = [(parameter, parameter.requires_grad) for parameter in critic.parameters()]
    norms = [module for module in critic.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    tracked = [(norm, norm.track_running_stats) for norm in norms]
    iterated = [(estimator, estimator.training) for estimator in estimators(critic)]
    try:
        for parameter, _ in wanted:
            parameter.requires_grad_(False)
        for norm, _ in tracked:
            norm.track_running_stats = False
        for estimator, _ in iterated:
            estimator.eval()
        yield
    finally:
        for parameter, flag in wanted:
            parameter.requires_grad_(flag)
        for norm, flag in tracked:
            norm.track_running_stats = flag
        for estimator, flag in iterated:
            estimator.train(flag)


def _draw_(critic: Critic, params: study.Critic | study.SpeechCritic, generator: torch.Generator | None) -> None:
    """Initial weights. Those that are loaded right after need no generator; they start from seed 0."""
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    fan_in_(critic, generator)
    if params.spectral_norm:
        normalise_(critic, generator)
