"""Prepared speech as items that the loop takes batches from."""

import torch

from cmivae.data.speech import Speech
from cmivae.progress import log
from cmivae.training.items import Segments

SHARE = 0.5  # of a GPU's free memory that data may take


def segments(speech: Speech, part: str, device: torch.device, random: bool = False) -> Segments:
    """A part as segments, all of it on the device where it fits.

    Args:
        random: draw other segments in each epoch.
    """
    frames, spans = speech.frames(part), None
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        size = frames.numel() * frames.element_size()
        if size <= SHARE * free:
            frames = frames.to(device)
        else:
            log.info("%s: %.1f GB of frames stay on the CPU, %.1f GB free on the GPU", part, size / 1e9, free / 1e9)
    if random:
        spans = torch.tensor([[span.first, span.frames] for span in speech.of(part)])
    return Segments(frames, torch.from_numpy(speech.starts(part)), speech.segment, device, spans)
