"""Stage train for speech."""

import torch

from cmivae.data.speech import load
from cmivae.provenance.context import Context
from cmivae.stages.device import device_of
from cmivae.stages.speech.items import segments
from cmivae.stages.training import make_job, train


def make(context: Context) -> str:
    """Train on the prepared segments; see ``stages.training.train``."""
    device, speech = device_of(context), load(context.prepared)
    random = context.dataset.data.segments == "random"
    job = make_job(context, device, segments(speech, "train", device, random), segments(speech, "valid", device))
    job.model.start_from(torch.tensor(speech.scale["variance"]))
    return train(context, job)
