"""Our own training step, as ``cmivae train`` runs it: a trainer on random data, without validation and checkpoints."""

import shutil
import tempfile
import weakref
from pathlib import Path

import torch
from batches import Batches
from torch import Tensor, nn

from cmivae.objectives.objectives import Beta, Cmi, Objective
from cmivae.study.params import Train
from cmivae.training.items import Images, Items
from cmivae.training.loop import Job, Trainer

GAMMA = 0.3


def objective_of(critic: nn.Module | None) -> Objective:
    """CMI-VAE where there is a critic, else beta-VAE."""
    return Beta(GAMMA) if critic is None else Cmi(GAMMA)


class OurTraining:
    """``step()`` is one update of the VAE and, for CMI-VAE, the two of its critic."""

    def __init__(
        self,
        model: nn.Module,
        train: Train,
        items: Items,
        critic: nn.Module | None = None,
        graph: bool = False,
    ):
        scratch = Path(tempfile.mkdtemp())
        weakref.finalize(self, shutil.rmtree, scratch, ignore_errors=True)
        device = next(model.parameters()).device
        critics = {} if critic is None else {"zs": critic}
        self.items = items
        self.trainer = Trainer(
            Job(
                name="benchmark", model=model, objective=objective_of(critic), critics=critics, params=train,
                train=items, valid=items, seed=0, device=device, scratch=scratch,
                graph=graph,
            )
        )  # fmt: skip
        self.batches = Batches(len(items), train.batch_size, device)

    def step(self) -> None:
        """One step on a random batch."""
        self.trainer.launch(self.trainer.update, self.items[self.batches.next()])

    def check(self) -> None:
        """That as many steps were done as were asked for, replays of a graph too, and all with finite numbers.

        Raises:
            RuntimeError: they were not.
        """
        done, bad = int(self.trainer.clock), int(self.trainer.bad_step)
        if done != self.batches.taken or bad:
            raise RuntimeError(f"{done} of {self.batches.taken} steps were done; first with NaN or infinity: {bad}")


def binary_images(count: int, device: str) -> Tensor:
    """Random images with as many ones as MNIST.  (N, 28, 28) uint8"""
    drawn = torch.rand(count, 28, 28, generator=torch.Generator().manual_seed(0))
    return (drawn < 0.13).to(torch.uint8).to(device)


def image_items(count: int, device: str) -> Images:
    """Random images as a trainer takes them."""
    return Images(binary_images(count, device))
