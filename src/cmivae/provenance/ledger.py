"""Run records: ``run.json`` is written last and atomically; a folder without a complete one does not exist.

A record tells what the artefact was made of (spec, parameters, inputs, code), what is in it (files with size and
SHA-256), where and when it was made, and at what cost.
"""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmivae.errors import UserError
from cmivae.provenance.environment import environment, git_state, torch_environment
from cmivae.provenance.io import digest, read_json, sha256_file, write_json
from cmivae.provenance.specs import Artefact
from cmivae.provenance.whole import FORMAT, is_whole

RECORD = "run.json"
STAMP = "%Y-%m-%dT%H:%M:%SZ"  # how times are written, in UTC


@dataclass(frozen=True)
class Record:
    """A complete ``run.json``."""

    values: dict[str, Any]
    path: Path

    @property
    def spec(self) -> str:
        """Digest of what it was made of."""
        return self.values["spec"]

    @property
    def status(self) -> str:
        """``complete``, or ``failed`` for a run that diverged (then ``failure`` says how)."""
        return self.values["status"]

    @property
    def content(self) -> str:
        """Digest of the artefact's file table: what those downstream consumed."""
        return self.values["content"]

    @property
    def run_id(self) -> str:
        """Short name of this very artefact: spec and content."""
        return digest([self.spec, self.content])[:16]

    @property
    def segments(self) -> list[dict[str, Any]]:
        """What each process that worked on it says of itself; none where the record does not tell."""
        return self.values.get("segments") or []

    @property
    def gpu(self) -> str | None:
        """The GPU that it was made on, if it was."""
        torch = self.values["environment"].get("torch") or {}
        return torch.get("gpu") if torch.get("device") == "cuda" else None

    @property
    def device(self) -> str:
        """That GPU, or else the processor."""
        return self.gpu or self.values["environment"]["processor"]

    def files(self) -> dict[str, dict[str, Any]]:
        """File name to size and sha256."""
        return self.values["files"]


def read_record(workspace: Path, folder: str) -> Record | None:
    """The record of an artefact, or None where there is no complete one."""
    path = workspace / folder / RECORD
    if not path.is_file():
        return None
    try:
        values = read_json(path)
    except UserError:
        return None  # half-written or damaged: the same as not there
    return Record(values, path) if is_whole(values, folder) else None


