"""What a stage ran on: machine, libraries, lock file, git revision."""

import hashlib
import os
import platform
import subprocess
import sys
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from cmivae import __version__

REPOSITORY = Path(__file__).resolve().parents[3]
LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "safetensors", "snakemake", "dvc")


@lru_cache(maxsize=1)
def environment() -> dict[str, Any]:
    """Libraries, processor, threads and lock digest."""
    lock = REPOSITORY / "requirements.lock"
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "host": platform.node(),
        "omp_threads": os.environ.get("OMP_NUM_THREADS"),
        "libraries": {name: version_of(name) for name in LIBRARIES},
        "lock_sha256": hashlib.sha256(lock.read_bytes()).hexdigest() if lock.is_file() else None,
        "cmivae": __version__,
    }


def torch_environment() -> dict[str, Any] | None:
    """Threads, determinism and device as torch sees them, and the GPU where the stage used one.

    None when the stage did not load torch.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    started = torch.cuda.is_initialized()  # to ask more would start it, in a job that has no GPU
    found = {
        "threads": torch.get_num_threads(),
        "device": "cuda" if started else "cpu",
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "flags": {
            "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "tf32": started and (torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32),
        },
        "cuda": torch.version.cuda if started else None,
    }
    if started:
        found["gpu"] = torch.cuda.get_device_name()
        found["cudnn"] = torch.backends.cudnn.version()
        found["driver"] = next(iter(_smi("driver_version")), None)
    return found


def gpu_names() -> list[str]:
    """The GPUs of this machine by the names of their kind, without starting CUDA; none without a driver."""
    return _smi("name")


@lru_cache(maxsize=1)
def git_state() -> dict[str, Any] | None:
    """Revision of the code and whether files of it are changed or new; None outside a git checkout."""
    revision = said("git", "-C", str(REPOSITORY), "rev-parse", "HEAD")
    if revision is None:
        return None
    changes = said("git", "-C", str(REPOSITORY), "diff", "HEAD", "--", "src", "requirements.lock") or ""
    changes += said("git", "-C", str(REPOSITORY), "ls-files", "--others", "--exclude-standard", "--", "src") or ""
    return {"revision": revision, "dirty": hashlib.sha256(changes.encode()).hexdigest() if changes else None}


def _smi(what: str) -> list[str]:
    """One value a GPU."""
    return (said("nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader") or "").splitlines()


def version_of(name: str) -> str | None:
    """The version of a library; None where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()} x {os.cpu_count()}"


def said(*command: str) -> str | None:
    """What a program prints, without space around it; None where it is not there, fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
