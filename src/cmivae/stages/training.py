"""Stage train of every kind of data: one run of the study, from prepared data to selected weights and a curve."""

import shutil
from pathlib import Path

import torch

from cmivae.errors import Preempted
from cmivae.models.contract import Vae
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.io import read_json, write_json, write_text
from cmivae.provenance.ledger import Stopwatch
from cmivae.training.build import build_critics, build_objective, save_weights
from cmivae.training.items import Items
from cmivae.training.loop import Job, Trained, Trainer
from cmivae.training.signals import StopRequest


def train(context: Context, job: Job) -> str:
    """Train, or go on where an earlier process stopped; write weights, critics and ``curve.jsonl``.

    Returns:
        ``complete``, or ``failed`` when the run diverged: then ``failure.json`` says how, and no weights exist.
    """
    _look_at_scratch(context)
    segments = Segments(context.scratch / "segments.json")
    with StopRequest() as job.stop:
        try:
            result = Trainer(job).run()
        except BaseException as error:
            segments.end(f"signal {job.stop.signal}" if isinstance(error, Preempted) else type(error).__name__)
            raise
    segments.end("finished")
    context.record["segments"] = segments.all
    context.clean_up.append(context.scratch)
    return _write(context, result)


def _look_at_scratch(context: Context) -> None:
    """Say what happens to the resume state of earlier processes."""
    if context.force:
        shutil.rmtree(context.scratch, ignore_errors=True)
    others = [path for path in context.scratch.parent.glob("*") if path != context.scratch]
    if others:
        log.warning("an unfinished training with other params or code lies in %s; it is kept, not used", others[0])


def make_job(context: Context, model: Vae, device: torch.device, train: Items, valid: Items) -> Job:
    """The networks of a run, critics with fresh weights, ready to be trained on these items."""
    compute, dataset, run = context.params.compute, context.dataset, context.run
    objective = build_objective(run.config)
    return Job(
        name=run.name,
        model=model,
        objective=objective,
        critics=build_critics(dataset, objective, model, run.seed, device),
        params=dataset.train,
        train=train,
        valid=valid,
        seed=run.seed,
        device=device,
        scratch=context.scratch,
        checkpoint_minutes=compute.checkpoint_minutes,
        graph=compute.graph,
    )


def _write(context: Context, result: Trained) -> str:
    write_text(context.folder / "curve.jsonl", (context.scratch / "curve.jsonl").read_text())
    if result.failure is not None:
        write_json(context.folder / "failure.json", result.failure)
        context.record["failure"] = result.failure
        return "failed"
    for name, weights in result.weights.items():
        file = "model" if name == "vae" else f"critic_{name}"
        save_weights(context.folder / f"{file}.safetensors", weights)
    context.record["selected"] = {"epoch": result.epoch, "value": result.value, "steps": result.steps}
    return "complete"


class Segments:
    """Start and stop of each process that worked on the run, kept beside the resume state."""

    def __init__(self, path: Path):
        self.path = path
        self.all = read_json(path) if path.is_file() else []
        if self.all and self.all[-1]["end"] is None:
            self.all[-1]["end"] = "killed"
        self.watch = Stopwatch()
        self.all.append({"start": self.watch.segment()["start"], "stop": None, "end": None})
        write_json(path, self.all)

    def end(self, how: str) -> None:
        """Say how this process ended and what it spent; a process that was killed cannot."""
        self.all[-1] |= self.watch.segment(end=how)
        write_json(self.path, self.all)
