"""A training of the study on random data of the right form, to count its operations and to time its steps."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from cmivae.evaluation.posthoc import pair_logits, update
from cmivae.study.params import Config, Dataset
from cmivae.training.build import build_critic, build_critics, build_model, build_objective
from cmivae.training.critics import build_contender
from cmivae.training.devices import generator
from cmivae.training.graph import launcher
from cmivae.training.items import Images, Items, Segments
from cmivae.training.loop import Job, Trainer

ONES = 0.13  # of the pixels of MNIST


def random_items(dataset: Dataset, count: int, device: torch.device) -> Items:
    """``count`` items as the model takes them: binary images, or segments of frames in [0, 1]."""
    drawn = torch.Generator().manual_seed(0)
    if dataset.kind == "image":
        return Images((torch.rand(count, *dataset.shape[1:], generator=drawn) < ONES).to(torch.uint8).to(device))
    length, bins = dataset.shape
    frames = torch.rand(count * length, bins, generator=drawn).to(device)
    return Segments(frames, torch.arange(0, count * length, length), length, device)


@contextmanager
def trial(
    dataset: Dataset, config: Config, items: int, batch: int, device: torch.device, graph: bool = False
) -> Iterator[Trainer]:
    """A trainer with fresh networks, the settings of ``dataset``, and ``items`` random items to train and validate."""
    model, objective = build_model(dataset, 0, device), build_objective(config)
    data = random_items(dataset, items, device)
    with tempfile.TemporaryDirectory() as scratch:
        yield Trainer(
            Job(
                name="trial", model=model, objective=objective,
                critics=build_critics(dataset, objective, model, 0, device),
                params=dataset.train.model_copy(update={"batch_size": batch}),
                train=data, valid=data, seed=0, device=device, scratch=Path(scratch),
                graph=graph,
            )
        )  # fmt: skip


class Posthoc:
    """The post-hoc estimate of I(z;s): fresh critics on the frozen model, as the stage embed trains them."""

    def __init__(self, dataset: Dataset, trainer: Trainer):
        self.model, self.device = trainer.job.model, trainer.job.device
        self.drawn, self.critics = generator(self.device, 0), []
        for init in range(dataset.embed.posthoc.inits):
            critic = build_critic("estimator", dataset.critic, self.model, self.device, init)
            self.critics.append(build_contender("estimator", critic, dataset.train, generator(self.device, init)))
        drawn = [self.drawn, *(each.generator for each in self.critics)]
        self.launch = launcher(drawn, self.device, trainer.job.graph, "trial")

    def step(self, x: Tensor) -> None:
        """One update of all critics on one batch.  (B, …)"""
        self.model.eval()
        update(self.model, self.critics, self.drawn, x)

    def validate(self, items: Items) -> None:
        """The logits of all critics on all items."""
        pair_logits(self.model, [each.module for each in self.critics], items, self.drawn)