def write_record(
    folder: Path, label: str, artefact: Artefact, inputs: list[Record], *, status: str = "complete", **more: Any
) -> None:
    """Hash the files that a stage wrote into ``folder`` and write the artefact's record there, last.

    Args:
        inputs: records of what the stage read, as they were when it started.
    """
    files = {
        str(path.relative_to(folder)): {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != RECORD and not path.name.endswith(".part")
    }
    torch = torch_environment()
    values = {
        "format": FORMAT,
        "stage": artefact.stage,
        "folder": artefact.folder,
        "run": {"config": artefact.run.key, "seed": artefact.run.seed} if artefact.run else None,
        "label": label,
        "status": status,
        "spec": artefact.spec,
        "params": artefact.params,
        "inputs": {each.values["folder"]: {"spec": each.spec, "content": each.content} for each in inputs},
        "code": artefact.code,
        "files": files,
        "content": digest(files),
        "environment": environment() | {"torch": torch},
        "git": git_state(),
        "cost": cost(more.get("segments", []), torch),
        **more,
    }
    write_json(folder / RECORD, values | {"seal": seal(values)})


def seal(values: dict[str, Any]) -> str:
    """Digest of all that a record says, but for the seal itself: an edited record no longer agrees with its own."""
    return digest({name: value for name, value in values.items() if name != "seal"})


def cost(segments: list[dict[str, Any]], torch: dict[str, Any] | None) -> dict[str, Any]:
    """What the segments of a stage spent in all; a segment that was killed could not say."""
    told = [segment for segment in segments if segment.get("wall_s") is not None]
    wall = round(sum(segment["wall_s"] for segment in told), 3)
    return {
        "wall_s": wall,
        "cpu_s": round(sum(segment["cpu_s"] for segment in told), 3),
        "gpu_s": wall if torch and torch["device"] == "cuda" else 0.0,
        "peak_mb": max((segment["peak_mb"] for segment in told), default=None),
        "untold": len(segments) - len(told),
    }


def state(workspace: Path, artefact: Artefact) -> str | None:
    """Why an artefact must be made again; None when it is current.

    Looks at records and file sizes only; ``check_files`` rehashes.
    """
    record = read_record(workspace, artefact.folder)
    if record is None:
        return "it was not made yet" if not (workspace / artefact.folder).exists() else "it has no complete run.json"
    if "seal" in record.values and record.values["seal"] != seal(record.values):
        return f"{RECORD} was edited after it was written"
    if record.spec != artefact.spec:
        return difference(record, artefact)
    for name, entry in record.files().items():
        path = workspace / artefact.folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != entry["size"]:
            return f"{name} has {path.stat().st_size} bytes, recorded {entry['size']}"
    for name, made_from in record.values["inputs"].items():
        upstream = read_record(workspace, name)
        if upstream is not None and upstream.content != made_from["content"]:
            return f"{name} holds other files than it was made from"
    return None


def difference(record: Record, artefact: Artefact) -> str:
    """What differs between how an artefact was made and how it should be, in words."""
    old, new = flat(record.values["params"]), flat(artefact.params)
    changed = [
        f"{key} {old.get(key)!r}, params say {new.get(key)!r}"
        for key in sorted(old | new)
        if old.get(key) != new.get(key)
    ]
    if changed:
        return f"made with {'; '.join(changed[:3])}"
    modules = record.values["code"]
    edited = [name for name in sorted(modules | artefact.code) if modules.get(name) != artefact.code.get(name)]
    if edited:
        return f"made with other code: {', '.join(edited[:3])}"
    stale = [name for name in artefact.inputs if name not in record.values["inputs"]]
    return f"its inputs changed{': ' + stale[0] if stale else ''}"


def check_files(workspace: Path, record: Record) -> None:
    """Rehash all files of an artefact.

    Raises:
        UserError: naming the first file that is missing or differs.
    """
    folder = record.path.parent
    for name, entry in record.files().items():
        path = folder / name
        shown = path.relative_to(workspace)
        if not path.is_file():
            raise UserError("a recorded file is missing", where=str(shown), fix=_fix(record))
        found = sha256_file(path)
        if found != entry["sha256"]:
            raise UserError(
                "a file is not what its run recorded",
                where=str(shown),
                why=f"recorded sha256 {entry['sha256'][:12]}…, found {found[:12]}…",
                fix=_fix(record),
            )


def require(workspace: Path, artefact: Artefact) -> Record:
    """The record of an input that is current and whole; every stage calls this on what it reads.

    Raises:
        UserError: the input is missing, stale or damaged.
    """
    reason = state(workspace, artefact)
    if reason is not None:
        raise UserError(
            f"STALE {artefact.folder}: {reason}",
            where=artefact.folder,
            fix="let snakemake or dvc repro make it again first",
        )
    record = recorded(workspace, artefact.folder)
    check_files(workspace, record)
    return record


def recorded(workspace: Path, folder: str) -> Record:
    """The record of an artefact that was found to be current.

    Raises:
        FileNotFoundError: it has gone since.
    """
    record = read_record(workspace, folder)
    if record is None:
        raise FileNotFoundError(f"{folder}/{RECORD}")
    return record


def _fix(record: Record) -> str:
    folder = record.values["folder"]
    return f"dvc pull {folder}, or remove {folder}/{RECORD} and start snakemake or dvc repro again"


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted key."""
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return found


class Stopwatch:
    """Start, wall and CPU seconds and peak memory of one segment of a stage."""

    def __init__(self) -> None:
        self.start, self.wall, self.cpu = time.time(), time.monotonic(), time.process_time()

    def segment(self, **more: Any) -> dict[str, Any]:
        """What this process spent so far."""
        return {
            "start": time.strftime(STAMP, time.gmtime(self.start)),
            "stop": time.strftime(STAMP, time.gmtime()),
            "wall_s": round(time.monotonic() - self.wall, 3),
            "cpu_s": round(time.process_time() - self.cpu, 3),
            "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            **more,
        }
