"""Seconds an item of each kind of work, measured on the device at hand with random data: ``cmivae plan --measure``.

On a CPU they are seconds of the processor by thread, which are wall time where nothing else runs.
"""

import time
from collections.abc import Callable

import torch

from cmivae.audit.trial import Posthoc, trial
from cmivae.evaluation.sampling import make_sampler
from cmivae.models.contract import ImageVae
from cmivae.study.params import Config, Dataset
from cmivae.training.devices import generator, resolve_device, set_up
from cmivae.training.graph import WARM

SECONDS = 3.0  # at least, of each measurement
ITEMS, CUDA_ITEMS = 100, 500  # a validation; on a GPU as many as in one forward of a true one
CUDA_CALLS = 10  # between looks at the clock, each of which waits for the device
IMAGES = 100  # that are sampled together


def device_here(wanted: str, threads: int) -> torch.device:
    """The device that trainings of the workspace would take, set up as for them."""
    device = resolve_device(wanted)
    set_up(device, threads)
    return device


def device_name(device: torch.device, processor: str) -> str:
    """What is said of the device beside its rates."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else processor


def item_seconds(dataset: Dataset, config: Config, device: torch.device, graph: bool = False) -> dict[str, float]:
    """Seconds an item, with the keys of ``flops.item_flops``; ``logits`` is one image by the fast sampler."""
    batch = dataset.train.batch_size
    count = CUDA_ITEMS if device.type == "cuda" else ITEMS
    with trial(dataset, config, max(count, batch), batch, device, graph) as trainer:
        job, posthoc = trainer.job, Posthoc(dataset, trainer)
        x, model = job.train[slice(batch)], job.model
        found = {
            "step": _seconds(lambda: trainer.launch(trainer.update, x), device) / batch,
            "valid": _seconds(trainer.validate, device) / len(job.valid),
            "posthoc": _seconds(lambda: posthoc.launch(posthoc.step, x), device) / batch,
            "posthoc_valid": _seconds(lambda: posthoc.validate(job.valid), device) / len(job.valid),
            "logits": 0.0,
        }
        if isinstance(model, ImageVae):
            drawn = generator(device, 0)
            z = torch.randn(IMAGES, model.z_dim, generator=drawn, device=device)
            u = torch.rand(IMAGES, model.image_size**2, generator=drawn, device=device)
            model.eval()
            sampler = make_sampler(model)
            found["logits"] = _seconds(lambda: sampler(z, u), device) / IMAGES
    return found


def _seconds(act: Callable[[], object], device: torch.device) -> float:
    """Mean of as many calls as fill ``SECONDS``, after some that do not count."""
    burst = CUDA_CALLS if device.type == "cuda" else 1
    for _ in range(WARM + 1):
        act()
    calls, start = 0, _now(device)
    while True:
        for _ in range(burst):
            act()
        calls += burst
        taken = _now(device) - start
        if taken >= SECONDS:
            return taken / calls


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time() / torch.get_num_threads()
