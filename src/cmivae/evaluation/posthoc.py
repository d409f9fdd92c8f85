"""Post-hoc estimate of I(z;s): fresh critics on the frozen model, free of the lag of a critic trained beside it.

docs/protocol.md: trained on the training part, stopped early on the validation loss, read on the test part.
All initialisations share each batch's z and s.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cmivae.objectives.density_ratio import critic_loss, shuffled
from cmivae.progress import Progress
from cmivae.study.params import Posthoc
from cmivae.training.critics import Contender
from cmivae.training.devices import generator

CHUNK = 250  # images a forward in eval mode
TRAIN, VALID, TEST = 20, 21, 22  # streams of random numbers


@dataclass
class Best:
    """The best of one initialisation so far."""

    loss: float = math.inf
    epoch: int = 0
    weights: dict[str, Any] | None = None


@torch.no_grad()
def pair_logits(model: nn.Module, critic: nn.Module, images: Tensor, drawn: torch.Generator) -> tuple[Tensor, Tensor]:
    """Logits of a critic in eval mode on pairs of q(z,s) and on pairs with z deranged within a chunk.

    Args:
        images: (N, 28, 28) uint8.

    Returns:
        joint (N,) and shuffled (N,), float32 on the CPU.
    """
    joint, marginal = [], []
    for part in _chunks(images):
        x = part.unsqueeze(1).float()  # (C, 1, 28, 28)
        z, s = model.latents(x, drawn)
        e = critic.eval().embed(s, x)  # (C, Z)
        joint.append(critic.logit(e, z).cpu())
        marginal.append(critic.logit(e, shuffled(z, drawn)).cpu())
    return torch.cat(joint), torch.cat(marginal)


def train_posthoc(
    model: nn.Module,
    contenders: list[Contender],
    params: Posthoc,
    *,
    train_x: Tensor,
    valid_x: Tensor,
    batch_size: int,
    seed: int,
    name: str,
) -> list[Best]:
    """Train fresh critics with the VAE frozen in eval mode; each keeps its best validation loss (Eq. 12).

    Args:
        train_x: (N, 28, 28) uint8 on the device; ``params.n_train`` of them are used.
        valid_x: (V, 28, 28) uint8 on the device.
    """
    images = train_x[: params.n_train] if params.n_train else train_x
    device, best = images.device, [Best() for _ in contenders]
    steps = max(len(images) // batch_size, 1)
    progress = Progress(f"posthoc {name}", params.epochs * steps)
    for epoch in range(1, params.epochs + 1):
        drawn = generator(device, seed, TRAIN, epoch)
        order = torch.randperm(len(images), generator=drawn, device=device)
        for step in range(steps):
            x = images[order[step * batch_size : (step + 1) * batch_size]].unsqueeze(1).float()
            with torch.no_grad():
                z, s = model.latents(x, drawn)
            for contender in contenders:
                contender.module.train()
                contender.step(x, z, s)
            progress.step()
        _keep_best(model, contenders, best, valid_x, epoch, seed)
        if all(epoch - each.epoch >= params.patience for each in best):
            break
    progress.close()
    for contender, each in zip(contenders, best, strict=True):
        if each.weights is not None:
            contender.module.load_state_dict(each.weights)
    return best


def _keep_best(
    model: nn.Module, contenders: list[Contender], best: list[Best], valid_x: Tensor, epoch: int, seed: int
) -> None:
    for contender, each in zip(contenders, best, strict=True):
        drawn = generator(valid_x.device, seed, VALID)
        loss = critic_loss(*pair_logits(model, contender.module, valid_x, drawn)).item()
        if loss < each.loss:
            weights = {key: value.clone() for key, value in contender.module.state_dict().items()}
            each.loss, each.epoch, each.weights = loss, epoch, weights


def _chunks(images: Tensor) -> list[Tensor]:
    """Chunks of images; a last one of a single image, which has no derangement, joins the one before."""
    parts = list(images.split(CHUNK))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
