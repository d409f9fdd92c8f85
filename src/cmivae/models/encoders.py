"""Encoders q(z | x) of PixelCNN-VAE for 28 x 28 images: He et al.'s ResNet and a plain strided stack."""

from torch import Tensor, nn

from cmivae.models.elu import Elu, elu_

IMAGE_SIZE = 28


class _GaussianEncoder(nn.Module):
    """A trunk that ends in (B, out, 1, 1), and a linear layer for mean and log-variance."""

    def __init__(self, trunk: nn.Sequential, out: int, z_dim: int):
        super().__init__()
        self.trunk = trunk
        self.linear = nn.Linear(out, 2 * z_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, 28, 28) -> mean (B, Z), logvar (B, Z)

        Raises:
            ValueError: x has another shape.
        """
        if x.shape[1:] != (1, IMAGE_SIZE, IMAGE_SIZE):
            raise ValueError(f"the encoder takes (B, 1, 28, 28), not {tuple(x.shape)}")
        mean, logvar = self.linear(self.trunk(x).flatten(1)).chunk(2, dim=1)
        return mean, logvar


class ResNetEncoder(_GaussianEncoder):
    """He et al. 2019, ``ResNetEncoderV2``: three residual blocks of stride 2, then a 4 x 4 convolution."""

    def __init__(self, z_dim: int, channels: int = 64, out: int = 512):
        trunk = nn.Sequential(
            _ResNetBlock(1, channels),  # (B, C, 14, 14)
            _ResNetBlock(channels, channels),  # (B, C, 7, 7)
            _ResNetBlock(channels, channels),  # (B, C, 4, 4)
            *_conv_bn_elu(channels, out, 4, stride=1, padding=0),  # (B, out, 1, 1)
        )
        super().__init__(trunk, out, z_dim)


class ConvEncoder(_GaussianEncoder):
    """The alternative without residual branches: three strided convolutions, then a 3 x 3 one."""

    def __init__(self, z_dim: int, channels: int = 64, out: int = 512):
        trunk = nn.Sequential(
            *_conv_bn_elu(1, channels, 4, stride=2, padding=1),  # (B, C, 14, 14)
            *_conv_bn_elu(channels, channels, 4, stride=2, padding=1),  # (B, C, 7, 7)
            *_conv_bn_elu(channels, channels, 4, stride=2, padding=1),  # (B, C, 3, 3)
            *_conv_bn_elu(channels, out, 3, stride=1, padding=0),  # (B, out, 1, 1)
        )
        super().__init__(trunk, out, z_dim)


class _ResNetBlock(nn.Module):
    """conv3x3 (stride 2) - BN - ELU - conv3x3 - BN, plus a strided 1 x 1 shortcut with BN; ELU of the sum."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.main = nn.Sequential(
            *_conv_bn_elu(c_in, c_out, 3, stride=2, padding=1),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(c_out),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=2, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, ceil(H/2), ceil(W/2))"""
        return elu_(self.main(x).add_(self.shortcut(x)))


def _conv_bn_elu(c_in: int, c_out: int, kernel: int, *, stride: int, padding: int) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, kernel, stride=stride, padding=padding, bias=False)
    return [conv, nn.BatchNorm2d(c_out), Elu()]
