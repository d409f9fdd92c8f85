"""Seeded initial weights: no weight ever depends on the global random state."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def building() -> Iterator[None]:
    """Build layers inside; what PyTorch's own constructors draw leaves the global random state as it was."""
    with torch.random.fork_rng(devices=[]):
        yield


def fan_out_(module: nn.Module, generator: torch.Generator) -> None:
    """Convolutions N(0, 2 / (k^2 c_out)), linear layers Xavier, biases zero, as in He et al. 2019."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / (taps * layer.out_channels)), generator=generator)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight, generator=generator)
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


def fan_in_(module: nn.Module, generator: torch.Generator) -> None:
    """Weights and biases U(-b, b): b = 1 / sqrt(n_in) in convolutions and linear layers, 1 / sqrt(H) in recurrent."""
    for layer in module.modules():
        if isinstance(layer, nn.RNNBase):
            bound = 1 / math.sqrt(layer.hidden_size)
            for weight in layer.parameters():
                nn.init.uniform_(weight, -bound, bound, generator=generator)
        elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Linear):
            bound = 1 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            if layer.bias is not None:
                nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
