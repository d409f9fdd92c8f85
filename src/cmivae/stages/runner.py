"""Runs one stage for one artefact: lock, check inputs, build aside, record, put in place. All go through here."""

import contextlib
import difflib
import os
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

from filelock import FileLock, Timeout

from cmivae.errors import EXIT_BUSY, Preempted, UserError
from cmivae.progress import log
from cmivae.provenance.code import imported_now
from cmivae.provenance.context import Context
from cmivae.provenance.environment import environment, git_state
from cmivae.provenance.io import digest, sweep
from cmivae.provenance.ledger import Record, Stopwatch, require, state, write_record
from cmivae.provenance.orchestrator import IN_JOB
from cmivae.provenance.slots import gpu_slot
from cmivae.provenance.specs import Artefact, Study
from cmivae.registry import SELF_SUPPLIED
from cmivae.study.params import Compute
from cmivae.training.signals import stopped_outside_the_steps

IN_PLACE = {"fetch"}  # its folder holds files that a user may have put there
ON_GPU = {"train", "embed"}
PASSES_FAILURE_ON = {"embed", "evaluate"}
# As CUDA, as cuBLAS and cuDNN, and as torch on a CPU say it; of NumPy and Python it is a MemoryError.
NO_MEMORY = ("out of memory", "ALLOC_FAILED", "can't allocate memory")
POLL = 0.5  # seconds between looks at another process's lock


def build(workspace: Path, study: Study, artefact: Artefact, *, force: bool = False, source: str | None = None) -> bool:
    """Make an artefact unless it is current; the old one stays until the new one is whole.

    Returns: whether it was made now.

    Raises:
        UserError: an input is missing, stale or damaged; another process is at work on it; or what the stage says.
    """
    _refuse_source(study, artefact, source)
    with lock(workspace, artefact.folder), _stoppable(artefact):
        if not force and state(workspace, artefact) is None:
            log.info("%s is current", artefact.folder)
            if source is not None:
                log.warning("%s was not read: the data is current (--force makes it anew)", source)
            return False
        records = [require(workspace, study[name]) for name in artefact.inputs]
        environment(), git_state()  # as they are when the work starts
        target = workspace / artefact.folder
        folder = target if artefact.stage in IN_PLACE else _aside(workspace, artefact)
        sweep(folder)
        context = Context(workspace, study, artefact, folder, source=source, force=force)
        watch = Stopwatch()
        frame = imported_now()  # what the commands themselves need, before the stage imports its own
        status = _make(context, records)
        context.record.setdefault("segments", [watch.segment()])
        context.record["imported_beyond_spec"] = _beyond_spec(artefact, frame)
        imported = sorted(imported_now() & artefact.code.keys())  # of what the spec covers, what really took part
        context.record["imported"] = {"modules": imported, "digest": digest({m: artefact.code[m] for m in imported})}
        write_record(folder, study.params.label, artefact, records, status=status, **context.record)
        if folder != target:
            _put_in_place(folder, target)
        for path in context.clean_up:
            shutil.rmtree(path, ignore_errors=True)
    log.info("%s %s", artefact.folder, status)
    return True


def _refuse_source(study: Study, artefact: Artefact, source: str | None) -> None:
    if source is None or artefact.dataset is None:
        return
    reader = study.params.datasets[artefact.dataset].reader
    if reader in SELF_SUPPLIED:
        why = f"the reader {reader!r} brings or makes its own data"
        raise UserError(f"{artefact.dataset} takes no folder", where=f"--from {source}", why=why, fix="leave it out")


def _stoppable(artefact: Artefact) -> contextlib.AbstractContextManager:
    """A training is asked to stop by signals, also while it loads and while it writes; other stages just end."""
    return stopped_outside_the_steps(artefact.name) if artefact.stage == "train" else contextlib.nullcontext()


