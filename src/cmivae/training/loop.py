"""One training loop for every model: a VAE step, two steps of each critic, best validation objective kept.

docs/protocol.md gives the order of updates and the selection. Everything that decides a bit (weights,
optimisers, generators, position in the epoch, running means) is in the checkpoint, so that a run killed at any point
and started again ends with the same bits on a CPU.
"""

import contextlib
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from cmivae.errors import Preempted, UserError
from cmivae.models.contract import Critic, Vae
from cmivae.models.critics import frozen
from cmivae.models.terms import Terms
from cmivae.objectives.objectives import Objective
from cmivae.progress import Progress, log
from cmivae.study.params import Train
from cmivae.training.checkpoint import Checkpoints
from cmivae.training.critics import KINDS, Contender, adam, build_contender
from cmivae.training.curve import Curve, Means, finite
from cmivae.training.devices import autocast, generator
from cmivae.training.graph import launcher
from cmivae.training.items import Items, chunks

VALID_CHUNK = 500  # items a validation forward
LINES = 3000  # of training in a curve, about; at least one an epoch and at most ten
CUDA_CHECK = 25  # steps between looks at the NaN flag on a GPU, each of which waits for the device
NOISE, VALID, CRITIC, ORDER = 1, 2, 3, 4  # streams of random numbers, never shared
Weights = dict[str, Tensor]


@dataclass
class Job:
    """What is trained: networks on their device, data, and where the scratch folder is."""

    name: str
    model: Vae
    objective: Objective
    critics: dict[str, Critic]  # by kind (``KINDS``)
    params: Train
    train: Items
    valid: Items
    seed: int
    device: torch.device
    scratch: Path
    checkpoint_minutes: float = 5.0
    stop: object = field(default=False)  # truthy when a signal asked to stop
    graph: bool = False  # steps as one CUDA graph (``training.graph``)


@dataclass
class Trained:
    """What a training yields: the selected weights, or how it failed."""

    weights: dict[str, Weights]  # "vae" and each critic, at the selected epoch
    epoch: int
    value: float  # of the selection criterion, nats
    steps: int
    failure: dict | None = None


class Diverged(Exception):
    """A loss, gradient or weight is not finite, from ``step`` on."""

    def __init__(self, why: str, step: int):
        super().__init__(why)
        self.step = step


