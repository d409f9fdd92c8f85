"""Writes ``docs/determinism.md``: a small study made many times, in ways that must not matter or may, and compared.

    make determinism        (python docs/make_determinism.py docs/determinism.md)

Two data sets, so both models, and all four objectives; only CMI-VAE through the doors, where a job is a process.
7 to 12 minutes.
"""

import platform
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from compare_runs import Distance, distance
from lab import FEW, WIDE, Lab

from cmivae.provenance.environment import environment, git_state
from cmivae.provenance.io import read_json, write_text
from cmivae.study.params import Train

MODELS = {"PixelCNN-VAE": ("digits", ("X4",)), "DSAE": ("voices", ("X1", "X2", "X3"))}


@dataclass(frozen=True)
class Row:
    """Two ways to make the study."""

    text: str
    first: Callable[[Lab], Path]
    second: Callable[[Lab], Path]
    must_be_equal: bool = True  # the package promises the same bits
    needs: str = ""  # ``cuda`` or ``compile``


COMPILED = {f"datasets.{name}.train.compile": True for name in ("digits", "voices")}


def plain(lab: Lab) -> Path:
    return lab.plain


def wide(lab: Lab) -> Path:
    return lab.once("wide", WIDE)


def few(lab: Lab) -> Path:
    return lab.once("few", FEW)


def snakemake(lab: Lab) -> Path:
    return lab.top / "serial" if (lab.top / "serial").exists() else lab.door("serial", "snakemake", "--cores", "1")


def cuda(name: str, graph: bool = False) -> Callable[[Lab], Path]:
    return lambda lab: lab.once(name, {"compute.device": "cuda", "compute.graph": graph})


def threads(name: str, count: int) -> Callable[[Lab], Path]:
    return lambda lab: lab.once(name, WIDE | {"compute.threads": count}, OMP_NUM_THREADS=str(count))


ROWS = (
    Row("the same again, in a new process", plain, lambda lab: lab.once("again")),
    Row("in another folder, with spaces and letters beyond ASCII in its path", plain,
        lambda lab: lab.once("an other place/ähnlich")),
    Row("`PYTHONHASHSEED` 0 against 12345", lambda lab: lab.once("hash0", PYTHONHASHSEED="0"),
        lambda lab: lab.once("hash1", PYTHONHASHSEED="12345")),
    Row("each training killed (`SIGKILL`) and started again", plain,
        lambda lab: lab.interrupted("killed", signal.SIGKILL, {})),
    Row("each training stopped (`SIGTERM`) and started again", few,
        lambda lab: lab.interrupted("stopped", signal.SIGTERM, FEW)),
    Row("one process for all against a process a job (`snakemake --cores 1`)", few, snakemake),
    Row("`snakemake --cores 1` against `--cores 2`: serial, parallel", snakemake,
        lambda lab: lab.door("parallel", "snakemake", "--cores", "2")),
    Row("Snakemake against DVC (`dvc repro`)", snakemake, lambda lab: lab.door("dvc", "dvc", "repro")),
    Row("2 threads, the same again (wide networks)", threads("two", 2), threads("two again", 2)),
    Row("1 thread against 2 (wide networks)", wide, threads("two", 2), must_be_equal=False),
    Row("another kind of CPU: vector instructions off (wide networks)", wide,
        lambda lab: lab.once("old", WIDE, ATEN_CPU_CAPABILITY="default", ONEDNN_MAX_CPU_ISA="SSE41",
                             OPENBLAS_CORETYPE="Nehalem", MKL_CBWR="COMPATIBLE"), must_be_equal=False),
    Row("`torch.compile` off against on", few, lambda lab: lab.once("compiled", FEW | COMPILED), must_be_equal=False,
        needs="compile"),
    Row("CUDA, the same again", cuda("cuda"), cuda("cuda again"), needs="cuda"),
    Row("CUDA, each training killed and started again", cuda("cuda"),
        lambda lab: lab.interrupted("cuda killed", signal.SIGKILL, {"compute.device": "cuda"}), needs="cuda"),
    Row("CUDA, launch by launch against one graph a step (`compute.graph`)", cuda("cuda"), cuda("cuda graph", True),
        must_be_equal=False, needs="cuda"),
    Row("CPU against CUDA", plain, cuda("cuda"), must_be_equal=False, needs="cuda"),
)  # fmt: skip


def missing(row: Row) -> str:
    """Why a row cannot be measured here; empty where it can."""
    if row.needs == "cuda" and not torch.cuda.is_available():
        return "not measured: torch sees no CUDA device on this machine"
    if row.needs == "compile" and "compile" not in Train.model_fields:
        return "not measured: this version has no such option"
    if row.needs == "compile" and not shutil.which("g++"):
        return "not measured: torch.compile needs g++, which is not on this machine"
    return ""


