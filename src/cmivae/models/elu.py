"""ELU in place, about twice as fast on a CPU as PyTorch's own, which spends its time in ``expm1``."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIECE = 1 << 17  # values at a time: 512 kB of float32, which stay in the second-level cache


class _Elu(torch.autograd.Function):
    """y = max(x, 2^(x log2 e) - 1) where x < 0; the gradient is found from y alone, as ``F.elu`` does in place."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        flat = x.as_strided((x.numel(),), (1,))  # in the order of memory, whatever the layout
        scratch = x.new_empty(min(PIECE, x.numel()))
        for piece in flat.split(PIECE):
            negative = torch.clamp_max(piece, 0, out=scratch[: piece.numel()])
            negative.mul_(math.log2(math.e)).exp2_().sub_(1)
            torch.maximum(piece, negative, out=piece)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return torch.ops.aten.elu_backward(gradient, 1.0, 1.0, 1.0, True, y)


def elu_(x: Tensor) -> Tensor:
    """ELU with alpha = 1 in place, any shape; ``x`` may be overwritten, as a convolution's output may.

    On a CPU the result differs from ``F.elu`` by at most 1e-7 in float32. On other devices, in bfloat16, for
    tensors with gaps in memory and under ``torch.compile`` it is ``F.elu``.
    """
    dense = x.is_contiguous() or x.is_contiguous(memory_format=torch.channels_last)
    here = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    if here and dense and not torch.compiler.is_compiling():
        return _Elu.apply(x)
    return F.elu(x, inplace=True)


class Elu(nn.Module):
    """``elu_`` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        """(...) -> (...)"""
        return elu_(x)
