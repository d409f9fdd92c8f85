"""Sampling of images from p(x | z), pixel by pixel in raster order: the obvious way, and an exact fast one.

Both take the uniform numbers that decide the pixels, so that they can be compared: a pixel is 1 where its
logit exceeds logit(u). The obvious way runs the whole network 784 times. The fast one computes every
activation once: for a new row each masked layer adds up its taps on the rows above for all columns in one
convolution; a pixel then costs the taps of its own row and the 1 x 1 convolutions. On a GPU, where launching these
small products would take most of the time, the pixels of a row are one CUDA graph.
"""

import logging
import math
from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cmivae.models.contract import ImageVae
from cmivae.models.masked import MaskedConv2d
from cmivae.models.pixelcnn_vae import MaskedLayer, PixelCnnVae, ResidualLayer
from cmivae.training.graph import Cuda

Sampler = Callable[[Tensor, Tensor], Tensor]
CHUNK, CUDA_CHUNK = 128, 1024  # images drawn together: what fits a cache; enough to fill a GPU between launches

log = logging.getLogger(__name__)


@torch.inference_mode()
def sample_reference(model: ImageVae, z: Tensor, u: Tensor) -> Tensor:
    """One image a z by 784 full passes in eval mode.  (N, Z), (N, 784) in (0, 1) -> (N, 28, 28) uint8"""
    size, training = model.image_size, model.training
    thresholds = torch.logit(u).to(z.dtype).unflatten(1, (size, size))  # (N, 28, 28)
    x = z.new_zeros(z.shape[0], 1, size, size)
    model.eval()
    try:
        for row in range(size):
            for column in range(size):
                logit = model.logits(x, z)[:, 0, row, column]  # (N,)
                x[:, 0, row, column] = (logit > thresholds[:, row, column]).to(x.dtype)
    finally:
        model.train(training)
    return x[:, 0].to(torch.uint8)


def make_sampler(model: ImageVae) -> Sampler:
    """The fast sampler, or for a model that it cannot do the reference, with a line in the log that says so.

    ``sampler(z, u)`` maps (N, Z), (N, 784) -> (N, 28, 28) uint8. It uses the weights as they are now.
    """
    if isinstance(model, PixelCnnVae) and model.long_skips == "none":
        return FastSampler(model)
    why = f"long_skips is {model.long_skips!r}" if isinstance(model, PixelCnnVae) else f"{type(model).__name__}"
    log.warning("%s: sampling by 784 full forward passes, which is slow", why)
    return lambda z, u: sample_reference(model, z, u)


class FastSampler:
    """The same images as ``sample_reference`` from the weights that ``model`` had when this was made.

    Raises:
        ValueError: the model has long skips.
    """

    @torch.inference_mode()
    def __init__(self, model: PixelCnnVae):
        if model.long_skips != "none":
            raise ValueError(f"the fast sampler cannot follow long_skips={model.long_skips!r}")
        self.size = model.image_size
        self.layers = [_FoldedLayer(cast(MaskedLayer | ResidualLayer, layer)) for layer in model.layers]
        first, norm, _, last = cast("tuple[nn.Conv2d, nn.BatchNorm2d, nn.ELU, nn.Conv2d]", tuple(model.head))
        self.head = _with_bias(*_fold(first.weight, norm))[:, :, 0, 0]  # (C, C + 1)
        self.last = _with_bias(last.weight, cast(Tensor, last.bias))[:, :, 0, 0].clone()  # (1, C + 1)
        self.maps = model.z_linear.weight.clone(), model.z_linear.bias.clone()
        self.chunks: dict[int, _Chunk] = {}  # by their number of images: buffers and graphs are made once

    def __call__(self, z: Tensor, u: Tensor, chunk: int | None = None) -> Tensor:
        """(N, Z), (N, 784) in (0, 1) -> (N, 28, 28) uint8, ``chunk`` images at a time"""
        return self.images_and_logits(z, u, chunk)[0]

    @torch.inference_mode()
    def images_and_logits(self, z: Tensor, u: Tensor, chunk: int | None = None) -> tuple[Tensor, Tensor]:
        """The images, and the logit that each pixel was drawn with.  -> (N, 28, 28) uint8, (N, 28, 28)"""
        images = torch.empty(len(z), self.size, self.size, dtype=torch.uint8, device=z.device)
        logits = torch.empty(len(z), self.size, self.size, dtype=self.head.dtype, device=z.device)
        chunk = chunk or (CUDA_CHUNK if z.is_cuda else CHUNK)
        for start in range(0, len(z), chunk):
            part = slice(start, start + chunk)
            drawn = self._chunk(z[part]).draw(z[part], u[part])
            images[part], logits[part] = (values.permute(2, 0, 1) for values in drawn)
        return images, logits

    def _chunk(self, z: Tensor) -> "_Chunk":
        """What draws as many images as there are z.  (N, Z)"""
        if len(z) not in self.chunks:
            self.chunks[len(z)] = _Chunk(self, z)
        return self.chunks[len(z)]


