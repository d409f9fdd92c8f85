"""The plain ways of doing the same, written from the papers' descriptions: what our fast paths are compared with."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from sklearn.metrics import roc_curve
from torch import Tensor, nn

from cmivae.models.masked import MaskedConv2d


class DenseMaskedConv2d(MaskedConv2d):
    """Masking as He et al. do it: all k x k weights, dead ones set to zero before a dense convolution."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H, W)"""
        whole = torch.zeros_like(self.weight)
        whole[:, :, : self.reach + 1] = self.mask
        return F.conv2d(x, self.weight * whole, self.bias, padding=self.reach)


def with_dense_masks(model: nn.Module) -> nn.Module:
    """The same model and weights, its masked convolutions dense and its memory in the default layout."""
    for module in model.modules():
        if isinstance(module, MaskedConv2d):
            module.__class__ = DenseMaskedConv2d
    return model.to(memory_format=torch.contiguous_format)


@torch.inference_mode()
def one_full_forward(model: nn.Module, images: Tensor, z: Tensor) -> Tensor:
    """What a naive sampler does 784 times for each batch: all pixels' logits for the sake of one."""
    return model.logits(images, z)


def roc_equal_error_rate(is_target: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The EER in percent by scikit-learn: all points of the ROC, and a line between the two about FAR = FRR."""
    far, hit, _ = roc_curve(is_target, scores, drop_intermediate=False)
    gap = 1 - hit - far  # FRR - FAR, falling from 1 to -1
    after = int(np.argmax(gap <= 0))
    share = gap[after - 1] / (gap[after - 1] - gap[after])
    return 100 * float(far[after - 1] + share * (far[after] - far[after - 1]))
