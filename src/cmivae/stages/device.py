"""The device of a stage."""

import torch

from cmivae.provenance.context import Context
from cmivae.training.devices import resolve_device, set_up


def device_of(context: Context) -> torch.device:
    """The device that the workspace asks for, with threads and deterministic kernels set up."""
    compute = context.params.compute
    device = resolve_device(compute.device)
    set_up(device, compute.threads)
    return device
