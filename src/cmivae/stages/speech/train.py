"""Stage train for speech."""

import torch

from cmivae.data.speech import load
from cmivae.provenance.context import Context
from cmivae.stages.device import device_of
from cmivae.stages.speech.items import segments
from cmivae.stages.training import make_job, train
from cmivae.training.build import build_model


def make(context: Context) -> str:
    """Train on the prepared segments; see ``stages.training.train``."""
    device, speech = device_of(context), load(context.prepared)
    random = context.speech.data.segments == "random"
    model = build_model(context.speech, context.run.seed, device)
    parts = segments(speech, "train", device, random), segments(speech, "valid", device)
    job = make_job(context, model, device, *parts)
    model.start_from(torch.tensor(speech.scale["variance"]))
    return train(context, job)
