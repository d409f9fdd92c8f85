"""PixelCNN-VAE (section 5.1, appendix B): p(x | z) = prod_t p(x_t | x_<t, z), and s is an inner layer.

Layer ``cut`` of a PixelCNN sees x_<t only; its output at pixel t is s_t. z joins in the layers after it, so
that p(x | z, s) is what those layers compute from (s, z).
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmivae.models.contract import Critic, ImageVae
from cmivae.models.critics import CriticKind, make_critic
from cmivae.models.elu import Elu, elu_
from cmivae.models.encoders import IMAGE_SIZE, ConvEncoder, ResNetEncoder
from cmivae.models.init import building, fan_in_, fan_out_
from cmivae.models.masked import MaskedConv2d
from cmivae.models.terms import Terms, gaussian_kl, gaussian_sample
from cmivae.study import params as study

ENCODERS = {"resnet": ResNetEncoder, "conv": ConvEncoder}
SKIP = 3  # a long skip of He et al. enters three layers after the one that it leaves


class MaskedLayer(nn.Module):
    """Masked convolution - BN - ELU. Maps of z, where the layer takes them, pass an unmasked convolution."""

    def __init__(self, c_in: int, c_out: int, kernel: int, mask_type: Literal["A", "B"], z_maps: int):
        super().__init__()
        self.z_maps = z_maps
        self.conv = MaskedConv2d(c_in, c_out, kernel, mask_type)
        if z_maps:  # the sum of both equals one convolution of [h; z] whose z weights are not masked
            self.z_conv = nn.Conv2d(z_maps, c_out, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, h: Tensor, z_maps: Tensor | None) -> Tensor:
        """(B, c_in, 28, 28), (B, M, 28, 28) -> (B, c_out, 28, 28)"""
        out = self.conv(h)
        if self.z_maps:
            out = out.add_(self.z_conv(z_maps))
        return elu_(self.bn(out))


class ResidualLayer(nn.Module):
    """He et al.'s bottleneck: 1x1 - masked k x k - 1x1, each with BN; maps of z join the first 1x1."""

    def __init__(self, channels: int, kernel: int, z_maps: int):
        super().__init__()
        self.z_maps = z_maps
        inner = channels // 2
        self.reduce = nn.Conv2d(channels + z_maps, inner, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(inner)
        self.conv = MaskedConv2d(inner, inner, kernel, "B")
        self.bn = nn.BatchNorm2d(inner)
        self.expand = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn_expand = nn.BatchNorm2d(channels)

    def forward(self, h: Tensor, z_maps: Tensor | None) -> Tensor:
        """(B, C, 28, 28), (B, M, 28, 28) -> (B, C, 28, 28)"""
        out = elu_(self.bn_reduce(self._reduce(h, z_maps)))  # (B, C/2, 28, 28)
        out = elu_(self.bn(self.conv(out)))  # (B, C/2, 28, 28)
        return elu_(self.bn_expand(self.expand(out)).add_(h))  # (B, C, 28, 28)

    def _reduce(self, h: Tensor, z_maps: Tensor | None) -> Tensor:
        """The 1x1 of [h; z], as the sum of that of h and that of z: no copy of h.  -> (B, C/2, 28, 28)"""
        if z_maps is None or not self.z_maps:
            return self.reduce(h)
        of_h, of_z = self.reduce.weight.split([h.shape[1], self.z_maps], dim=1)
        return F.conv2d(h, of_h).add_(F.conv2d(z_maps, of_z))


class LastConv2d(nn.Conv2d):
    """A 1x1 convolution to one map, as the matrix-vector product that it is: a third of the time on a CPU."""

    def forward(self, h: Tensor) -> Tensor:
        """(B, C, 28, 28) -> (B, 1, 28, 28)"""
        return F.linear(h.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


class PixelCnnVae(ImageVae):
    """The model; ``params`` are those of ``params.yaml:datasets.*.model``.

    Weights are drawn from ``generator``; without one from seed 0, for a model that is loaded right after.

    Args:
        shape: of one image.

    Raises:
        ValueError: parameters that cannot be built, or images of another shape.
    """

    def __init__(
        self,
        params: study.PixelCnnVae,
        generator: torch.Generator | None = None,
        shape: tuple[int, ...] = (1, IMAGE_SIZE, IMAGE_SIZE),
    ):
        super().__init__()
        if shape != (1, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"PixelCNN-VAE is for binary images of 28 x 28, not for items of {shape}")
        _check(params)
        self.z_dim, self.s_channels, self.image_size = params.z_dim, params.channels, IMAGE_SIZE
        self.cut, self.depth = params.cut, len(params.kernels)
        self.z_inject, self.long_skips, self.z_maps = params.z_inject, params.long_skips, params.z_maps
        with building():
            self.encoder = ENCODERS[params.encoder](params.z_dim, params.encoder_channels, params.encoder_out)
            self.z_linear = nn.Linear(params.z_dim, params.z_maps * IMAGE_SIZE**2)
            self.layers = nn.ModuleList(_layer(params, number) for number in range(1, self.depth + 1))
            self.skips = nn.ModuleDict(
                {str(source): ResidualLayer(params.channels, params.kernels[source], 0) for source in _skips(params)}
            )
            self.head = nn.Sequential(
                nn.Conv2d(params.channels, params.channels, 1, bias=False),
                nn.BatchNorm2d(params.channels),
                Elu(),
                LastConv2d(params.channels, 1, 1),
            )
        generator = torch.Generator().manual_seed(0) if generator is None else generator
        fan_out_(self, generator)
        fan_in_(self.head, generator)  # as He et al.: fan-out would start with logits of size 10

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | x): mean and log-variance.  (B, 1, 28, 28) -> (B, Z), (B, Z)"""
        return self.encoder(x)

    def features(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """s = h_cut, where s_t depends on x_<t; on z too if, and only if, ``z_inject`` is "input".

        (B, 1, 28, 28), (B, Z) -> (B, C, 28, 28)

        Raises:
            ValueError: z_inject is "input" and z is missing.
        """
        if self.z_inject != "input":
            return self._trunk(x, 1, self.cut, None, {})
        if z is None:
            raise ValueError('with z_inject="input" s depends on z: give features(x, z)')
        return self._trunk(x, 1, self.cut, self.maps(z), {})

    def decode(self, s: Tensor, z: Tensor) -> Tensor:
        """Logits of p(x_t = 1 | s, z).  (B, C, 28, 28), (B, Z) -> (B, 1, 28, 28)

        Raises:
            ValueError: long_skips is "he", whose branches go round s.
        """
        if self.long_skips == "he":
            raise ValueError('with long_skips="he" x depends on layers before s: use logits(x, z)')
        return self._finish(s, self.maps(z), {self.cut: s})

    def logits(self, x: Tensor, z: Tensor) -> Tensor:
        """Logits of p(x_t = 1 | x_<t, z).  (B, 1, 28, 28), (B, Z) -> (B, 1, 28, 28)"""
        return self._logits(x, z)[0]

    def forward(self, x: Tensor, generator: torch.Generator) -> Terms:
        """All terms of the ELBO (Eq. 3) with one sample of z an item.  x (B, 1, 28, 28) in {0, 1}"""
        mean, logvar = (term.to(x.dtype) for term in self.encode(x))  # (B, Z)
        z = gaussian_sample(mean, logvar, generator)  # (B, Z)
        logits, s = self._logits(x, z)
        nats = F.binary_cross_entropy_with_logits(logits.to(x.dtype), x, reduction="none")  # (B, 1, 28, 28)
        recon = nats.flatten(1).sum(1)  # (B,)
        kl_z = gaussian_kl(mean, logvar)  # (B,)
        return Terms(z, mean, logvar, s, recon, kl_z, kl_s=torch.zeros_like(recon))

    def latents(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """One sample of (z, s) without the likelihood, for critics.  (B, 1, 28, 28) -> (B, Z), (B, C, 28, 28)"""
        mean, logvar = (term.to(x.dtype) for term in self.encode(x))  # (B, Z)
        z = gaussian_sample(mean, logvar, generator)  # (B, Z)
        return z, self.features(x, z)

    def make_critic(self, kind: CriticKind, params: study.Critic, generator: torch.Generator) -> Critic:
        """The critic on (z, s) or on z that fits this model."""
        return make_critic(kind, params, self.s_channels, self.z_dim, generator)

    def maps(self, z: Tensor) -> Tensor:
        """z as maps that are joined to the inputs of layers.  (B, Z) -> (B, M, 28, 28)"""
        maps = self.z_linear(z).unflatten(1, (self.z_maps, IMAGE_SIZE, IMAGE_SIZE))
        return maps.contiguous(memory_format=torch.channels_last)  # else joining would undo that layout of h

    def _logits(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        z_maps = self.maps(z)
        outputs: dict[int, Tensor] = {}
        s = self._trunk(x, 1, self.cut, z_maps, outputs)  # (B, C, 28, 28)
        return self._finish(s, z_maps, outputs), s

    def _finish(self, s: Tensor, z_maps: Tensor, outputs: dict[int, Tensor]) -> Tensor:
        h = self._trunk(s, self.cut + 1, self.depth, z_maps, outputs)  # (B, C, 28, 28)
        return self.head(self._skip(h, self.depth + 1, outputs))  # (B, 1, 28, 28)

    def _trunk(self, h: Tensor, first: int, last: int, z_maps: Tensor | None, outputs: dict[int, Tensor]) -> Tensor:
        for number in range(first, last + 1):
            h = self.layers[number - 1](self._skip(h, number, outputs), z_maps)
            if str(number) in self.skips:
                outputs[number] = h
        return h

    def _skip(self, h: Tensor, number: int, outputs: dict[int, Tensor]) -> Tensor:
        """What enters layer ``number``: h, plus the branch from three layers back where there is one."""
        source = number - SKIP
        return h + self.skips[str(source)](outputs[source], None) if str(source) in self.skips else h


def _layer(params: study.PixelCnnVae, number: int) -> nn.Module:
    """Layer ``number``, counted from 1: mask A for the first, the chosen block with mask B for the others."""
    takes_z = {
        "all_after": number > params.cut,
        "once": number == params.cut + 1,
        "input": number == 1,
    }[params.z_inject]
    z_maps, kernel = params.z_maps * takes_z, params.kernels[number - 1]
    if number == 1:
        return MaskedLayer(1, params.channels, kernel, "A", z_maps)
    if params.block == "plain":
        return MaskedLayer(params.channels, params.channels, kernel, "B", z_maps)
    return ResidualLayer(params.channels, kernel, z_maps)


def _skips(params: study.PixelCnnVae) -> list[int]:
    """Layers that a long skip leaves: none, those whose branch does not cross the cut, or all as He et al."""
    sources = range(1, len(params.kernels) + 2 - SKIP)
    if params.long_skips == "none":
        return []
    if params.long_skips == "he":
        return list(sources)
    return [source for source in sources if source + SKIP <= params.cut or source >= params.cut]


def _check(params: study.PixelCnnVae) -> None:
    """What ``study.relations`` tells a user before any stage."""
    even = any(kernel % 2 == 0 for kernel in params.kernels)
    halved = params.block == "residual" or params.long_skips != "none"
    if params.cut >= len(params.kernels) or even or (halved and params.channels < 2):
        raise ValueError(f"no network has these layers: {params}")
