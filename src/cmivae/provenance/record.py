"""``cmivae record``: commit to ``dvc.lock`` what Snakemake made, after verifying all of it.

A bare ``dvc commit -f`` records anything: stale parameters, half-written files, edited metrics. So everything is
checked first: every artefact current, every file rehashed, and none of them half-written.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from cmivae.errors import UserError
from cmivae.progress import log
from cmivae.provenance.ledger import check_files, recorded, state
from cmivae.provenance.specs import Study

PIPELINE = "dvc.yaml"  # of this workspace alone


def record(workspace: Path, study: Study) -> str:
    """Verify the whole workspace, then run ``dvc commit`` in it.

    Returns: one line on what was recorded.

    Raises:
        UserError: something is missing, stale, half-written or edited; then nothing is committed.
    """
    files = verify_all(workspace, study)
    _dvc(workspace, "commit", "--force", "--quiet", PIPELINE)
    left = json.loads(_dvc(workspace, "status", "--json", PIPELINE))
    if left:
        raise UserError(
            "dvc.lock does not agree with the workspace after the commit",
            where=", ".join(left),
            fix="run dvc status to see what differs",
        )
    return f"recorded {len(study.artefacts)} artefacts, {files} files in dvc.lock"


def verify_all(workspace: Path, study: Study) -> int:
    """Check every artefact of the study: current, complete, every file as recorded.

    Returns: the number of files rehashed.

    Raises:
        UserError: naming the first artefacts or the first file that do not hold.
    """
    stale = {folder: reason for folder, artefact in study.artefacts.items() if (reason := state(workspace, artefact))}
    if stale:
        shown = [f"{folder}: {reason}" for folder, reason in list(stale.items())[:3]]
        raise UserError(
            f"{len(stale)} of {len(study.artefacts)} artefacts are not current; nothing was recorded",
            where="; ".join(shown),
            fix="run snakemake first",
        )
    count = 0
    for folder in study.artefacts:
        found = recorded(workspace, folder)
        check_files(workspace, found)
        extra = _unrecorded(workspace / folder, set(found.files()))
        if extra:
            raise UserError(
                "a file lies in a run folder that its run did not make",
                where=f"{folder}/{extra}",
                fix="remove it, then record again",
            )
        count += len(found.files())
    _refuse_leftovers(workspace, study)
    log.info("%d files in %d artefacts are what their runs recorded", count, len(study.artefacts))
    return count


def _refuse_leftovers(workspace: Path, study: Study) -> None:
    """DVC takes folders as wholes: what no run of the study made must not go in with them."""
    for top in ("data/raw", "data/prepared", "runs", "results"):
        for path in sorted((workspace / top).rglob("*")):
            inside = path.relative_to(workspace)
            if path.is_file() and not any(str(parent) in study.artefacts for parent in inside.parents):
                raise UserError(
                    "a file belongs to no run of the study",
                    where=str(inside),
                    why="left over from a seed or configuration that params.yaml no longer names",
                    fix=f"remove {inside.parent}, or name it in params.yaml again",
                )


def _unrecorded(folder: Path, known: set[str]) -> str | None:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return min(names - known - {"run.json"}, default=None)


def _dvc(workspace: Path, *arguments: str) -> str:
    environment = os.environ | {"DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
        fix = f"run `dvc {' '.join(arguments)}` in {workspace} by hand: it says more"
        raise UserError(f"dvc {arguments[0]} failed", where=str(workspace / "dvc.yaml"), why=lines[-1], fix=fix)
    return done.stdout
