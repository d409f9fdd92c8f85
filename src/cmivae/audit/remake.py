"""Levels L3, L4 and L5: metrics from embeddings, embeddings from weights, weights from data, each made again."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmivae.audit.audio import BRING
from cmivae.audit.facts import changed_modules
from cmivae.audit.findings import Done
from cmivae.audit.hashes import Checker
from cmivae.audit.replay import replayed
from cmivae.progress import log
from cmivae.provenance.environment import environment, gpu_names
from cmivae.provenance.io import read_json, sha256_file
from cmivae.provenance.ledger import Record
from cmivae.stages.runner import ON_GPU
from cmivae.study.params import Compute

STAGES = {"L3": ("baseline", "evaluate", "figures"), "L4": ("prepare", "embed"), "L5": ("train",)}
WHAT = {
    "L3": "metrics, points, pages and sounds from stored embeddings and labels",
    "L4": "prepared data from raw data, embeddings from weights",
    "L5": "weights from data, trained anew from the seed",
}
ELSEWHERE = {"L3": 1e-6, "L4": 1e-5, "L5": None}  # relative, where machine or libraries are others; None: not told
COMPARED = (".json", ".safetensors")
DRAWN = (".csv", ".html", ".wav")  # of figures: to the byte on the recorded libraries and processor, else not judged


def check_stage(checker: Checker, folders: list[str], level: str) -> None:
    """Make the artefacts of a level again and compare them with what lies there.

    On the recorded libraries and processor they must be the same to the bit; elsewhere within ``ELSEWHERE``.
    """
    done = Done(level, WHAT[level], "", 0)
    worst, exact = 0.0, True
    for folder in folders:
        artefact, record = checker.book.study.artefacts.get(folder), checker.book.record(folder)
        if artefact is None or record is None or artefact.stage not in STAGES[level]:
            continue
        above = [
            path
            for path in checker.report.bad
            for name in (folder, *artefact.inputs)
            if _within(checker.outside.get(path, path), name)
        ]
        if above:
            done.notes.append(f"{folder} not made again: {above[0]} does not hold")
            continue
        absent = next((checker.absent[name] for name in artefact.inputs if name in checker.absent), None)
        if artefact.stage == "prepare" and absent:
            what = f"{folder} cannot be made again: its audio does not lie on this machine"
            checker.add(level, absent, what, "the corpus", "no such folder", BRING.format(name=artefact.dataset))
            continue
        same = same_environment(record, artefact.stage, checker.book.study.params.compute)
        exact &= same
        log.info("%s: %s is made again", level, folder)
        worst = max(worst, _remake(checker, artefact, record, level, same))
        done.count += 1
    tolerance = ELSEWHERE[level]
    elsewhere = f"{tolerance:g} relative" if tolerance else "differences are told, not judged"
    done.tolerance = "exact (libraries and processor as recorded)" if exact else f"{elsewhere} (another machine)"
    done.notes.append(f"largest difference {worst:.3g}")
    checker.report.done.append(done)


def same_environment(record: Record, stage: str, compute: Compute) -> bool:
    """Whether libraries, processor, threads and device, and so the last bits, are those that a record names."""
    then, now = record.values["environment"], environment()
    torch = then.get("torch") or {}
    if any(then[key] != now[key] for key in ("libraries", "processor", "python")):
        return False
    if torch.get("threads", compute.threads) != compute.threads:
        return False
    gpus = gpu_names() if stage in ON_GPU and compute.device != "cpu" else []
    return torch.get("gpu") in gpus if torch.get("device") == "cuda" else not gpus


def _remake(checker: Checker, artefact: Any, record: Record, level: str, same: bool) -> float:
    """Make one artefact again; returns the largest relative difference."""
    folder, worst = artefact.folder, 0.0
    code = changed_modules(record.values["code"])
    since = f"; code has changed since: {', '.join(code[:3])}" if code else ""
    with replayed(checker.book, artefact) as (made, status):
        if status != record.status:
            checker.add(level, f"{folder}/run.json", f"it ends {status} now{since}", record.status, status)
        for name in sorted(record.files()):
            if not name.endswith((*COMPARED, *DRAWN)) or checker.book.left_out.get(f"{folder}/{name}"):
                continue
            path, there = f"{folder}/{name}", checker.book.workspace / folder / name
            if not (made / name).is_file():
                checker.add(level, path, f"made again, it is not there{since}", "a file", "none")
                continue
            where, new, old, difference = compare_files(made / name, there)
            tolerance = 0.0 if same else None if name.endswith(DRAWN) else ELSEWHERE[level]
            worst = worst if tolerance is None and math.isinf(difference) else max(worst, difference)
            if tolerance is not None and difference > tolerance:
                what = f"made again, it is another{since}"
                checker.add(level, path, what, f"{where} {new!r}".strip(), f"{old!r} (difference {difference:.3g})")
    return worst


def compare_files(made: Path, there: Path) -> tuple[str, Any, Any, float]:
    """Where two JSON or safetensors files differ most: place, new, old, relative difference (0 for the same bytes)."""
    if sha256_file(made) == sha256_file(there):
        return "", None, None, 0.0
    if made.suffix in DRAWN:
        return "bytes", made.stat().st_size, there.stat().st_size, math.inf
    pairs = _json_pairs if made.suffix == ".json" else _array_pairs
    found = max(pairs(made, there), key=lambda each: each[3], default=("", None, None, 0.0))
    return found if found[3] > 0 else ("bytes", "the same values", "written otherwise", math.inf)


def _json_pairs(made: Path, there: Path) -> Iterator[tuple[str, Any, Any, float]]:
    new, old = dict(_leaves(read_json(made))), dict(_leaves(read_json(there)))
    for key in sorted(new.keys() | old.keys()):
        yield key, new.get(key), old.get(key), _distance(new.get(key), old.get(key))


def _leaves(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from _leaves(inner, f"{pointer}/{key}")
    else:
        yield pointer, value


def _distance(new: Any, old: Any) -> float:
    if new == old:
        return 0.0
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in (new, old)):
        return math.inf
    if math.isnan(new) and math.isnan(old):
        return 0.0
    difference = abs(new - old) / max(1.0, abs(old))
    return math.inf if math.isnan(difference) else difference  # NaN on one side alone: as far as can be


def _array_pairs(made: Path, there: Path) -> Iterator[tuple[str, Any, Any, float]]:
    import numpy as np
    from safetensors.numpy import load_file

    new, old = load_file(made), load_file(there)
    for name in sorted(new.keys() | old.keys()):
        a, b = new.get(name), old.get(name)
        if a is None or b is None or a.shape != b.shape or a.dtype != b.dtype:
            yield name, getattr(a, "shape", None), getattr(b, "shape", None), math.inf
        elif a.size:
            new_values, old_values = a.astype(np.float64), b.astype(np.float64)
            with np.errstate(all="ignore"):
                scaled = np.abs(new_values - old_values) / np.maximum(1.0, np.abs(old_values))
            same = (new_values == old_values) | (np.isnan(new_values) & np.isnan(old_values))
            scaled = np.where(same, 0.0, np.nan_to_num(scaled, nan=np.inf, posinf=np.inf))
            at = int(np.argmax(scaled))
            yield name, a.flat[at].item(), b.flat[at].item(), float(scaled.flat[at])


def _within(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
