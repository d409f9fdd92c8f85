"""``cmivae status``: how far running and interrupted trainings are, from their locks and live curves."""

import json
import time
from pathlib import Path
from typing import Any

from cmivae.audit.book import Book
from cmivae.audit.render import line, number, table
from cmivae.errors import UserError
from cmivae.provenance.io import read_json
from cmivae.provenance.ledger import state
from cmivae.provenance.specs import Artefact

SHOWN = ("loss", "elbo", "objective", "recon")  # of a curve's last line, the first that it has
TAIL = 1 << 16  # bytes of a curve that are read


def live(book: Book) -> dict[str, Any]:
    """Jobs at work, trainings that were interrupted, and how much of the study is current."""
    held = _held_locks()
    jobs, waiting, current, failed = [], [], 0, 0
    for artefact in book.study.artefacts.values():
        lock = book.workspace / ".cmivae/locks" / f"{artefact.folder.replace('/', '_')}.lock"
        running = lock.is_file() and lock.stat().st_ino in held
        progress = _progress(book, artefact) if artefact.stage == "train" else None
        reason = state(book.workspace, artefact)
        record = book.record(artefact.folder)
        current += reason is None
        failed += record is not None and record.status == "failed"
        about = {"artefact": artefact.folder, "pid": held.get(lock.stat().st_ino) if running else None}
        if running:
            jobs.append(about | (progress or {}))
        elif progress and reason is not None:
            waiting.append(about | progress)
    return {"current": current, "artefacts": len(book.study.artefacts), "failed": failed, "jobs": jobs,
            "interrupted": waiting}  # fmt: skip


def _held_locks() -> dict[int, int]:
    """Inode of each file that a process has locked, and its id; read, so that no job is disturbed by asking."""
    try:
        lines = Path("/proc/locks").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}  # not Linux: who holds a lock is not told there
    found = {}
    for entry in lines:
        parts = entry.split()
        if len(parts) > 5 and parts[1] in ("FLOCK", "POSIX") and parts[5].count(":") == 2:
            found[int(parts[5].rpartition(":")[2])] = int(parts[4])
    return found


def _progress(book: Book, artefact: Artefact) -> dict[str, Any] | None:
    """Where a training stands, by the curve in its scratch folder; None where there is no such folder."""
    folder = book.workspace / ".cmivae/scratch/train" / artefact.of_run.name / artefact.spec[:16]
    last = _last_line(folder / "curve.jsonl")
    if last is None:
        return None
    epochs = book.study.params.datasets[artefact.of_run.config.dataset].train.epochs
    segments = _segments(folder / "segments.json")
    name = next((key for key in SHOWN if key in last), None)
    done = last.get("epoch", 0) - (0.0 if last.get("kind") == "valid" else 0.5)  # within an epoch: half of it
    share = min(max(done, 0.0) / epochs, 1.0)
    return {
        "epoch": last.get("epoch"),
        "epochs": epochs,
        "step": last.get("step"),
        "metric": name,
        "value": last.get(name) if name else None,
        "segments": len(segments),
        "eta_s": _eta(segments, share),
        "seconds_since_last_line": round(time.time() - (folder / "curve.jsonl").stat().st_mtime),
    }


def _segments(path: Path) -> list[dict[str, Any]]:
    try:
        return read_json(path)
    except UserError:
        return []


def _eta(segments: list[dict[str, Any]], share: float) -> float | None:
    """Seconds to go at the rate so far, where one process did it all and the time it spent is known."""
    if len(segments) != 1 or not share:
        return None
    start = time.mktime(time.strptime(segments[0]["start"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
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
            return json.loads(text)
        except ValueError:
            continue  # half a line: it is being written
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
