"""Tells Snakemake what is stale: modification times set from the specs, before the DAG is built.

Neither tool's bookkeeping survives a clone, so none is trusted: an artefact is current when its record says so.
Current ones get a fixed old time by stage depth and their spec file an older one; a stale one's spec file becomes
newer than its outputs, so that ``--rerun-triggers mtime`` makes it and all below it again.
"""

import contextlib
import os
import time
from pathlib import Path

from cmivae.provenance.io import write_text
from cmivae.provenance.ledger import RECORD, state
from cmivae.provenance.specs import STAGES, Artefact, Study

SPECS = ".cmivae/specs"
EPOCH = 946_684_800  # 2000-01-01: older than any build, so that only order matters


def spec_path(folder: str) -> str:
    """Spec file of an artefact, relative to the workspace, e.g. ``.cmivae/specs/runs/train/mnist-cmi-g030/s0``."""
    return f"{SPECS}/{folder}.spec"


def sync(workspace: Path, study: Study) -> dict[str, str]:
    """Write all spec files and set modification times.

    Returns: folder of each stale artefact to the reason.
    """
    stale = {}
    for artefact in study.artefacts.values():
        spec = workspace / spec_path(artefact.folder)
        reason = state(workspace, artefact)
        if reason is None:
            _set_times(workspace, artefact, EPOCH + 10 * (STAGES.index(artefact.stage) + 1))
            if not spec.is_file() or spec.read_text() != artefact.spec:
                write_text(spec, artefact.spec)
            _utime(spec, EPOCH)
        else:
            stale[artefact.folder] = reason
            _set_times(workspace, artefact, EPOCH - 10)
            # New text too: Snakemake takes a newer file with the same checksum for unchanged.
            write_text(spec, f"{artefact.spec} stale {time.time_ns()}")
    return stale


def _set_times(workspace: Path, artefact: Artefact, when: float) -> None:
    folder = workspace / artefact.folder
    for path in sorted(folder.rglob("*"), key=lambda path: path.name == RECORD):
        if path.is_file():
            _utime(path, when)


def _utime(path: Path, when: float) -> None:
    with contextlib.suppress(FileNotFoundError):  # a running job has just replaced it
        if path.stat().st_mtime != when:
            os.utime(path, (when, when))