def _beyond_spec(artefact: Artefact, frame: set[str]) -> list[str]:
    """Modules that the stage imported though its code digest does not cover them: none, or the spec is blind."""
    beyond = sorted(imported_now() - frame - set(artefact.code))
    if beyond:
        log.warning("%s imported code that its spec does not cover: %s", artefact.name, ", ".join(beyond))
    return beyond


def _make(context: Context, records: list[Record]) -> str:
    """Let the stage work; returns ``complete`` or ``failed``."""
    artefact, compute = context.artefact, context.params.compute
    failed = next((record for record in records if record.status == "failed"), None)
    if failed is not None and artefact.stage in PASSES_FAILURE_ON:
        return _pass_on(context, failed)
    try:
        with gpu_of(artefact, compute):
            return make_of(artefact)(context) or "complete"
    except Preempted:
        raise
    except UserError as error:
        error.where = _placed(error.where, artefact)
        raise
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is one, but torch may not be loaded here
        if not isinstance(error, MemoryError) and not any(words in str(error) for words in NO_MEMORY):
            raise
        why = str(error)[:200]
        fix = "choose a smaller batch or network, fewer jobs at a time, or a machine or GPU with more memory"
        raise UserError("there is too little memory", where=artefact.name, why=why, fix=fix) from None


def _placed(where: str, artefact: Artefact) -> str:
    """With the names of data set and configuration, which code below the stages does not know; or the artefact's."""
    dataset = artefact.run.config.dataset if artefact.run else artefact.dataset
    if dataset is not None:
        where = where.replace(":datasets.*.", f":datasets.{dataset}.")
    if artefact.run is not None:
        where = where.replace(":configs.*.", f":configs.{artefact.run.key}.")
    return where or artefact.name


def make_of(artefact: Artefact) -> Callable[[Context], str | None]:
    """The function that makes an artefact; it says ``failed`` where a run diverged."""
    return import_module(artefact.maker).make


def gpu_of(artefact: Artefact, compute: Compute) -> contextlib.AbstractContextManager:
    """A GPU of this machine for a stage that works on one, waited for; nothing for another, or with device cpu."""
    wants_gpu = artefact.stage in ON_GPU and compute.device in ("auto", "cuda")
    return gpu_slot(compute.jobs_per_gpu) if wants_gpu else contextlib.nullcontext()


def lock_path(workspace: Path, folder: str) -> Path:
    """The file whose lock says that a process is at work on an artefact."""
    return workspace / ".cmivae/locks" / f"{folder.replace('/', '_')}.lock"


@contextlib.contextmanager
def lock(workspace: Path, folder: str) -> Iterator[None]:
    """One process an artefact: a second one stops at once and touches nothing.

    A job of a workflow waits instead: a Snakemake that was killed leaves its jobs at work, and when the one that holds
    this artefact is done, the next Snakemake's job finds it current.

    Raises:
        UserError: another process holds it (exit code 75: try again later).
    """
    path = lock_path(workspace, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(path, timeout=0)
    try:
        held.acquire()
    except Timeout:
        if IN_JOB not in os.environ:
            raise UserError(
                "another process is making this",
                where=folder,
                why="two writers on one run would damage it; nothing was touched",
                fix="wait for it to end, or stop it, then start again",
                code=EXIT_BUSY,
            ) from None
        log.info("another process is making %s: waiting for it to end", folder)
        held.acquire(timeout=-1, poll_interval=POLL)
    try:
        yield
    finally:
        held.release()


def _aside(workspace: Path, artefact: Artefact) -> Path:
    """An empty folder on the same disk, where a stage may stop at any point without harm."""
    folder = workspace / ".cmivae/building" / artefact.folder
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def _put_in_place(folder: Path, target: Path) -> None:
    """Swap the new artefact for the old one: two renames, between which there is none rather than a mixture."""
    target.parent.mkdir(parents=True, exist_ok=True)
    old = folder.with_name(f"{folder.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    shutil.rmtree(old, ignore_errors=True)


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
