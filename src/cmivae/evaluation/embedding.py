"""All that needs the weights: posterior, likelihood terms, critic logits, decoded images. Metrics need no model."""

import torch
from torch import Tensor

from cmivae.evaluation.sampling import Sampler
from cmivae.models.contract import ImageVae

CHUNK = 250  # images a forward in eval mode


@torch.no_grad()
def embed_test(model: ImageVae, images: Tensor, drawn: torch.Generator) -> dict[str, Tensor]:
    """Posterior and terms with one latent sample (docs/protocol.md).

    Args:
        images: (N, 28, 28) uint8.

    Returns:
        z_mean, z_logvar, z (N, Z); recon, kl_z (N,) in nats; float32 on the CPU.
    """
    found: dict[str, list[Tensor]] = {}
    for part in images.split(CHUNK):
        terms = model(part.unsqueeze(1).float(), drawn)
        for name in ("z_mean", "z_logvar", "z", "recon", "kl_z"):
            found.setdefault(name, []).append(getattr(terms, name).float().cpu())
    return {name: torch.cat(parts) for name, parts in found.items()}


@torch.no_grad()
def embed_mean(model: ImageVae, images: Tensor) -> tuple[Tensor, Tensor]:
    """Posterior means and log-variances.  (N, 28, 28) uint8 -> (N, Z), (N, Z)"""
    parts = [model.encode(part.unsqueeze(1).float()) for part in images.split(CHUNK)]
    return torch.cat([mean for mean, _ in parts]), torch.cat([logvar for _, logvar in parts])


def decode_images(sampler: Sampler, size: int, z: Tensor, decodes: int, drawn: torch.Generator) -> Tensor:
    """Stochastic decodes of each z by the PixelCNN in raster order, of ``size`` x ``size`` pixels.

    The uniforms of all images are drawn at once, so that the images do not depend on how they are batched.

    Args:
        z: (N, Z).

    Returns:
        (N, decodes, size, size) uint8 in {0, 1}, on the CPU.
    """
    repeated = z.repeat_interleave(decodes, dim=0)  # (N*D, Z)
    u = torch.rand(len(repeated), size * size, generator=drawn, device=z.device)
    images = sampler(repeated, u)  # (N*D, 28, 28)
    return images.reshape(len(z), decodes, size, size).cpu()
