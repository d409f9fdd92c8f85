"""Spectral normalisation (Miyato et al. 2018): each layer of a critic has Lipschitz constant 1."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from cmivae.models.init import building

STEPS = 15  # of power iteration at the start; training makes one more in each forward pass


def normalise_(module: nn.Module, generator: torch.Generator) -> None:
    """Divide the weights of convolutions and linear layers, already drawn, by their largest singular value.

    The vectors of the power iteration start from ``generator``; they are buffers, saved and loaded with the weights.
    """
    layers = [each for each in module.modules() if isinstance(each, nn.Conv1d | nn.Conv2d | nn.Linear)]
    with building():
        for layer in layers:
            parametrizations.spectral_norm(layer)
            parametrization, original = _parts(layer)
            for buffer in parametrization.buffers():
                drawn = torch.randn(buffer.shape, generator=generator)
                buffer.copy_(F.normalize(drawn, dim=0))
            for _ in range(STEPS):
                parametrization(original)


def estimators(module: nn.Module) -> list[nn.Module]:
    """The parametrisations that a forward pass in train mode moves; in eval mode they stay."""
    return [_parts(layer)[0] for layer in module.modules() if parametrize.is_parametrized(layer, "weight")]


def _parts(layer: nn.Module) -> tuple[nn.Module, torch.Tensor]:
    """The parametrisation of a layer's weight, and the weight before it."""
    of_weight = layer.get_submodule("parametrizations.weight")
    return of_weight.get_submodule("0"), of_weight.get_parameter("original")
