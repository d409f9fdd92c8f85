"""The device of a stage."""

import torch

from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.slots import devices
from cmivae.training.devices import resolve_device, set_up


def device_of(context: Context) -> torch.device:
    """The device that the workspace asks for, with threads and deterministic kernels set up."""
    compute = context.params.compute
    device = resolve_device(compute.device)
    if device.type == "cpu" and compute.device == "auto" and (assigned := devices()):
        log.warning("GPU %s is assigned, but torch sees none, so this runs on the CPU (cmivae doctor)", assigned[0])
    set_up(device, compute.threads)
    return device
