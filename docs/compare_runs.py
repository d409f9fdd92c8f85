"""How far apart two workspaces of one study are: bytes, weights, metrics, printed numbers; for make_determinism.py."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

TOPS = ("data/prepared", "runs", "results")


@dataclass(frozen=True)
class Distance:
    """Of all files of one data set, with the tables that show it."""

    files: int  # compared
    same: int  # byte for byte
    weights: float  # largest absolute difference of a weight
    metrics: float  # largest difference of a metric, relative to the larger of 1 and its value
    printed: int  # numbers of tables that are printed otherwise
    of: int  # numbers of tables

    @property
    def is_none(self) -> bool:
        return self.files == self.same


def distance(a: Path, b: Path, mark: str, tables: tuple[str, ...]) -> Distance:
    """Compare what two workspaces made of a data set.

    Args:
        mark: part of a path that only files of this data set have.
        tables: names of its tables.

    Raises:
        ValueError: there is nothing to compare, or one of the two lacks a file.
    """
    names = [name for name in files(a) if mark in name or any(name.startswith(f"results/tables/{t}.") for t in tables)]
    if not names or set(files(a)) != set(files(b)):
        raise ValueError(f"{a} and {b} do not hold the same files")
    same = sum((a / name).read_bytes() == (b / name).read_bytes() for name in names)
    weights = [name for name in names if name.startswith("runs/train/") and name.endswith(".safetensors")]
    metrics = [name for name in names if name.endswith("metrics.json")]
    shown = [name for name in names if name.startswith("results/tables/") and name.endswith(".md")]
    numbers = [(numbers_of(a / name), numbers_of(b / name)) for name in shown]
    if not (weights and metrics and numbers):
        raise ValueError(f"{a} has no weights, metrics or tables of {mark}")
    return Distance(
        files=len(names),
        same=same,
        weights=max(_weights(a / name, b / name) for name in weights),
        metrics=max(_metrics(a / name, b / name) for name in metrics),
        printed=sum(x != y for old, new in numbers for x, y in zip(old, new, strict=True)),
        of=sum(len(old) for old, _ in numbers),
    )


def files(workspace: Path) -> list[str]:
    """Files of all artefacts but their records, which name the time."""
    found = (path for top in TOPS for path in (workspace / top).rglob("*") if path.is_file())
    return sorted(str(path.relative_to(workspace)) for path in found if path.name != "run.json")


def numbers_of(table: Path) -> list[str]:
    """The numbers of a Markdown table's rows, as printed."""
    rows = [line for line in table.read_text().splitlines() if line.startswith("|") and not set(line) <= set("|-: ")]
    return [number for row in rows[1:] for number in re.findall(r"-?\d+\.\d+", row)]


def _weights(a: Path, b: Path) -> float:
    old, new = load_file(a), load_file(b)
    gaps = [np.abs(old[name].astype(np.float64) - new[name].astype(np.float64)).max(initial=0) for name in old]
    return float(max(gaps, default=0.0))


def _metrics(a: Path, b: Path) -> float:
    old, new = (dict(_leaves(json.loads(path.read_text()))) for path in (a, b))
    gaps = [abs(old[key] - new.get(key, math.inf)) / max(1.0, abs(old[key])) for key in old]
    return max(gaps, default=0.0)


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _leaves(inner, f"{place}/{key}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield place, float(value)
