"""Which device, how many threads, how deterministic."""

import contextlib
import ctypes
import os

import torch

from cmivae.errors import UserError

TRIM, MMAP, GIGABYTE = -1, -3, 2**30  # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h


def resolve_device(wanted: str) -> torch.device:
    """``auto`` is CUDA where there is one, else the CPU.

    Raises:
        UserError: a CUDA device was asked for that is not there.
    """
    present = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if wanted == "auto":
        wanted = "cuda" if present else "cpu"
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= present:
        raise UserError(
            f"device {wanted!r} was asked for, but torch sees {present} CUDA devices",
            where="params.yaml:compute.device",
            fix="set compute.device to auto or cpu, or run on a machine with a GPU",
        )
    return device


def set_up(device: torch.device, threads: int) -> None:
    """Fix threads and ask for deterministic kernels: on one machine the same run gives the same bits."""
    _keep_memory()
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only with this
    os.environ.setdefault("TORCHINDUCTOR_DETERMINISTIC", "1")  # torch.compile chooses no kernel by the clock
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import a compiler, 2 s
    # A debugging aid that took a seventh of a step; its module has a property that type checkers do not see.
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010
    torch.backends.cudnn.benchmark = False
    if device.type == "cuda":
        torch.cuda.set_device(device.index or 0)  # streams and graphs are made on the current one
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False


def _keep_memory() -> None:
    """Let glibc keep what a step frees: it would give it back to the system and take it again, a page fault each 4 kB.

    A twentieth of a step of PixelCNN-VAE on a CPU. Other C libraries have no such setting, and nothing is done there.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(TRIM, GIGABYTE)
        mallopt(MMAP, GIGABYTE)


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager:
    """bfloat16 where asked for, else nothing."""
    if precision == "bf16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def generator(device: torch.device, *key: int) -> torch.Generator:
    """A random generator on ``device``, seeded by all parts of ``key`` (splitmix-style mixing, 63 bits)."""
    seed = 0x9E3779B97F4A7C15
    for part in key:
        seed = ((seed ^ part) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        seed ^= seed >> 31
    return torch.Generator(device=device).manual_seed(seed >> 1)
