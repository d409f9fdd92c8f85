"""``cmivae status``: how far running and interrupted trainings are, from their locks and live curves."""

import calendar
import json
import os
import time
from pathlib import Path
from typing import Any

from cmivae.audit.book import Book
from cmivae.audit.render import line, number, table
from cmivae.errors import UserError
from cmivae.provenance.context import scratch
from cmivae.provenance.io import read_json
from cmivae.provenance.ledger import STAMP, state
from cmivae.provenance.specs import Artefact
from cmivae.provenance.whole import are_segments
from cmivae.stages.runner import lock_path

SHOWN = "loss"  # of a curve's last line
TAIL = 1 << 16  # bytes of a curve that are read


def live(book: Book) -> dict[str, Any]:
    """Jobs at work, trainings that were interrupted, and how much of the study is current."""
    held = _held_locks()
    jobs, waiting, current, failed = [], [], 0, 0
    for artefact in book.study.artefacts.values():
        pid = _holder(lock_path(book.workspace, artefact.folder), held)
        progress = _progress(book, artefact) if artefact.stage == "train" else None
        reason = state(book.workspace, artefact)
        record = book.record(artefact.folder)
        current += reason is None
        failed += record is not None and record.status == "failed"
        about = {"artefact": artefact.folder, "pid": pid}
        if pid is not None:
            jobs.append(about | (progress or {}))
        elif progress and reason is not None:
            waiting.append(about | progress)
    return {"current": current, "artefacts": len(book.study.artefacts), "failed": failed, "jobs": jobs,
            "interrupted": waiting}  # fmt: skip


def _held_locks() -> dict[int, list[tuple[str, int]]]:
    """By inode the device and the process of each lock that is held; read, so that no job is disturbed by asking."""
    try:
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}  # not Linux: who holds a lock is not told there
    found: dict[int, list[tuple[str, int]]] = {}
    for entry in lines:
        parts = entry.split()
        if len(parts) > 5 and parts[1] in ("FLOCK", "POSIX") and parts[5].count(":") == 2:
            device, _, inode = parts[5].rpartition(":")
            found.setdefault(int(inode), []).append((device, int(parts[4])))
    return found


def _holder(lock: Path, held: dict[int, list[tuple[str, int]]]) -> int | None:
    """The process that holds a lock: inodes of two file systems may be the same, so the device has to be too."""
    try:
        about = lock.stat()
    except OSError:
        return None  # never locked, or just gone
    device = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}"
    there = held.get(about.st_ino, [])
    return next((pid for other, pid in there if other == device or _has_open(pid, about)), None)


def _has_open(pid: int, about: os.stat_result) -> bool:
    """Whether a process has this very file open: some file systems (btrfs) give locks another device than files."""
    for link in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            if os.path.samestat(link.stat(), about):
                return True
        except OSError:
            continue
    return False


def _progress(book: Book, artefact: Artefact) -> dict[str, Any] | None:
    """Where a training stands, by the curve in its scratch folder; None where there is no such folder."""
    folder = scratch(book.workspace, artefact)
    last = _last_line(folder / "curve.jsonl")
    if last is None:
        return None
    epochs = book.study.params.datasets[artefact.of_run.config.dataset].train.epochs
    segments = _segments(folder / "segments.json")
    done = last.get("epoch", 0) - (0.0 if last.get("kind") == "valid" else 0.5)  # within an epoch: half of it
    share = min(max(done, 0.0) / epochs, 1.0)
    return {
        "epoch": last.get("epoch"),
        "epochs": epochs,
        "step": last.get("step"),
        "metric": SHOWN if SHOWN in last else None,
        "value": last.get(SHOWN),
        "segments": len(segments),
        "eta_s": _eta(segments, share),
        "seconds_since_last_line": round(time.time() - (folder / "curve.jsonl").stat().st_mtime),
    }


def _segments(path: Path) -> list[dict[str, Any]]:
    try:
        found = read_json(path)
    except UserError:
        return []
    return found if are_segments(found) else []


def _eta(segments: list[dict[str, Any]], share: float) -> float | None:
    """Seconds to go at the rate so far, where one process did it all and the time it spent is known."""
    if len(segments) != 1 or not share:
        return None
    start = calendar.timegm(time.strptime(segments[0]["start"], STAMP))
    spent = time.time() - start if segments[0]["stop"] is None else segments[0].get("wall_s") or 0.0
    return spent * (1 - share) / share


def _last_line(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - TAIL, 0))
        lines = file.read().decode("utf-8", errors="replace").splitlines()
    for text in reversed(lines):
        try:
            found = json.loads(text)
        except ValueError:
            continue  # half a line: it is being written
        if isinstance(found, dict):
            return found
    return {}


def live_text(found: dict[str, Any]) -> str:
    """Progress in words."""
    lines = [f"{found['current']} of {found['artefacts']} artefacts are current, {found['failed']} failed"]
    for key, words in (("jobs", "running"), ("interrupted", "waiting")):
        rows = [_row(each) for each in found[key]]
        lines.append(line(words, str(len(rows)) if rows else "none"))
        lines += table([["artefact", "pid", "epoch", "last value", "segments", "to go"], *rows], 4) if rows else []
    if found["interrupted"]:
        lines.append(line("fix", "start snakemake or dvc repro again: they go on from their checkpoints"))
    return "\n".join(lines)


def _row(job: dict[str, Any]) -> list[str]:
    epoch = f"{job['epoch']}/{job['epochs']}" if job.get("epochs") else "–"
    value = f"{job['metric']} {number(job['value'])}" if job.get("metric") else "–"
    eta = "–" if job.get("eta_s") is None else f"{job['eta_s'] / 60:.1f} min"
    return [job["artefact"], number(job["pid"]), epoch, value, str(job.get("segments", "–")), eta]
