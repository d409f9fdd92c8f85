"""Workspaces of a very small study for ``make_determinism.py``: both models, all objectives, made in many ways."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from cmivae.provenance.io import read_json

REPOSITORY = Path(__file__).resolve().parents[1]
LINKS = ("src", "workflow", "Snakefile", "dvc.yaml")
STUDY = """
label: determinism
note: "eight small runs, made again and again"
seeds: [0]
compute: {device: cpu, threads: 1}
datasets:
  digits:
    reader: digits
    data: {n_train: 96, n_valid: 48, n_test: 60, probe_per_class: 3, mcas_per_class: 2, mcas_subsets: 2}
    model: {name: pixelcnn_vae, z_dim: 4, encoder_channels: 4, encoder_out: 8, channels: 8, kernels: [5, 3], cut: 1}
    critic: {channels: 8}
    train: {epochs: 6, batch_size: 24, lr: 0.003}
    embed: {decodes: 2, posthoc: {inits: 1, epochs: 2, n_train: 48}}
    evaluate: {c: 1.0}
  voices:
    reader: synth
    data:
      synth: {train_speakers: 6, test_speakers: 4, core_speakers: 2, sentences: 3, seconds: 0.6}
      val: utterance
      valid_fraction: 0.25
      vc_segments: 8
    model: {name: dsae, z_dim: 4, s_dim: 4, hidden: 16}
    critic: {channels: 8, hidden: 8}
    train: {batch_size: 4, lr: 0.002, epochs: 6}
    embed: {voices: 1, posthoc: {inits: 1, epochs: 2}}
    evaluate: {c: 1.0}
configs: {}
tables:
  X4: {title: "Images", dataset: digits}
  X1: {title: "Verification", dataset: voices, layout: eer}
  X2: {title: "Conversion", dataset: voices, layout: conversion}
  X3: {title: "Bounds", dataset: voices, layout: elbo}
figures:
  C4: {title: "Curve", kind: curve, dataset: digits, metric: mcas}
  S5: {title: "Samples", kind: samples, dataset: digits, configs: [digits-cmi-g050]}
  V6: {title: "Voices", kind: voices, dataset: voices, configs: [voices-cmi-g050]}
style: {dpi: 60, width: 4.0, height: 3.0}
"""
WIDE = {  # so that tensors are large enough to be split among threads
    "datasets.digits.model.channels": 32, "datasets.digits.model.encoder_channels": 32,
    "datasets.digits.critic.channels": 64, "datasets.digits.train.batch_size": 48,
    "datasets.voices.model.hidden": 128, "datasets.voices.train.batch_size": 16, "datasets.voices.critic.hidden": 64,
}  # fmt: skip
OBJECTIVES = {"vanilla": 0.0, "beta": 0.5, "mi": 0.5, "cmi": 0.5}
BUILD = """
import sys
from pathlib import Path
from cmivae.provenance.specs import Study
from cmivae.stages.runner import build
from cmivae.study.loading import load_params
study = Study(load_params("params.yaml"))
for artefact in study.artefacts.values():
    if artefact.stage in sys.argv[1:] or len(sys.argv) == 1:
        build(Path(), study, artefact)
"""


FEW = {"few": True}  # of the objectives CMI alone


def values(changes: dict[str, Any]) -> dict[str, Any]:
    """Params of the study with changed dotted keys."""
    found, changes = yaml.safe_load(STUDY), dict(changes)
    objectives = {"cmi": OBJECTIVES["cmi"]} if changes.pop("few", False) else OBJECTIVES
    for name in ("digits", "voices"):
        for objective, gamma in objectives.items():
            key = f"{name}-{objective}" + ("-g050" if gamma else "")
            found["configs"][key] = {"dataset": name, "objective": objective, "gamma": gamma}
    for key, value in changes.items():
        *path, last = key.split(".")
        block = found
        for part in path:
            block = block[part]
        block[last] = value
    return found


class Lab:
    """Workspaces of the study below one folder, each made once."""

    def __init__(self, top: Path):
        self.top, self.kills, self.tries = top, 0, 0

    def empty(self, name: str, **changes: Any) -> Path:
        """A workspace in which nothing was made yet."""
        folder = self.top / name
        folder.mkdir(parents=True)
        for link in LINKS:
            (folder / link).symlink_to(REPOSITORY / link)
        (folder / "profiles").symlink_to("workflow/profiles")
        (folder / "params.yaml").write_text(yaml.safe_dump(values(changes), sort_keys=False))
        return folder

    def run(self, folder: Path, *command: str, **extra: str) -> None:
        """A command in a workspace; it must succeed."""
        done = subprocess.run(command, cwd=folder, env=_environment(extra), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}")

    def build(self, folder: Path, *stages: str, **extra: str) -> Path:
        """All artefacts, or those of some stages, in one new process."""
        self.run(folder, sys.executable, "-c", BUILD, *stages, **extra)
        return folder

    def once(self, name: str, changes: dict[str, Any] | None = None, **extra: str) -> Path:
        """The workspace of that name, built now if it was not."""
        folder = self.top / name
        return folder if folder.exists() else self.build(self.empty(name, **(changes or {})), **extra)

    @property
    def plain(self) -> Path:
        """What the others are compared with: one process, one thread."""
        return self.once("plain")

    def door(self, name: str, *command: str) -> Path:
        """A workspace made through Snakemake or DVC."""
        folder = self.empty(name, **FEW)
        if command[0] == "dvc":
            self.run(folder, "dvc", "init", "--no-scm", "--quiet")
        self.run(folder, *command)
        return folder

    def interrupted(self, name: str, number: int, changes: dict[str, Any]) -> Path:
        """Every training hit by a signal at a random moment after its first checkpoint, and started again."""
        often = changes | {"compute.checkpoint_minutes": 0.0}  # a save at every step
        folder, chance, hits = self.empty(name, **often), random.Random(name), 0
        self.build(folder, "fetch", "prepare")
        for key in values(changes)["configs"]:
            command = [sys.executable, "-m", "cmivae", "train", key, "0"]
            process = subprocess.Popen(command, cwd=folder, env=_environment({}), stderr=subprocess.DEVNULL)
            while process.poll() is None and not list((folder / ".cmivae/scratch/train" / key).rglob("state.json")):
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.1))
            process.send_signal(number)
            process.wait()
            self.run(folder, *command)
            segments = read_json(folder / f"runs/train/{key}/s0/run.json")["segments"]
            hits += [each["end"] for each in segments][:-1] in (["killed"], [f"signal {signal.Signals(number).name}"])
        self.kills += hits
        self.tries += len(values(changes)["configs"])
        if not hits:
            raise SystemExit(f"no training was hit by signal {number}: nothing was tried")
        return self.build(folder)


def _environment(extra: dict[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in ("CMIVAE_JOB", "PYTHONHASHSEED")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    fixed = {"PATH": path, "PYTHONPATH": str(REPOSITORY / "src"), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    return inherited | fixed | extra
