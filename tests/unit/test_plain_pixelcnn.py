"""PixelCNN-VAE's fast forms against a plain transcription of the network, values and all gradients, in float64.

The transcription keeps whole k x k kernels and multiplies them by a mask, joins z by concatenation and uses
PyTorch's ELU; the paper's size takes the slow marker. The inputs are others each time; EQUALITY_SEED=7 (a failure
names its own) takes those of that seed.
"""

import os
import secrets

import pytest
import torch
import torch.nn.functional as F
from test_pixelcnn_vae import SMALL, VARIANTS
from torch import Tensor

from cmivae.models.masked import MaskedConv2d
from cmivae.models.pixelcnn_vae import SKIP, MaskedLayer, PixelCnnVae, ResidualLayer
from cmivae.study import params as study

SEED = "EQUALITY_SEED"


def masked(conv: MaskedConv2d, x: Tensor) -> Tensor:
    """He et al.: the whole kernel, zero from the centre (A) or behind it (B) on."""
    kernel = conv.kernel_size[0]
    live = torch.zeros(kernel * kernel, dtype=x.dtype)
    live[: kernel * (kernel // 2) + conv.taps] = 1
    return F.conv2d(x, conv.weight * live.view(kernel, kernel), padding=kernel // 2)


def plain_layer(layer: MaskedLayer | ResidualLayer, h: Tensor, z_maps: Tensor) -> Tensor:
    if isinstance(layer, MaskedLayer):
        out = masked(layer.conv, h)
        if layer.z_maps:
            out = out + F.conv2d(z_maps, layer.z_conv.weight, padding=layer.conv.reach)
        return F.elu(layer.bn(out))
    joined = torch.cat([h, z_maps], dim=1) if layer.z_maps else h
    out = F.elu(layer.bn_reduce(F.conv2d(joined, layer.reduce.weight)))
    out = F.elu(layer.bn(masked(layer.conv, out)))
    return F.elu(layer.bn_expand(F.conv2d(out, layer.expand.weight)) + h)


def plain_logits(model: PixelCnnVae, x: Tensor, z: Tensor) -> Tensor:
    z_maps = F.linear(z, model.z_linear.weight, model.z_linear.bias).view(len(z), -1, 28, 28)
    h, outputs = x, {}
    for number in range(1, model.depth + 2):
        if str(number - SKIP) in model.skips:
            h = h + plain_layer(model.skips[str(number - SKIP)], outputs[number - SKIP], z_maps)
        if number <= model.depth:
            h = outputs[number] = plain_layer(model.layers[number - 1], h, z_maps)
    first, norm, _, last = model.head
    return F.conv2d(F.elu(norm(F.conv2d(h, first.weight))), last.weight, last.bias)


def fresh_seed() -> int:
    """Another one each time, or the one that the environment asks for."""
    return int(os.environ.get(SEED) or secrets.randbits(31))


def compare(params: study.PixelCnnVae, batch: int) -> None:
    """Other weights, images and z in each run of the test; ours in channels-last layout, as a training has it."""
    seed = fresh_seed()
    draw = torch.Generator().manual_seed(seed)
    model = PixelCnnVae(params, draw).double()
    z, up = (torch.randn(batch, width, generator=draw, dtype=torch.float64) for width in (params.z_dim, 784))
    x = (torch.rand(batch, 1, 28, 28, generator=draw, dtype=torch.float64) < 0.4).double()
    given = z.requires_grad_(), *(w for name, w in model.named_parameters() if not name.startswith("encoder"))
    found = []
    for logits in (plain_logits, lambda m, x, z: m.to(memory_format=torch.channels_last).logits(x, z)):
        out = logits(model, x, z)
        found.append((out.detach(), *torch.autograd.grad(out.flatten(1), given, up)))
    for plain, ours in zip(*found, strict=True):
        atol = 1e-9 * float(plain.abs().max())
        torch.testing.assert_close(ours, plain, rtol=1e-8, atol=atol, msg=lambda m: f"{m}\n{SEED}={seed}")


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_small_networks(changes):
    compare(study.PixelCnnVae(**{**SMALL, **changes}), 3)


def test_a_failure_names_its_seed_and_is_seen_again_with_it(monkeypatch):
    """Our logits are made wrong by a share of themselves that only the seed decides."""
    right = PixelCnnVae.logits
    monkeypatch.setattr(PixelCnnVae, "logits", lambda self, x, z: right(self, x, z) * 1.01)
    params, said = study.PixelCnnVae(**SMALL), []
    monkeypatch.delenv(SEED, raising=False)
    for _ in range(2):
        with pytest.raises(AssertionError) as caught:
            compare(params, 3)
        said.append(str(caught.value))
        monkeypatch.setenv(SEED, said[0].rpartition(f"{SEED}=")[2])
    assert said[0] == said[1]
    assert "Greatest relative difference" in said[0]


@pytest.mark.slow
def test_network_of_the_paper():
    compare(study.PixelCnnVae(name="pixelcnn_vae"), 4)
