"""One Snakemake a workspace: a lock for its life, and what a killed one left behind is cleared where that is safe.

Snakemake's own lock outlives ``kill -9`` and does not say whose it is. Ours is an ``flock``, which ends with its
process, whatever ends that; beside it stands who holds it. Who gets it on the machine of a dead holder may remove
Snakemake's.
"""

import atexit
import contextlib
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from cmivae.errors import EXIT_BUSY, UserError
from cmivae.provenance.io import read_json, write_json

IN_JOB = "CMIVAE_JOB"  # set in the main process and so in its jobs, which parse the Snakefile again on a cluster
LOCK = ".cmivae/orchestrator.lock"
OWNER = ".cmivae/orchestrator.json"
LEFT = ".snakemake/locks"
STARTED = ".snakemake/incomplete"
WAIT = 1.0  # seconds between looks
ONLY_LOOK = (
    "archive", "d3dag", "dag", "detailed_summary", "dryrun", "filegraph", "lint", "list_changes", "list_input_changes",
    "list_params_changes", "list_rules", "list_target_rules", "list_untracked", "print_compilation", "report",
    "rulegraph", "summary",
)  # fmt: skip

_held: list[tuple[FileLock, Path]] = []


def claim(workspace: Path, *, wait: bool = False, say: Callable[[str], None] = print) -> None:
    """Be the one Snakemake of this workspace until the process ends.

    Args:
        workspace: folder of ``params.yaml``.
        wait: wait for a living one to end, rather than refuse.
        say: told what is waited for and what was cleared.

    Raises:
        UserError: another one lives, or did on another machine, of which nothing is known here (exit code 75).
    """
    path = workspace / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0, thread_local=False)
    told = False
    while not _taken(lock):
        owner = _owner(workspace)
        if not wait:
            raise _refusal("another Snakemake works in this folder", owner, f"wait for it, or stop it: {_stop(owner)}")
        if not told:
            say(f"another Snakemake works in this folder ({_named(owner)}): waiting for it to end")
            told = True
        time.sleep(WAIT)
    owner = _owner(workspace)
    if owner and not _of_this_machine(owner):
        lock.release()
        fix = f"look there; when it does not run any more, remove {OWNER} and start again"
        raise _refusal("a Snakemake on another machine did not say that it ended", owner, fix)
    if owner:
        _clear(workspace, owner, say)
    write_json(workspace / OWNER, _me())
    _held.append((lock, (workspace / OWNER).resolve()))
    atexit.register(release)


def release() -> None:
    """Give back what this process claimed: at its end by itself, but not at an ``os._exit``."""
    while _held:
        lock, owner = _held.pop()
        owner.unlink(missing_ok=True)  # before the lock is free: after it, the file would be another's
        lock.release()


def only_looks() -> bool:
    """Whether this process is a Snakemake that was asked for a plan or a list, not to make anything."""
    command, *arguments = sys.argv
    parser = sys.modules.get("snakemake.cli")
    if parser is None or "snakemake" not in Path(command).parts[-2:]:
        return False
    options = parser.parse_args(arguments)[1]
    return not options.report_after_run and any(getattr(options, name, None) not in (None, False) for name in ONLY_LOOK)


def _taken(lock: FileLock) -> bool:
    with contextlib.suppress(Timeout):
        lock.acquire()
        return True
    return False


def _me() -> dict[str, Any]:
    since = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return {"host": platform.node(), "boot": _boot(), "pid": os.getpid(), "since": since}


def _boot() -> str:
    """Names the running kernel: containers on one machine share it, though their host names differ."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _owner(workspace: Path) -> dict[str, Any]:
    """Who holds the workspace or held it last; empty where nobody is known to."""
    try:
        found = read_json(workspace / OWNER)
    except UserError:
        return {}
    return found if isinstance(found, dict) else {}


def _of_this_machine(owner: dict[str, Any]) -> bool:
    return owner.get("host") == platform.node() or owner.get("boot", "") == _boot() != ""


def _named(owner: dict[str, Any]) -> str:
    return f"pid {owner.get('pid', '?')} on {owner.get('host', '?')} since {owner.get('since', '?')}"


def _stop(owner: dict[str, Any]) -> str:
    return f"kill {owner['pid']} on {owner['host']}" if {"pid", "host"} <= owner.keys() else "Ctrl-C where it runs"


def _refusal(what: str, owner: dict[str, Any], fix: str) -> UserError:
    return UserError(f"{what}: {_named(owner)}", where=OWNER, fix=fix, code=EXIT_BUSY)


def _clear(workspace: Path, owner: dict[str, Any], say: Callable[[str], None]) -> None:
    """Remove the lock of a Snakemake that is proved dead, and say which of its cluster jobs may still be at work."""
    if any((workspace / LEFT).glob("*.lock")):
        shutil.rmtree(workspace / LEFT)
        say(f"removed the lock that a killed Snakemake left ({_named(owner)})")
    jobs = sorted({job for path in (workspace / STARTED).rglob("*") for job in _cluster_job(path)})
    if jobs:
        say(f"its cluster jobs may still run, and new ones wait for them; or: scancel {' '.join(jobs)}")


def _cluster_job(path: Path) -> list[str]:
    if not path.is_file():
        return []
    try:
        found = read_json(path)
    except UserError:  # half-written by the one that was killed
        return []
    job = found.get("external_jobid") if isinstance(found, dict) else None
    return [str(job)] if job else []
