"""One GPU a job: on a machine with several, each job takes a free one and hides the others from itself.

Slurm gives devices to one job alone, and where it hides the others (cgroups) it numbers those of every job from 0. So
what is locked there is a device *of that Slurm job*: two jobs that both see a device 0 never wait for each other, while
several trainings that share one allocation (``salloc --gpus=4``) still take distinct ones.
"""

import contextlib
import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from cmivae.progress import log

VISIBLE = "CUDA_VISIBLE_DEVICES"
WAIT = 2.0  # seconds between looks for a free device


def devices() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them; empty without a driver."""
    if VISIBLE in os.environ:
        return [name for name in os.environ[VISIBLE].split(",") if name.strip()]
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    lines = done.stdout.splitlines() if done.returncode == 0 else []
    return [str(number) for number, line in enumerate(lines) if line.startswith("GPU ")]


@contextlib.contextmanager
def gpu_slot(jobs_per_gpu: int = 1) -> Iterator[str | None]:
    """Hold a GPU, waiting for a free one; must be entered before torch first looks at CUDA.

    Args:
        jobs_per_gpu: how many jobs may hold one device.

    Yields: its name, or None where there is no GPU.
    """
    names = devices()
    if not names:
        yield None
        return
    name, lock = _take(names, jobs_per_gpu)
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = name
    try:
        log.info("using GPU %s", name)
        yield name
    finally:
        lock.release()
        os.environ.pop(VISIBLE, None)
        if before is not None:
            os.environ[VISIBLE] = before


def _take(names: list[str], jobs_per_gpu: int = 1) -> tuple[str, FileLock]:
    waiting, owner = False, _owner()
    while True:
        for number, name in itertools.product(range(jobs_per_gpu), names):  # fill every device once, then again
            path = Path(tempfile.gettempdir()) / f"cmivae-gpu-{owner}{name.strip().replace('/', '_')}-{number}.lock"
            lock = FileLock(path, timeout=0, mode=0o666, thread_local=False)
            with contextlib.suppress(Timeout):
                lock.acquire()
                return name.strip(), lock
        if not waiting:
            log.info("all %d GPUs are taken by other jobs: waiting", len(names))
            waiting = True
        time.sleep(WAIT)


def _owner() -> str:
    """Whose numbers devices have: the step of a Slurm job, or nothing where the machine's own count."""
    job, step = (os.environ.get(name) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
    return f"slurm-{job}-{step or 'batch'}-" if job else ""
