"""PixelCNN-VAE the plain way, from He et al. 2019 and the paper's text: what our training step is compared with.

Names of parameters are those of ``cmivae.models.pixelcnn_vae``, so that both take the same weights.
"""

import copy

import torch
import torch.nn.functional as F
from batches import Batches
from torch import Tensor, nn

from cmivae.study import params as study

SIZE = 28


class HeConv2d(nn.Conv2d):
    """Masking as He et al. do it: dead weights are set to zero in place, then all k x k are multiplied."""

    def __init__(self, c_in: int, c_out: int, kernel: int, mask_type: str):
        super().__init__(c_in, c_out, kernel, padding=kernel // 2, bias=False)
        mask = torch.ones(kernel, kernel)
        mask[kernel // 2, kernel // 2 + (mask_type == "B") :] = 0
        mask[kernel // 2 + 1 :] = 0
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, 28, 28) -> (B, c_out, 28, 28)"""
        self.weight.data.mul_(self.mask)
        return super().forward(x)


class PlainLayer(nn.Module):
    """Masked convolution - BN - ELU; z passes an unmasked convolution of its own."""

    def __init__(self, c_in: int, c_out: int, kernel: int, mask_type: str, z_maps: int):
        super().__init__()
        self.z_maps = z_maps
        self.conv = HeConv2d(c_in, c_out, kernel, mask_type)
        if z_maps:
            self.z_conv = nn.Conv2d(z_maps, c_out, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out)

    def forward(self, h: Tensor, z_maps: Tensor) -> Tensor:
        """(B, c_in, 28, 28), (B, M, 28, 28) -> (B, c_out, 28, 28)"""
        out = self.conv(h)
        if self.z_maps:
            out = out + self.z_conv(z_maps)
        return F.elu(self.bn(out))


class PlainResidual(nn.Module):
    """1x1 - masked k x k - 1x1, each with BN; z is joined to the input."""

    def __init__(self, channels: int, kernel: int, z_maps: int):
        super().__init__()
        self.z_maps, inner = z_maps, channels // 2
        self.reduce = nn.Conv2d(channels + z_maps, inner, 1, bias=False)
        self.bn_reduce = nn.BatchNorm2d(inner)
        self.conv = HeConv2d(inner, inner, kernel, "B")
        self.bn = nn.BatchNorm2d(inner)
        self.expand = nn.Conv2d(inner, channels, 1, bias=False)
        self.bn_expand = nn.BatchNorm2d(channels)

    def forward(self, h: Tensor, z_maps: Tensor) -> Tensor:
        """(B, C, 28, 28), (B, M, 28, 28) -> (B, C, 28, 28)"""
        out = torch.cat([h, z_maps], 1) if self.z_maps else h
        out = F.elu(self.bn_reduce(self.reduce(out)))
        out = F.elu(self.bn(self.conv(out)))
        return F.elu(h + self.bn_expand(self.expand(out)))


class PlainBlock(nn.Module):
    """A block of the encoder: conv - BN - ELU - conv - BN, plus a strided shortcut."""

    def __init__(self, c_in: int, c_out: int):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(c_out), nn.ELU(),
            nn.Conv2d(c_out, c_out, 3, padding=1, bias=False), nn.BatchNorm2d(c_out),
        )  # fmt: skip
        self.shortcut = nn.Sequential(nn.Conv2d(c_in, c_out, 1, stride=2, bias=False), nn.BatchNorm2d(c_out))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) -> (B, c_out, H/2, W/2)"""
        return F.elu(self.main(x) + self.shortcut(x))


class PlainEncoder(nn.Module):
    """Three blocks and a 4 x 4 convolution."""

    def __init__(self, params: study.PixelCnnVae):
        super().__init__()
        width, out = params.encoder_channels, params.encoder_out
        self.trunk = nn.Sequential(
            PlainBlock(1, width), PlainBlock(width, width), PlainBlock(width, width),
            nn.Conv2d(width, out, 4, bias=False), nn.BatchNorm2d(out), nn.ELU(),
        )  # fmt: skip
        self.linear = nn.Linear(out, 2 * params.z_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, 28, 28) -> (B, Z), (B, Z)"""
        mean, logvar = self.linear(self.trunk(x).flatten(1)).chunk(2, 1)
        return mean, logvar


class PlainVae(nn.Module):
    """The whole model for the default choices: z joins in all layers after the cut, no long skips."""

    def __init__(self, params: study.PixelCnnVae):
        super().__init__()
        self.cut, width = params.cut, params.channels
        self.encoder = PlainEncoder(params)
        self.z_linear = nn.Linear(params.z_dim, params.z_maps * SIZE**2)
        self.layers = nn.ModuleList([PlainLayer(1, width, params.kernels[0], "A", 0)])
        for number, kernel in enumerate(params.kernels[1:], 2):
            z_maps = params.z_maps * (number > params.cut)
            plain = params.block == "plain"
            self.layers.append(
                PlainLayer(width, width, kernel, "B", z_maps) if plain else PlainResidual(width, kernel, z_maps)
            )
        self.head = nn.Sequential(
            nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width), nn.ELU(), nn.Conv2d(width, 1, 1)
        )

    def logits(self, x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 1, 28, 28), (B, Z) -> (B, 1, 28, 28), and s (B, C, 28, 28)"""
        maps = self.z_linear(z).unflatten(1, (-1, SIZE, SIZE))
        h = s = x
        for number, layer in enumerate(self.layers, 1):
            h = layer(h, maps)
            s = h if number == self.cut else s
        return self.head(h), s

    def forward(self, x: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Reconstruction and KL in nats (B,), and the samples z (B, Z) and s (B, C, 28, 28)."""
        mean, logvar = self.encoder(x)
        z = mean + (0.5 * logvar).exp() * torch.randn(mean.shape, generator=noise, device=x.device, dtype=x.dtype)
        logits, s = self.logits(x, z)
        recon = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
        kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar).sum(1)
        return recon, kl, z, s


def plain_twin(model: nn.Module, params: study.PixelCnnVae) -> PlainVae:
    """The plain network with the weights of ``model``, in the default memory layout, on its device."""
    like = next(model.parameters())
    twin = PlainVae(params)
    twin.load_state_dict(copy.deepcopy(model.state_dict()))
    return twin.to(like.device, like.dtype)


class PlainTraining:
    """One training step as a plain transcription of the paper has it (section 4, appendix G.2).

    The losses are means over the batch. With a critic (CMI-VAE): twice, a fresh batch runs through the whole VAE as
    in training, joint and product pairs each pass the whole critic, and the critic is updated; then the VAE is, with
    gradients for the critic's weights that nobody uses.
    """

    def __init__(self, vae: PlainVae, train: study.Train, data: Tensor, gamma: float, critic: nn.Module | None = None):
        self.vae, self.train, self.data, self.gamma, self.critic = vae, train, data, gamma, critic
        device = data.device
        self.noise, self.batches = torch.Generator(device).manual_seed(1), Batches(len(data), train.batch_size, device)
        self.optimiser = torch.optim.Adam(vae.parameters(), lr=train.lr, betas=train.adam_betas)
        if critic is not None:
            self.critic_optimiser = torch.optim.Adam(critic.parameters(), lr=train.critic_lr, betas=train.adam_betas)

    def batch(self) -> Tensor:
        """A fresh random batch."""
        return self.data[self.batches.next()]

    def critic_loss(self, x: Tensor, z: Tensor, s: Tensor, negatives: Tensor) -> Tensor:
        """Eq. 12: two passes of the whole critic.  -> ()"""
        joint = self.critic.logit(self.critic.embed(s, x), z)
        product = self.critic.logit(self.critic.embed(s, x), negatives)
        return F.softplus(-joint).mean() + F.softplus(product).mean()

    def vae_loss(self, x: Tensor) -> Tensor:
        """Eqs. 6 and 13.  -> ()"""
        recon, kl, z, s = self.vae(x, self.noise)
        loss = (recon + (1 - self.gamma) * kl).mean()
        return loss if self.critic is None else loss + self.gamma * self.critic.logit(self.critic.embed(s, x), z).mean()

    def step(self) -> None:
        """Both critic updates, where there is a critic, and the VAE's."""
        self.vae.train()
        for _ in range(self.train.critic_steps if self.critic is not None else 0):
            x = self.batch()
            _, _, z, s = self.vae(x, self.noise)
            z, s = z.detach(), s.detach()
            negatives = torch.randn(z.shape, generator=self.noise, device=z.device)
            self.critic_optimiser.zero_grad()
            self.critic_loss(x, z, s, negatives).backward()
            self.critic_optimiser.step()
        loss = self.vae_loss(self.batch())
        self.optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.vae.parameters(), self.train.clip)
        self.optimiser.step()