class _FoldedLayer:
    """Weights of one layer with batch normalisation folded in, as matrices that the sampler multiplies by."""

    def __init__(self, layer: MaskedLayer | ResidualLayer):
        self.residual = isinstance(layer, ResidualLayer)
        self.z_maps = layer.z_maps
        conv: MaskedConv2d = layer.conv
        self.reach, self.taps, self.c_in, self.c_out = (
            conv.reach,
            conv.taps,
            conv.in_channels,
            conv.out_channels,
        )
        weight, bias = _fold(conv.live_weight(), layer.bn)  # (O, I, k//2+1, k)
        self.bias = bias[:, None]  # (O, 1)
        # Rows above lie in a ring of ``reach`` slots; at row r, slot r % reach holds the oldest, r - reach.
        above = weight[:, :, :-1].transpose(1, 2)  # (O, reach, I, k)
        self.above = [above.roll(phase, 1).flatten(1, 2).unsqueeze(3) for phase in range(self.reach)]  # (O, _, k, 1)
        self.strip = weight[:, :, -1, : self.taps].transpose(1, 2).flatten(1)  # (O, taps * I)
        if isinstance(layer, ResidualLayer):
            joined, bias = _fold(layer.reduce.weight, layer.bn_reduce)  # (O, C + M, 1, 1)
            channels = joined.shape[1] - self.z_maps
            reduce = _with_bias(joined[:, :channels], bias)  # the order of rows in ``_Chunk.hidden``: h, one, z
            self.reduce = torch.cat([reduce, joined[:, channels:]], 1)[:, :, 0, 0]  # (O, C + 1 + M)
            self.expand = _with_bias(*_fold(layer.expand.weight, layer.bn_expand))[:, :, 0, 0]  # (C, O + 1)
        elif self.z_maps:
            self.z_weight = _fold(layer.z_conv.weight, layer.bn)[0]  # (O, M, k, k)


class _Strip:
    """One masked convolution at work on a chunk: the rows above in a ring, and the row that is being drawn.

    The row is (column, channel, item), so that the input of every product is a view, with nothing to gather. The
    ring is (slot and channel, column, item): as an image of height 28 + 2 reach and width N, its convolution with
    kernels of k x 1 does all columns and items at once.
    """

    def __init__(self, layer: _FoldedLayer, size: int, items: int, like: Tensor):
        self.layer, self.size = layer, size
        reach, c_in, c_out = layer.reach, layer.c_in, layer.c_out
        self.ring = like.new_zeros(1, reach * c_in, size + 2 * reach, items)
        self.slot = [self.ring[0, at : at + c_in, reach:-reach] for at in range(0, reach * c_in, c_in)]  # (I, 28, N)
        self.row = like.new_zeros(size + reach, c_in, items)
        self.sums = like.new_ones(size, c_out + 1, items)  # the last channel stays 1: it carries biases
        self.out = self.sums[:, :c_out]  # (28, O, N)
        # One view a column, made once: indexing would cost as much as the small products themselves.
        self.slots = [self.row[reach + column] for column in range(size)]  # each (I, N)
        self.strips = [self.row[column : column + layer.taps].flatten(0, 1) for column in range(size)]
        self.outs = list(self.out)  # each (O, N)
        self.carried = list(self.sums)  # each (O + 1, N)

    def start(self, z_maps: Tensor) -> None:
        """Forget the image before, and take new maps of z.  (N, M, 28, 28)"""
        self.ring.zero_()
        self.base = self.layer.bias.expand(self.size, 1, -1, 1)  # (28, 1, O, 1)
        if self.layer.z_maps and not self.layer.residual:
            joined = F.conv2d(z_maps, self.layer.z_weight, padding=self.layer.reach)  # (N, O, 28, 28)
            self.base = joined.permute(2, 3, 1, 0) + self.layer.bias  # (28, 28, O, N)

    def start_row(self, row: int) -> None:
        """Add up the bias, z and the taps on the rows above, for all columns."""
        above = F.conv2d(self.ring, self.layer.above[row % self.layer.reach])[0]  # (O, 28, N)
        torch.add(above.transpose(0, 1), self.base[row], out=self.out)

    def end_row(self, row: int) -> None:
        """Put the finished row in the place of the oldest one of the ring."""
        reach = self.layer.reach
        self.slot[row % reach].copy_(self.row[reach:].transpose(0, 1))


