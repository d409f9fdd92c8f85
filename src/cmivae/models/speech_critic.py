"""The critic on (z, s) of speech (appendix I): a strided convolution over time and a scaled cosine."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmivae.models.contract import Critic
from cmivae.models.init import building, fan_in_
from cmivae.models.spectral import normalise_
from cmivae.study import params as study


class SpeechCritic(Critic):
    """D(z, s) of speech: e(s) from three strided convolutions, and l(z, s) = c cos(e(s), z) with c learned.

    |l| is at most c, which is kept positive as exp(a). ``disc_input`` chooses what the net reads: s, or x.
    """

    def __init__(self, params: study.SpeechCritic, s_dim: int, bins: int, z_dim: int, generator: torch.Generator):
        super().__init__()
        self.disc_input, channels = params.disc_input, params.channels
        norm = nn.Identity if params.spectral_norm else nn.BatchNorm1d
        with building():
            self.net = nn.Sequential(
                nn.Conv1d(
                    s_dim if params.disc_input == "s" else bins, channels, 4, stride=2, padding=1
                ),  # (B, 256, 10)
                norm(channels),
                nn.ReLU(inplace=True),
                nn.Conv1d(channels, channels, 4, stride=2, padding=1),  # (B, 256, 5)
                norm(channels),
                nn.ReLU(inplace=True),
                nn.Conv1d(channels, z_dim, 4, stride=2, padding=1),  # (B, Z, 2)
            )
        self.log_scale = nn.Parameter(torch.tensor(math.log(params.scale_init)))  # a
        fan_in_(self, generator)
        if params.spectral_norm:
            normalise_(self, generator)

    def embed(self, s: Tensor, x: Tensor) -> Tensor:
        """e(s), mean-pooled over time.  (B, T, S), (B, T, F) -> (B, Z)"""
        read = x if self.disc_input == "x" else s
        return self.net(read.transpose(1, 2)).mean(2)

    def logit(self, e: Tensor, z: Tensor) -> Tensor:
        """c cos(e, z).  (B, Z), (B, Z) -> (B,)"""
        return self.log_scale.exp() * F.cosine_similarity(e, z, dim=1)
