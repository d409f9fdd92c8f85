"""The study of the fault suite: four objectives on images and on speech, networks as small as they come."""

import shutil
from pathlib import Path

import forks
from workspace import SMALL, with_speech

from cmivae.cli import main

IMAGES = ("digits-vanilla", "digits-beta-g030", "digits-mi-g030", "digits-cmi-g030")
SPEECH = ("voices-vanilla", "voices-beta-g080", "voices-mi-g080", "voices-cmi-g080")
PAIRS = (*IMAGES, *SPEECH)
CONFIGS = """\
  digits-beta-g030: {dataset: digits, objective: beta, gamma: 0.3}
  digits-mi-g030: {dataset: digits, objective: mi, gamma: 0.3}
  voices-vanilla: {dataset: voices, objective: vanilla, gamma: 0.0}
  voices-beta-g080: {dataset: voices, objective: beta, gamma: 0.8}
  voices-mi-g080: {dataset: voices, objective: mi, gamma: 0.8}
"""
EPOCHS, STEPS = 6, 4  # steps an epoch


def text(epochs: int = EPOCHS, minutes: float = 0.0) -> str:
    """Params: so many epochs, a checkpoint every so many minutes (0: after every step)."""
    made = with_speech().replace("epochs: 1, batch_size", f"epochs: {epochs}, batch_size")
    made = made.replace("lr: 0.002, epochs: 1}", f"lr: 0.002, epochs: {epochs}}}")
    made = made.replace("\ntables:", f"\n{CONFIGS}tables:").replace("\n\n", "\n")
    return made.replace("seeds: [0]", f"seeds: [0]\ncompute: {{checkpoint_minutes: {minutes}, device: cpu}}")


def prepare(folder: Path) -> Path:
    """A workspace with all its data prepared."""
    assert "label: test" in SMALL
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text(text())
    for stage in ("fetch", "prepare"):
        for name in ("digits", "voices"):
            assert main(["-q", "-C", str(folder), stage, name]) == 0
    return folder


def copy(prepared: Path, folder: Path, **settings: float) -> Path:
    """A workspace of one's own with prepared data."""
    shutil.copytree(prepared, folder)
    (folder / "params.yaml").write_text(text(**settings))
    return folder


def run(folder: Path, stage: str, *names: str, log: Path | None = None, hook: forks.Hook | None = None) -> forks.Child:
    """Start one stage in a process of its own; a stage of runs takes seed 0."""
    seed = ["0"] if stage in ("train", "embed", "evaluate") else []
    return forks.Child(["-C", str(folder), stage, *names, *seed], log=log or folder / "said.txt", hook=hook)


def built(folder: Path, *configs: str, stages: tuple[str, ...] = ("train", "embed", "evaluate")) -> Path:
    """Make all stages of some runs, each in a process of its own; each must succeed."""
    for config in configs:
        for stage in stages:
            run(folder, stage, config).must(0)
    return folder


def outcome(folder: Path, config: str) -> dict[str, bytes]:
    """Bytes of weights, curve and, where they are computed, metrics of a run."""
    runs = [folder / "runs" / stage / config / "s0" for stage in ("train", "evaluate")]
    files = [path for run in runs if run.is_dir() for path in run.iterdir() if path.name != "run.json"]
    return {path.name: path.read_bytes() for path in files}


def same(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    """Both have the same files with the same bytes."""
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