class _Chunk:
    """Some images being drawn together; all buffers are made here once."""

    def __init__(self, sampler: FastSampler, like: Tensor):
        """``like`` (N, Z) gives the number of images, the device and the precision."""
        self.size, self.layers, self.head, self.last = sampler.size, sampler.layers, sampler.head, sampler.last
        self.from_z, self.items = sampler.maps, len(like)
        channels, maps = self.layers[0].c_out, len(sampler.maps[1]) // self.size**2
        # What enters a layer at the current pixel: h, a row of ones for biases, maps of z.
        self.hidden = like.new_ones(channels + 1 + maps, self.items)
        self.h, self.h_one = self.hidden[:channels], self.hidden[: channels + 1]
        self.z_rows = self.hidden[channels + 1 :]
        self.headed = like.new_ones(channels + 1, self.items)
        self.elu = _Elu(like.new_empty(channels, self.items))
        self.strips = [_Strip(layer, self.size, self.items, like) for layer in self.layers]
        self.maps = like.new_zeros(self.size, maps, self.items)  # of the current row, as the next two
        self.thresholds, self.logits = (like.new_zeros(self.size, self.items) for _ in range(2))
        self.pixels = _captured(self._pixels, like.device) if like.is_cuda else self._pixels

    def draw(self, z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        """(N, Z), (N, 784) -> images (28, 28, N) of 0 and 1, logits (28, 28, N)"""
        maps = F.linear(z, *self.from_z).unflatten(1, (-1, self.size, self.size))  # (N, M, 28, 28)
        thresholds = torch.logit(u).to(z.dtype).T.unflatten(0, (self.size, self.size))  # (28, 28, N)
        images, logits = torch.empty_like(thresholds), torch.empty_like(thresholds)
        for strip in self.strips:
            strip.start(maps)
        for row in range(self.size):
            self.maps.copy_(maps[:, :, row].permute(2, 1, 0))
            self.thresholds.copy_(thresholds[row])
            for strip in self.strips:
                strip.start_row(row)
            self.pixels()
            for strip in self.strips:
                strip.end_row(row)
            images[row], logits[row] = self.strips[0].row[self.layers[0].reach :, 0], self.logits
        return images, logits

    def _pixels(self) -> None:
        """Draw the pixels of the current row, one after the other, from and into buffers that stay where they are."""
        drawn = self.strips[0].slots
        for column in range(self.size):
            logit = self.logits[column : column + 1]  # (1, N)
            self._logit(column, logit)
            drawn[column].copy_(logit > self.thresholds[column])

    def _logit(self, column: int, out: Tensor) -> None:
        """Run one pixel through all layers."""
        self.z_rows.copy_(self.maps[column])
        for layer, strip in zip(self.layers, self.strips, strict=True):
            if layer.residual:
                self._residual(layer, strip, column)
            else:
                if layer is not self.layers[0]:  # there the slot gets the pixel, once drawn
                    strip.slots[column].copy_(self.h)
                torch.addmm(strip.outs[column], layer.strip, strip.strips[column], out=self.h)
                self.elu(self.h)
        headed = self.headed[:-1]
        torch.mm(self.head, self.h_one, out=headed)
        self.elu(headed)
        torch.mm(self.last, self.headed, out=out)

    def _residual(self, layer: _FoldedLayer, strip: _Strip, column: int) -> None:
        slot, inner = strip.slots[column], strip.outs[column]
        torch.mm(layer.reduce, self.hidden if layer.z_maps else self.h_one, out=slot)
        self.elu(slot)
        inner.addmm_(layer.strip, strip.strips[column])
        self.elu(inner)
        self.h.addmm_(layer.expand, strip.carried[column])
        self.elu(self.h)


class _Elu:
    """ELU in place to about 1e-7, as in ``models/elu.py``; numbers are tensors, which halves the time of small ones."""

    def __init__(self, scratch: Tensor):
        self.scratch = {rows: scratch[:rows] for rows in range(1, len(scratch) + 1)}
        self.zero, self.one, self.log2e = (scratch.new_tensor(value) for value in (0.0, 1.0, math.log2(math.e)))

    def __call__(self, x: Tensor) -> None:
        """(C, N), in place"""
        if x.is_cuda:  # one launch
            F.elu(x, inplace=True)
            return
        scratch = self.scratch[len(x)]
        torch.minimum(x, self.zero, out=scratch)
        scratch.mul_(self.log2e).exp2_().sub_(self.one)
        torch.maximum(x, scratch, out=x)


def _captured(act: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """``act``, which needs nothing but buffers on a CUDA device, as one launch."""
    cuda = Cuda(device)
    cuda.warm(act)  # libraries set themselves up, which cannot be captured
    return cuda.capture(act)


def _fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Weight and bias of a convolution together with the batch normalisation after it, in eval mode."""
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)  # (O,), (O,): ours track both
    scale = norm.weight * (variance + norm.eps).rsqrt()  # (O,)
    return weight * scale[:, None, None, None], norm.bias - mean * scale


def _with_bias(weight: Tensor, bias: Tensor) -> Tensor:
    """The bias as one more input channel, which is always 1.  (O, I, 1, 1), (O,) -> (O, I + 1, 1, 1)"""
    return torch.cat([weight, bias[:, None, None, None]], 1)
