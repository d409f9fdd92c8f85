"""One GPU a job: on a machine with several, each job takes a free one and hides the others from itself.

Devices, also parts of one (MIG), go by their UUID: nvidia-smi counts them by bus and CUDA by speed.

Slurm gives devices to one job alone, and where it hides the others (cgroups) it numbers those of every job from 0. So
what is locked there is a device *of that Slurm job*: two jobs that both see a device 0 never wait for each other, while
several trainings that share one allocation (``salloc --gpus=4``) still take distinct ones.
"""

import contextlib
import itertools
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from cmivae.progress import log

VISIBLE = "CUDA_VISIBLE_DEVICES"
NONE = ("-1", "nodevfiles", "none", "void")  # values of it that leave no device
WAIT = 2.0  # seconds between looks for a free device
_given: list[str] = []  # the device that this process got last


def devices() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty without a driver."""
    if VISIBLE in os.environ:
        names = (name.strip() for name in os.environ[VISIBLE].split(","))
        return list(itertools.takewhile(lambda name: name and name.lower() not in NONE, names))  # as CUDA reads it
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return _uuids(done.stdout.splitlines()) if done.returncode == 0 else []


def _uuids(lines: list[str]) -> list[str]:
    """Of ``nvidia-smi --list-gpus``: each GPU, or in its place the MIG devices that it is divided into."""
    found: list[tuple[str, list[str]]] = []
    for line in lines:
        uuid = re.search(r"\(UUID:\s*([^)\s]+)\)", line)
        if uuid and line.startswith("GPU "):
            found.append((uuid[1], []))
        elif uuid and found and line.lstrip().startswith("MIG "):
            found[-1][1].append(uuid[1])
    return [name for gpu, parts in found for name in (parts or [gpu])]


@contextlib.contextmanager
def gpu_slot(jobs_per_gpu: int = 1) -> Iterator[str | None]:
    """Hold a GPU, waiting for a free one; must be entered before torch first looks at CUDA.

    Args:
        jobs_per_gpu: how many jobs may hold one device.

    Yields: its name, or None where there is no GPU.
    """
    names = (_given if _cuda_started() else []) or devices()
    if not names:
        yield None
        return
    name, lock = _take(names, jobs_per_gpu)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = name
    _given[:] = [name]
    try:
        log.info("using GPU %s", name)
        yield name
    finally:
        lock.release()
        os.environ.pop(VISIBLE, None)
        if before is not None:
            os.environ[VISIBLE] = before


def _cuda_started() -> bool:
    """Whether CUDA is at work in this process: it reads ``CUDA_VISIBLE_DEVICES`` once, so the device stays the same."""
    torch = sys.modules.get("torch")
    return torch is not None and torch.cuda.is_initialized()


def _take(names: list[str], jobs_per_gpu: int = 1) -> tuple[str, FileLock]:
    waiting, owner = False, _owner()
    while True:
        for number, name in itertools.product(range(jobs_per_gpu), names):  # fill every device once, then again
            path = Path(tempfile.gettempdir()) / f"cmivae-gpu-{owner}{name.replace('/', '_')}-{number}.lock"
            lock = FileLock(path, timeout=0, mode=0o666, thread_local=False)
            with contextlib.suppress(Timeout):
                lock.acquire()
                return name, lock
        if not waiting:
            log.info("all %d GPUs are taken by other jobs: waiting", len(names))
            waiting = True
        time.sleep(WAIT)


def _owner() -> str:
    """Whose numbers devices have: the step of a Slurm job, or nothing where the machine's own count."""
    job, step = (os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return f"slurm-{job}-{step or 'batch'}-" if job else ""