class Trainer:
    """Runs a ``Job`` to its end, resuming where an earlier process left off."""

    def __init__(self, job: Job):
        self.job, p = job, job.params
        _refuse_what_cannot_run(job)
        self.steps_per_epoch = len(job.train) // p.batch_size  # an incomplete last batch is left out
        self.forward = torch.compile(job.model) if p.compile else job.model  # of training steps; the rest is short
        self.optimiser = adam(job.model, p.lr, p)
        self.noise = generator(job.device, job.seed, NOISE)
        self.contenders: dict[str, Contender] = {
            kind: build_contender(kind, module, p, generator(job.device, job.seed, CRITIC, KINDS.index(kind)))
            for kind, module in job.critics.items()
        }
        self.means, self.curve = Means(), Curve(job.scratch / "curve.jsonl")
        self.checkpoints = Checkpoints(job.scratch / "state")
        self.line_every = max(self.steps_per_epoch // max(1, min(10, LINES // p.epochs)), 1)
        self.step = 0  # VAE steps done
        self.best: dict = {"value": float("inf"), "epoch": 0, "weights": {}}
        self.clock = torch.zeros((), dtype=torch.long, device=job.device)  # ``step``, counted by the steps themselves
        self.bad_step = torch.zeros_like(self.clock)  # the first, or 0
        drawn = [self.noise, *(contender.generator for contender in self.contenders.values())]
        self.launch = launcher(drawn, job.device, job.graph, job.name)
        self._order_of: int | None = None  # the epoch whose order ``_indices`` is
        self._indices = torch.empty(0, dtype=torch.long, device=job.device)

    def run(self) -> Trained:
        """Train to the last epoch.

        Raises:
            Preempted: a signal asked to stop; the state is saved.
            UserError: no room for a checkpoint, or damaged checkpoints.
        """
        self._restore()
        total = self.steps_per_epoch * self.job.params.epochs
        progress = Progress(f"train {self.job.name}", total, self.step)
        saved = time.monotonic()
        try:
            if self.step == total:  # an earlier process ended after its last step: nothing is left to do
                return self._trained()
            while self.step < total:
                self._advance(progress)
                if self.job.stop:
                    self._save()
                    raise Preempted(f"{self.job.name} stopped after step {self.step}, saved", fix="start it again")
                if time.monotonic() - saved >= 60 * self.job.checkpoint_minutes:
                    self._save()
                    saved = time.monotonic()
            self._save()  # so that a process that ends while weights are written loses no step
        except Diverged as failure:
            return self._failed(failure)
        finally:
            progress.close()
        return self._trained()

    def _trained(self) -> Trained:
        return Trained(self.best["weights"], self.best["epoch"], self.best["value"], self.step)

    def _advance(self, progress: Progress) -> None:
        """One VAE step, its critic steps, and what is due after it."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        size = self.job.params.batch_size
        index = self._order(epoch)[position * size : (position + 1) * size]
        self.launch(self.update, self.job.train[index])
        self.step += 1
        progress.step()
        last = position + 1 == self.steps_per_epoch
        if last or self.job.device.type == "cpu" or self.step % CUDA_CHECK == 0:
            self._check()
        if last or (position + 1) % self.line_every == 0:
            self.curve.write("train", epoch + 1, self.step, self.means.take())
        epochs, every = self.job.params.epochs, self.job.params.valid_every
        if last and ((epoch + 1) % every == 0 or epoch + 1 == epochs):
            values = self.validate()
            self.curve.write("valid", epoch + 1, self.step, values)
            self._select(epoch + 1, values["selection"])
            if progress.bar is None:
                progress.line(f"epoch {epoch + 1} valid {values['selection']:.3f} nats")

    def _order(self, epoch: int) -> Tensor:
        """The order of one epoch, known from seed and epoch alone, so that a resume needs no replay.  (N,)"""
        if self._order_of != epoch:
            shuffle = generator(torch.device("cpu"), self.job.seed, ORDER, epoch)
            self._indices = torch.randperm(len(self.job.train), generator=shuffle).to(self.job.device)
            self.job.train.redraw(self.job.seed, epoch)
            self._order_of = epoch
        return self._indices

    def update(self, x: Tensor) -> None:
        """One step of the VAE and its critic steps on these items; the sums of the curve take note.  (B, ...)

        ``launch`` may replay it as a CUDA graph: what lasts is changed in place, and nothing hangs on ``self.step``.
        """
        job = self.job
        job.model.train()
        for contender in self.contenders.values():
            contender.module.train()
        with autocast(job.device, job.params.precision):
            terms = self.forward(x, self.noise)
        critic_losses = self._critic_steps(x, terms.z.detach(), terms.s.detach())
        logits: dict[str, Tensor] = {}
        with contextlib.ExitStack() as stack:
            for kind in job.objective.critics:
                critic = self.contenders[kind]
                stack.enter_context(frozen(critic.module))  # train mode, but nothing of the critic changes
                with autocast(job.device, job.params.precision):
                    logits[kind] = _logit(critic, terms, x)  # (B,)
            loss = job.objective.loss(terms, logits)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
        norm = nn.utils.clip_grad_norm_(job.model.parameters(), job.params.clip or float("inf"))
        self.optimiser.step()
        names = {kind: "logit" if len(logits) == 1 else f"logit_{kind}" for kind in logits}
        self.means.add(
            loss=loss,
            recon=terms.recon,
            kl_z=terms.kl_z,
            kl_s=terms.kl_s,
            grad_norm=norm,
            **critic_losses,
            **{names[kind]: logit for kind, logit in logits.items()},
        )
        norms = [contender.norm for contender in self.contenders.values()]
        networks = [job.model, *job.critics.values()]
        weights = [weight.detach() for network in networks for weight in network.parameters()]
        norms.append(nn.utils.get_total_norm(weights))  # an infinite weight in front of a tanh shows nowhere else
        self.clock.add_(1)
        bad = (self.bad_step == 0) & ~finite(loss, norm, *critic_losses.values(), *norms)
        self.bad_step.copy_(torch.where(bad, self.clock, self.bad_step))

    def _critic_steps(self, x: Tensor, z: Tensor, s: Tensor) -> dict[str, Tensor]:
        losses = {}
        for kind, contender in self.contenders.items():
            for _ in range(self.job.params.critic_steps):
                if self.job.params.d_batch == "fresh":
                    x, z, s = self._fresh(contender)
                losses[f"critic_{kind}"] = contender.step(x, z, s)
        return losses

    @torch.no_grad()
    def _fresh(self, contender: Contender) -> tuple[Tensor, Tensor, Tensor]:
        """A new batch for a critic, which leaves the running statistics of the VAE as they are."""
        job = self.job
        size = (job.params.batch_size,)
        index = torch.randint(len(job.train), size, generator=contender.generator, device=job.device)
        x = job.train[index]
        with frozen(job.model), autocast(job.device, job.params.precision):
            z, s = job.model.latents(x, contender.generator)
        return x, z, s

    def _check(self) -> None:
        if step := int(self.bad_step):
            raise Diverged(f"a loss, gradient or weight was not finite at step {step}", step)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Means over the validation part in eval mode, with the same noise at every epoch."""
        job, means = self.job, Means()
        noise = generator(job.device, job.seed, VALID)
        job.model.eval()
        for contender in self.contenders.values():
            contender.module.eval()
        weight = 0
        sums: dict[str, float] = {}
        for part in chunks(len(job.valid), VALID_CHUNK):
            x = job.valid[part]
            with autocast(job.device, job.params.precision):
                terms = job.model(x, noise)
                logits = {kind: _logit(each, terms, x) for kind, each in self.contenders.items()}
            loss = job.objective.loss(terms, logits)
            chosen = loss if job.params.select != "beta_elbo" else job.objective.without_critic(terms)
            named = {f"logit_{kind}": value for kind, value in logits.items()}
            parts = {"elbo": terms.elbo, "recon": terms.recon, "kl_z": terms.kl_z, "kl_s": terms.kl_s}
            means.add(selection=chosen, loss=loss, **parts, **named)
            for name, value in means.take().items():
                sums[name] = sums.get(name, 0.0) + value * len(x)
            weight += len(x)
        return {name: value / weight for name, value in sums.items()}

    def _select(self, epoch: int, value: float) -> None:
        if not math.isfinite(value):
            raise Diverged(f"the validation objective is not finite after epoch {epoch}", self.step)
        if value < self.best["value"] or self.job.params.select == "last":
            modules = {"vae": self.job.model} | self.job.critics
            weights = {name: _copy(module.state_dict()) for name, module in modules.items()}
            self.best = {"value": value, "epoch": epoch, "weights": weights}

    def _save(self) -> None:
        self._check()  # never keep a state that is already lost
        self.curve.flush()
        state = {
            "device": self.job.device.type,
            "step": self.step,
            "model": self.job.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "noise": self.noise.get_state(),
            "contenders": {kind: contender.state() for kind, contender in self.contenders.items()},
            "means": self.means.state(),
            "best": self.best,
            "curve_bytes": self.curve.size(),
        }
        self.checkpoints.save(state, {"step": self.step})

    def _restore(self) -> None:
        state = self.checkpoints.load()
        if state is None:
            self.curve.cut(0)
            return
        if state["device"] != self.job.device.type:
            raise UserError(
                f"{self.job.name} was begun on {state['device']}, this is {self.job.device.type}",
                where=str(self.job.scratch),
                why="random numbers differ between device types, so it cannot go on here",
                fix=f"go on where there is {state['device']}, or remove that folder to train from the start",
            )
        self.step = state["step"]
        self.clock.fill_(self.step)
        self.job.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.noise.set_state(state["noise"])
        for kind, contender in self.contenders.items():
            contender.restore(state["contenders"][kind])
        self.means.restore(state["means"], self.job.device)
        self.best = state["best"]
        self.curve.cut(state["curve_bytes"])
        log.info("train %s goes on after step %d", self.job.name, self.step)

    def _failed(self, failure: Diverged) -> Trained:
        log.error("train %s FAILED: %s", self.job.name, failure)
        told = {"why": failure, "step": failure.step, "last_means": self.means.take()}
        return Trained({}, 0, float("nan"), failure.step, {key: str(value) for key, value in told.items()})


def _refuse_what_cannot_run(job: Job) -> None:
    if len(job.train) < job.params.batch_size:
        raise UserError(
            f"{len(job.train)} training items do not fill one batch of {job.params.batch_size}",
            where="params.yaml:datasets.*.train.batch_size",
            why=f"{job.name} trains on whole batches",
            fix=f"choose a batch_size of at most {len(job.train)}, or more data",
        )
    if job.graph and job.params.d_batch == "fresh" and job.train.place.type != job.device.type:
        raise UserError(
            f"the data of {job.name} do not fit on the device, so its steps cannot be one CUDA graph",
            where="params.yaml:compute.graph",
            why="with d_batch fresh a step takes batches itself, from the CPU here",
            fix="set compute.graph to false, or train.d_batch to same",
        )


def _logit(critic: Contender, terms: Terms, x: Tensor) -> Tensor:
    return critic.logit(x, terms.z, terms.s).float()  # (B,) float32 also under bf16


def _copy(weights: Weights) -> Weights:
    return {name: value.detach().clone() for name, value in weights.items()}
