"""Post-hoc estimate of I(z;s): fresh critics on the frozen model, free of the lag of a critic trained beside it.

docs/protocol.md: trained on the training part, stopped early on the validation loss, read on the test part.
All initialisations share each batch's z and s.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cmivae.models.contract import Critic, Vae
from cmivae.objectives.density_ratio import critic_loss, shuffled
from cmivae.progress import Progress
from cmivae.study.params import Posthoc
from cmivae.training.critics import Contender
from cmivae.training.devices import generator
from cmivae.training.graph import launcher
from cmivae.training.items import Items, chunks

CHUNK = 250  # items a forward in eval mode
TRAIN, VALID, TEST = 20, 21, 22  # streams of random numbers


@dataclass
class Best:
    """The best of one initialisation so far."""

    loss: float = math.inf
    epoch: int = 0
    weights: dict[str, Any] | None = None


@torch.no_grad()
def pair_logits(model: Vae, critics: Sequence[Critic], items: Items, drawn: torch.Generator) -> tuple[Tensor, Tensor]:
    """Logits of critics in eval mode on pairs of q(z,s) and on pairs with z deranged within a chunk.

    Chunks are drawn at random, since neighbours may be of one speaker. All critics see the same pairs.

    Returns:
        joint (I, N) and shuffled (I, N), float32 on the CPU, a row a critic, in the order of ``items``.
    """
    order = torch.randperm(len(items), generator=drawn, device=drawn.device)
    found: list[Tensor] = []
    for part in chunks(len(items), CHUNK):
        x = items[order[part]]
        z, s = model.latents(x, drawn)
        negatives = shuffled(z, drawn)
        for critic in critics:
            e = critic.eval().embed(s, x)  # (C, Z)
            found.append(torch.stack([critic.logit(e, z), critic.logit(e, negatives)]).float())  # (2, C)
    rows = [torch.cat(found[first :: len(critics)], dim=1) for first in range(len(critics))]  # each (2, N)
    logits = torch.stack(rows, dim=1)[:, :, order.argsort()].cpu()  # (2, I, N)
    return logits[0], logits[1]


def train_posthoc(
    model: Vae,
    contenders: list[Contender],
    params: Posthoc,
    *,
    train: Items,
    valid: Items,
    batch_size: int,
    seed: int,
    name: str,
    graph: bool = False,
) -> list[Best]:
    """Train fresh critics with the VAE frozen in eval mode; each keeps its best validation loss (Eq. 12).

    Args:
        train: a random ``params.n_train`` of them are used; neighbours may be of one speaker.
        graph: steps as CUDA graphs, where that is the device.
    """
    count = min(params.n_train or len(train), len(train))
    device, best = next(model.parameters()).device, [Best() for _ in contenders]
    kept = torch.randperm(len(train), generator=generator(device, seed, TRAIN), device=device)[:count]
    steps = max(count // batch_size, 1)
    progress = Progress(f"posthoc {name}", params.epochs * steps)
    drawn = generator(device, seed, TRAIN)  # one for all epochs, as a graph wants it
    draws = [drawn, *(contender.generator for contender in contenders)]
    act, launch = partial(update, model, contenders, drawn), launcher(draws, device, graph, f"posthoc {name}")
    for epoch in range(1, params.epochs + 1):
        drawn.set_state(generator(device, seed, TRAIN, epoch).get_state())
        order = torch.randperm(count, generator=drawn, device=device)
        for step in range(steps):
            launch(act, train[kept[order[step * batch_size : (step + 1) * batch_size]]])
            progress.step()
        _keep_best(model, contenders, best, valid, epoch, seed)
        if all(epoch - each.epoch >= params.patience for each in best):
            break
    progress.close()
    for contender, each in zip(contenders, best, strict=True):
        if each.weights is not None:
            contender.module.load_state_dict(each.weights)
    return best


def update(model: Vae, contenders: Sequence[Contender], drawn: torch.Generator, x: Tensor) -> None:
    """One step of all critics on the same z and s of a batch.  (B, …)"""
    with torch.no_grad():
        z, s = model.latents(x, drawn)
    for contender in contenders:
        contender.module.train()
        contender.step(x, z, s)


def _keep_best(model: Vae, contenders: list[Contender], best: list[Best], valid: Items, epoch: int, seed: int) -> None:
    drawn = generator(next(model.parameters()).device, seed, VALID)
    logits = pair_logits(model, [contender.module for contender in contenders], valid, drawn)
    for contender, each, joint, marginal in zip(contenders, best, *logits, strict=True):
        loss = critic_loss(joint, marginal).item()
        if loss < each.loss:
            weights = {key: value.clone() for key, value in contender.module.state_dict().items()}
            each.loss, each.epoch, each.weights = loss, epoch, weights
