"""Stage train for images."""

import torch

from cmivae.data.prepare import load
from cmivae.provenance.context import Context
from cmivae.stages.device import device_of
from cmivae.stages.training import make_job, train
from cmivae.training.build import build_model
from cmivae.training.items import Images


def make(context: Context) -> str:
    """Train on the prepared images; see ``stages.training.train``."""
    device, prepared = device_of(context), load(context.prepared)
    parts = [Images(torch.from_numpy(images).to(device)) for images in (prepared.train_x, prepared.valid_x)]
    model = build_model(context.image, context.run.seed, device)
    return train(context, make_job(context, model, device, *parts))
