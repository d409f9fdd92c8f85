"""The contract of models and critics: what training, embedding and evaluation call, and nothing else.

A model is found by its name in ``registry.MODELS`` and built as ``Model(params, generator, shape)``.
"""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from cmivae.models.terms import Terms


class Critic(nn.Module, ABC):
    """A critic of the density ratio: its logit is l = log(D / (1 - D)), and D is never formed."""

    @abstractmethod
    def embed(self, s: Tensor, x: Tensor) -> Tensor:
        """e(s), all that the critic reads of the pair beside z.  (B, ...), (B, ...) -> (B, E)"""

    @abstractmethod
    def logit(self, e: Tensor, z: Tensor) -> Tensor:
        """The logit of each pair, in nats.  (B, E), (B, Z) -> (B,)"""


class Vae(nn.Module, ABC):
    """A sequential VAE of any kind of data; ``forward`` is called as ``model(x, generator)``."""

    z_dim: int

    @abstractmethod
    def forward(self, x: Tensor, generator: torch.Generator) -> Terms:
        """All terms of the ELBO (Eqs. 2 and 3) with one sample of z and s an item.  x (B, ...)"""

    @abstractmethod
    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x): mean and log-variance.  (B, ...) -> (B, Z), (B, Z)"""

    @abstractmethod
    def latents(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One sample of (z, s) without the likelihood, for critics.  (B, ...) -> (B, Z), (B, ...)"""

    @abstractmethod
    def make_critic(self, kind: Any, params: Any, generator: torch.Generator) -> Critic:
        """The critic on (z, s), kind ``zs``, or on z alone, kind ``z``, that fits this model."""


class ImageVae(Vae):
    """What the stages of images ask for beyond that."""

    image_size: int  # pixels of a side

    @abstractmethod
    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits of p(x_t = 1 | x_<t, z).  (B, 1, 28, 28), (B, Z) -> (B, 1, 28, 28)"""


class SpeechVae(Vae):
    """What the stages of speech ask for beyond that."""

    @abstractmethod
    def start_from(self, variance: Tensor) -> None:
        """Start the decoder's variance at that of the training frames.  (F,)"""

    @abstractmethod
    def means(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Posterior means of z, and of s at the mean of z.  (B, T, F) -> (B, Z), (B, T, S)"""

    @abstractmethod
    def decode(self, s: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """p(x_t | s_t, z): mean and log-variance.  (B, T, S), (B, Z) -> (B, T, F), (B, T, F) or what expands to it"""