def measure(lab: Lab, row: Row) -> str:
    """One line of the table, for each model what came out.

    Raises:
        SystemExit: the package promises the same bits, and they are not.
    """
    if why := missing(row):
        return f"| {row.text} | {why} | – |"
    a, b = row.first(lab), row.second(lab)
    found = {model: distance(a, b, mark, tables) for model, (mark, tables) in MODELS.items()}
    if row.must_be_equal and not all(each.is_none for each in found.values()):
        raise SystemExit(f"not the same bits: {row.text}: {found}")
    return f"| {row.text} | {' | '.join(told(each) for each in found.values())} |"


def told(found: Distance) -> str:
    """A distance in words."""
    if found.is_none:
        return f"same bits ({found.files} files)"
    printed = f"{found.printed} of {found.of} printed numbers"
    return f"VAE {found.vae:.0e}, critics {found.critics:.0e}, metrics {found.metrics:.0e}, {printed}"


def document(top: Path) -> str:
    """The whole page."""
    lab, lines, start = Lab(top), [], time.monotonic()
    for row in ROWS:
        lines.append(measure(lab, row))
        print(lines[-1], file=sys.stderr, flush=True)
    minutes = (time.monotonic() - start) / 60
    return PAGE.format(
        table="\n".join(lines),
        machine=machine(),
        hits=lab.kills,
        tries=lab.tries,
        minutes=minutes,
        steps=steps(top),
    )


def steps(top: Path) -> str:
    """How many optimiser steps the trainings of all workspaces have."""
    counts = {read_json(path)["selected"]["steps"] for path in top.glob("*/runs/train/*/s0/run.json")}
    return f"{min(counts)} to {max(counts)} steps"


def machine() -> str:
    """Where and with what this was measured."""
    here, git = environment(), git_state()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device"
    libraries = ", ".join(f"{name} {here['libraries'][name]}" for name in ("torch", "numpy", "scikit-learn", "scipy"))
    commit = f"commit {git['revision'][:10]}{', with changes' if git['dirty'] else ''}"
    return f"{here['processor']}, {gpu}\n- {platform.system()}, Python {here['python']}, {libraries}\n- {commit}"


PAGE = """# Determinism: what gives the same bits, measured

Made by `make determinism` (`docs/make_determinism.py`): eight very small runs, both models with the four objectives
of the paper, are made in two ways and compared, from prepared data to weights, curves, embeddings, metrics, tables,
figures and sounds; only `run.json` is left out, since it names time and place. The script stops where bits differ that
are promised to agree.

Measured in {minutes:.0f} minutes on

- {machine}

| two ways | PixelCNN-VAE (digits) | DSAE (synthetic speech) |
|:--|:--|:--|
{table}

Where bits differ, the worst of all runs is shown. VAE and critics: the norm of the difference of the weights over the
norm of the weights. Metrics: the largest difference, relative to the larger of 1 and the metric. Then how many printed
numbers of the tables differ. {hits} of {tries} trainings were hit by the signal before they ended. The rows of
`SIGTERM`, the doors and `torch.compile` are of CMI-VAE alone, the others of all four.

## What is promised

- **On one machine, with the same libraries, device and number of threads: the same bits**, however often a training
  was killed, through whichever door, in whichever order, in whichever folder. `cmivae verify` L3 to L5 compares exactly
  there.
- **Another number of threads, kind of CPU or device, or `torch.compile`, gives other last bits.** Training amplifies
  them, and at once: Adam divides a gradient by its size, so a weight whose gradient is nothing but rounding (a bias in
  front of batch norm) moves by a whole learning rate, in a direction that the last bit chooses. In a long run expect
  two samples of one procedure, like two seeds, and not one run with an error of 1e-7: the rows above are of small
  networks and {steps}. That is why `compute.threads` is 1 by default, why threads, device and libraries stand in
  each run's record, and why `cmivae verify` compares within a tolerance on other machines ([audit.md](audit.md)).
- **Another kind of GPU draws other random numbers**, not only other last bits: torch's generator on CUDA splits a large
  draw by the number of multiprocessors.
- **Nothing is promised** across versions of torch: `requirements.lock` pins them.

## How

Every draw comes from a generator of its own, seeded from the run's seed and what it is for; the state of all of them is
in each checkpoint. Kernels are the deterministic ones (`torch.set_deterministic_debug_mode("error")`, cuDNN's search
off, TF32 off, cuBLAS workspace fixed): an operation without a deterministic kernel ends a run instead of blurring it.
Files are written sorted and without times in them.
"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="cmivae-determinism-") as folder:
        write_text(sys.argv[1], document(Path(folder)))
