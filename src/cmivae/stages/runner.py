"""Runs one stage for one artefact: lock, check inputs, build, record. All stages go through here."""

import contextlib
import difflib
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from filelock import FileLock, Timeout

from cmivae.errors import EXIT_BUSY, UserError
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.ledger import RECORD, Record, Stopwatch, require, state, write_record
from cmivae.provenance.specs import Artefact, Study

SHARED_FOLDER = {"fetch"}  # holds files that a user may have put there: never emptied
PASSES_FAILURE_ON = {"embed", "evaluate"}


def build(workspace: Path, study: Study, artefact: Artefact, *, force: bool = False, source: str | None = None) -> bool:
    """Make an artefact unless it is current.

    Returns: whether it was made now.

    Raises:
        UserError: an input is missing, stale or damaged; another process is at work on it; or what the stage says.
    """
    with lock(workspace, artefact.folder):
        if not force and state(workspace, artefact) is None:
            log.info("%s is current", artefact.folder)
            return False
        records = [require(workspace, study[name]) for name in artefact.inputs]
        context = Context(workspace, study, artefact, source=source)
        _empty(context)
        watch = Stopwatch()
        failed = next((r for r in records if r.status == "failed"), None)
        if failed is not None and artefact.stage in PASSES_FAILURE_ON:
            status = _pass_on(context, failed)
        else:
            status = import_module(f"cmivae.stages.{artefact.stage}").make(context) or "complete"
        context.record.setdefault("segments", []).append(watch.segment())
        write_record(workspace, study, artefact, status=status, **context.record)
        for path in context.clean_up:
            shutil.rmtree(path, ignore_errors=True)
    log.info("%s %s", artefact.folder, status)
    return True


@contextlib.contextmanager
def lock(workspace: Path, folder: str) -> Iterator[None]:
    """One process an artefact: a second one stops at once and touches nothing.

    Raises:
        UserError: another process holds it (exit code 75: try again later).
    """
    path = workspace / ".cmivae/locks" / f"{folder.replace('/', '_')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise UserError(
            "another process is making this",
            where=folder,
            why="two writers on one run would damage it; nothing was touched",
            fix="wait for it to end, or stop it, then start again",
            code=EXIT_BUSY,
        ) from None


def _empty(context: Context) -> None:
    """From here on the old artefact does not exist: its record goes first."""
    (context.folder / RECORD).unlink(missing_ok=True)
    if context.artefact.stage not in SHARED_FOLDER:
        shutil.rmtree(context.folder, ignore_errors=True)
    context.folder.mkdir(parents=True, exist_ok=True)


def _pass_on(context: Context, failed: Record) -> str:
    """A run that diverged has no weights: what is below says so instead of computing."""
    context.record["failure"] = failed.values.get("failure", {})
    log.error("%s not computed: %s failed", context.artefact.folder, failed.values["folder"])
    return "failed"


def locate(study: Study, stage: str, dataset: str = "", config: str = "", seed: int | None = None) -> Artefact:
    """The artefact that a user means.

    Raises:
        UserError: there is no such data set, configuration or seed in the study.
    """
    choices = study.of_stage(stage)
    for artefact in choices:
        run = artefact.run
        if (run is None and (artefact.dataset or "") == dataset) or (run and (run.key, run.seed) == (config, seed)):
            return artefact
    wanted = dataset or f"{config}/s{seed}"
    names = [a.run.name if a.run else a.dataset or stage for a in choices]
    close = difflib.get_close_matches(wanted, names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"
    raise UserError(f"the study has no {stage} {wanted!r}", where="params.yaml", fix=hint)
