"""A tiny study of speech for tests of its stages, and slow definitions of what they compute."""

import csv
import io
import itertools
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import soundfile
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors

from cmivae.cli import main
from cmivae.models.dsae import Dsae
from cmivae.study.loading import load_params

RATE = 16000
PARAMS = """
label: test
note: "made-up sounds"
seeds: [0]
datasets:
  voices:
    reader: manifest
    data: {source: corpus/list.csv, splits: {other: test}, valid_fraction: 0.3, vc_segments: 8}
    model: {name: dsae, z_dim: 4, s_dim: 3, hidden: 16}
    critic: {channels: 8}
    train: {epochs: 10, batch_size: 8, lr: 0.01, critic_lr: 0.01, valid_every: 5}
    embed: {voices: 2, posthoc: {inits: 2, epochs: 2, patience: 1}}
    evaluate: {c: 1.0}
configs:
  voices-beta-g040: {dataset: voices, objective: beta, gamma: 0.4}
  voices-cmi-g040: {dataset: voices, objective: cmi, gamma: 0.4}
tables:
  S1: {title: "EER", dataset: voices, layout: eer, paper: table1}
  S2: {title: "Conversion", dataset: voices, layout: conversion, paper: table2}
  S3: {title: "ELBO", dataset: voices, layout: elbo, paper: table3}
figures:
  S4: {title: "Information", kind: curve, dataset: voices, table: S3, metric: i_zs, x: beta}
  S5: {title: "Voices", kind: voices, dataset: voices, configs: [voices-beta-g040, voices-cmi-g040]}
style: {dpi: 50, width: 4.0, height: 3.0}
"""
CONFIGS = ("voices-beta-g040", "voices-cmi-g040")
RUNS = tuple(f"{config}/s0" for config in CONFIGS)
SPEAKERS = {"train": 8, "core": 4, "other": 2}  # every other one a woman


def call(folder: Path, *arguments: str) -> int:
    return main(["-q", "-C", str(folder), *arguments])


def sound(pitch: float, samples: int, rng: np.random.Generator) -> np.ndarray:
    """A buzz whose loudness changes ten times a second, so that frames differ."""
    t = np.arange(samples) / RATE
    buzz = sum(np.sin(2 * np.pi * pitch * k * t) / k for k in range(1, 12))
    loudness = np.interp(t, np.arange(0, 9, 0.1), rng.uniform(0.1, 1, 90))
    return 0.25 * loudness * buzz + 0.005 * rng.normal(size=samples)


def write_corpus(folder: Path) -> None:
    """Men at 100 to 130 Hz, women at 200 to 230; four sounds of about half a second each."""
    rng, rows, number = np.random.default_rng(0), ["path,speaker,gender,split"], 0
    for split, count in SPEAKERS.items():
        for _ in range(count):
            sex, pitch = "MF"[number % 2], (100, 200)[number % 2] + rng.uniform(0, 30)
            number += 1
            for take in range(4):
                path = f"{split}/{sex}{number}-{take}.wav"
                (folder / split).mkdir(parents=True, exist_ok=True)
                made = sound(pitch * rng.uniform(0.98, 1.02), int(rng.integers(6700, 10_500)), rng)
                soundfile.write(folder / path, made, RATE, subtype="PCM_16")
                rows.append(f"{path},{sex}{number},{sex},{split}")
    (folder / "list.csv").write_text("\n".join(rows) + "\n")


def metrics(space: Path, run: str) -> dict:
    return json.loads((space / f"runs/evaluate/{run}/metrics.json").read_text())


def latents(space: Path, run: str) -> dict[str, np.ndarray]:
    return load_file(space / f"runs/embed/{run}/latents.safetensors")


def slow_eer(scores, is_target) -> float:
    """Where the line through (FAR, FRR) of all thresholds crosses FAR = FRR, in exact fractions."""
    same = [score for score, own in zip(scores, is_target, strict=True) if own]
    other = [score for score, own in zip(scores, is_target, strict=True) if not own]
    points = []
    for threshold in [*sorted(set(scores)), max(scores) + 1]:
        far = Fraction(sum(score >= threshold for score in other), len(other))
        frr = Fraction(sum(score < threshold for score in same), len(same))
        points.append((far, frr))
    for (far0, frr0), (far1, frr1) in itertools.pairwise(points):
        before, after = frr0 - far0, frr1 - far1
        if before < 0 <= after:
            return float(100 * (far0 + (far1 - far0) * (-before) / (after - before)))
    raise AssertionError("FRR never reaches FAR")


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return round(float(a @ b / np.sqrt((a @ a) * (b @ b))), 12)


def table_of(space: Path) -> list[dict[str, str]]:
    """Rows of the prepared test part."""
    rows = csv.DictReader(io.StringIO((space / "data/prepared/voices/prepared.csv").read_text()))
    return [row for row in rows if row["part"] == "test"]


def slow_metrics(space: Path, values: np.ndarray, core_only: bool) -> float:
    """EER in percent of one vector a test segment, from the table of utterances alone."""
    rows, at, means = table_of(space), 0, []
    for row in rows:
        count = int(row["segments"])
        means.append(values[at : at + count].astype(np.float64).mean(0))
        at += count
    assert at == len(values)
    used = [n for n, row in enumerate(rows) if row["core"] == "1" or not core_only]
    trials = list(itertools.combinations(used, 2))
    scores = [cosine(means[a], means[b]) for a, b in trials]
    return slow_eer(scores, [rows[a]["speaker"] == rows[b]["speaker"] for a, b in trials])


def edit(space: Path, old: str, new: str) -> None:
    text = (space / "params.yaml").read_text()
    assert old in text
    (space / "params.yaml").write_text(text.replace(old, new))


def averages(speech, part: str, index) -> tuple[np.ndarray, list[str]]:
    frames, starts, owners = speech.frames(part), speech.starts(part), speech.owners(part)
    means = [frames[starts[i] : starts[i] + 20].double().mean(0).numpy() for i in index]
    return np.array(means), [speech.of(part)[owners[i]].gender for i in index]


def model_of(space: Path, run: str) -> Dsae:
    model = Dsae(load_params(space / "params.yaml").datasets["voices"].model)
    model.load_state_dict(load_tensors(space / f"runs/train/{run}/model.safetensors"))
    return model.eval()
