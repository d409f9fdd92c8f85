"""Floating-point operations of a run, counted by running its networks once: a multiply-add is two.

Counted are products of matrices and convolutions as they are executed, forward and backward. Element by element
operations, which move memory rather than compute, are not; docs/performance.md has their bytes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from cmivae.audit.items import Counts
from cmivae.audit.trial import Posthoc, trial
from cmivae.models.contract import ImageVae
from cmivae.study.params import Config, Dataset, ImageDataset

ITEMS = 2  # in a trial; counts are proportional
CPU = torch.device("cpu")


def _lstm(x: tuple, w_ih: tuple, w_hh: tuple, *rest: Any, out_shape: Any = None, **options: Any) -> int:
    """One direction of an LSTM.  x (T, B, I), w_ih (4H, I), w_hh (4H, H)"""
    return 2 * x[0] * x[1] * (w_ih[0] * w_ih[1] + w_hh[0] * w_hh[1])


def _lstm_backward(*arguments: Any, **options: Any) -> int:
    return 2 * _lstm(*arguments, **options)


ON_CPU = {  # PyTorch counts all others
    torch.ops.aten.mkldnn_rnn_layer: _lstm,
    torch.ops.aten.mkldnn_rnn_layer_backward: _lstm_backward,
}


def item_flops(dataset: Dataset, config: Config) -> dict[str, float]:
    """Operations an item: of a training step with its critics, a validation, the post-hoc estimate, and logits."""
    plain = dataset.train.model_copy(update={"precision": "float32", "compile": False})
    dataset = dataset.model_copy(update={"train": plain})
    with trial(dataset, config, ITEMS, ITEMS, CPU) as trainer:
        job, posthoc = trainer.job, Posthoc(dataset, trainer)
        model, x, z = job.model, job.train[slice(None)], torch.zeros(ITEMS, job.model.z_dim)
        return {
            "step": _count(lambda: trainer.update(x)),
            "valid": _count(trainer.validate),
            "posthoc": _count(lambda: posthoc.step(x)),
            "posthoc_valid": _count(lambda: posthoc.validate(job.valid)),
            "logits": _count(lambda: model.logits(x, z)) if isinstance(model, ImageVae) else 0.0,
        }


def of_run(dataset: Dataset, items: Counts, each: dict[str, float]) -> dict[str, float]:
    """What stages train and embed of one run do of anything that is ``each`` an item: operations, or seconds.

    The post-hoc estimate counts with all its epochs, though it may stop early.
    """
    train, embed = dataset.train, dataset.embed
    validations = -(-train.epochs // train.valid_every)
    taught = min(embed.posthoc.n_train or items.train, items.train)
    epochs = embed.posthoc.epochs if embed.posthoc.inits else 0
    done = steps(dataset, items) * train.batch_size * each["step"] + validations * items.valid * each["valid"]
    latents = epochs * (taught * each["posthoc"] + items.valid * each["posthoc_valid"]) + items.test * each["valid"]
    return {"train": done, "embed": latents + _decodes(dataset) * each["logits"]}


def steps(dataset: Dataset, items: Counts) -> int:
    """Training steps of one run."""
    return items.train // dataset.train.batch_size * dataset.train.epochs


def _decodes(dataset: Dataset) -> int:
    """Images that are drawn for mCAS, of 10 classes; the cached sampler computes of each what one forward does."""
    if not isinstance(dataset, ImageDataset):
        return 0
    return dataset.data.mcas_subsets * dataset.data.mcas_per_class * 10 * dataset.embed.decodes


def _count(act: Callable[[], object]) -> float:
    with FlopCounterMode(display=False, custom_mapping=ON_CPU) as counter:
        act()
    return counter.get_total_flops() / ITEMS
