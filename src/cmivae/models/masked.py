"""Masked convolution of PixelCNN that never multiplies the rows below the current pixel."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedConv2d(nn.Conv2d):
    """k x k convolution over the pixels before the current one in raster order (type A), or over it too (B).

    The parameter is the full k x k, as in the reference, so that counts and initial weights match it; only
    its upper k//2 + 1 rows are ever used, so dead weights get no gradient.
    """

    mask: Tensor

    def __init__(self, c_in: int, c_out: int, kernel: int, mask_type: Literal["A", "B"], bias: bool = False):
        super().__init__(c_in, c_out, kernel, bias=bias)
        if kernel % 2 == 0:
            raise ValueError(f"a masked convolution needs an odd kernel, not {kernel}")
        self.reach = kernel // 2  # rows above, and columns to each side
        self.taps = self.reach + (mask_type == "B")  # live weights of the current row
        mask = torch.ones(self.reach + 1, kernel)
        mask[-1, self.taps :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def live_weight(self) -> Tensor:
        """Weights of the rows above and of the current row, dead ones zero.  (c_out, c_in, k//2+1, k)"""
        return self.weight[:, :, : self.reach + 1] * self.mask

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)"""
        above = F.pad(x, (0, 0, self.reach, 0))  # (B, c_in, H + k//2, W)
        return F.conv2d(above, self.live_weight(), self.bias, padding=(0, self.reach))
