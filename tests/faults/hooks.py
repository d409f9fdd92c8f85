"""Faults that a child arms in itself before its command runs."""

import os
import resource
import shutil
import signal
import sys
import time
from pathlib import Path

from cmivae.provenance import io
from cmivae.training import checkpoint, loop, signals


def _at_step(step: int, act, place: str) -> None:
    """Call ``act(trainer)`` when the given step (counted from 1, over all processes) is before or after its update."""
    update = loop.Trainer.update

    def wrapped(self, x):
        here = self.step + 1 == step
        if here and place == "before":
            act(self)
        update(self, x)
        if here and place == "after":
            act(self)

    loop.Trainer.update = wrapped


def signal_at(step: int, number: int, place: str) -> None:
    """Get a signal in the middle of a step."""
    _at_step(step, lambda trainer: os.kill(os.getpid(), number), place)


def steps_into(path: str, step: int = 0, pause: float = 0.0) -> None:
    """Write the number of each step that is begun into a file; from one of them on, pause in it."""
    update = loop.Trainer.update

    def wrapped(self, x):
        Path(path).write_text(str(self.step + 1))
        if step and self.step + 1 >= step:
            time.sleep(pause)
        update(self, x)

    loop.Trainer.update = wrapped


def asked_in_a_step(path: str, step: int, pause: float, marker: str) -> None:
    """As ``steps_into``; a file appears when a signal has been handled."""
    steps_into(path, step, pause)
    ask = signals.StopRequest._ask

    def wrapped(self, number, frame):
        ask(self, number, frame)
        Path(marker).touch()

    signals.StopRequest._ask = wrapped


def _watched(save, act) -> None:
    """Let ``act(point, name)`` see each call into C of the given save of a checkpoint, before and after it."""
    original, count = checkpoint.Checkpoints.save, 0

    def wrapped(self, *arguments):
        nonlocal count
        count += 1
        if count != save:
            return original(self, *arguments)
        points = 0

        def profile(frame, event, called):
            nonlocal points
            if event in ("c_call", "c_return") and getattr(called, "__name__", "") in WRITES:
                points += 1
                act(points, f"{'before' if event == 'c_call' else 'after'} {called.__name__}")

        sys.setprofile(profile)
        try:
            return original(self, *arguments)
        finally:
            sys.setprofile(None)

    checkpoint.Checkpoints.save = wrapped


# Calls that reach the file system. ``open`` is io.open and os.open, ``close`` of os alone; a file that io.open opened
# is closed, and what it buffers written, by ``__exit__``.
WRITES = {"mkdir", "open", "write", "flush", "close", "__exit__", "fsync", "replace", "rename", "unlink"}


def list_points(save: int, path: str) -> None:
    """Write the names of all points of a save into a file."""
    armed = []
    _watched(save, lambda point, name: armed.append(f"{point} {name}"))
    run = loop.Trainer.run

    def wrapped(self):
        result = run(self)
        Path(path).write_text("\n".join(armed))
        return result

    loop.Trainer.run = wrapped


def kill_at_point(save: int, at: int) -> None:
    """SIGKILL at one point of a save."""

    def act(point, _):
        if point == at:
            os.kill(os.getpid(), signal.SIGKILL)

    _watched(save, act)


def kill_in_write(save: int, share: float, manifest: bool) -> None:
    """SIGKILL when a share of the bytes of a state, or of its manifest, is on the disk."""
    original, count = checkpoint.Checkpoints.save, 0
    write = Path.write_bytes

    def half(self, content):
        if (".state.json" in self.name) == manifest:
            write(self, content[: int(share * len(content))])
            os.sync()
            os.kill(os.getpid(), signal.SIGKILL)
        return write(self, content)

    def wrapped(self, *arguments):
        nonlocal count
        count += 1
        if count == save:
            Path.write_bytes = half
        return original(self, *arguments)

    checkpoint.Checkpoints.save = wrapped


def signal_in(place: str, number: int) -> None:
    """Get a signal outside the steps: while data and networks are loaded, while weights or the record are written."""
    from cmivae.stages import runner, training

    owner, name = {
        "load": (training, "build_critics"),
        "write weights": (training, "save_weights"),
        "write record": (runner, "write_record"),
        "put in place": (runner, "_put_in_place"),
    }[place]
    original = getattr(owner, name)

    def wrapped(*arguments, **more):
        os.kill(os.getpid(), number)
        return original(*arguments, **more)

    setattr(owner, name, wrapped)


def not_finite_at(step: int, place: str, value: float) -> None:
    """Put NaN or infinity into one place in a step."""
    _at_step(step, lambda trainer: _spoil(trainer, place, value), "before")


def _spoil(trainer, place: str, value: float) -> None:
    model = trainer.job.model
    own = next(kind for kind in ("zs", "z", "estimator") if kind in trainer.contenders)
    critic = trainer.contenders["estimator" if place.startswith("estimator") else own].module
    if place == "batch":
        model.register_forward_pre_hook(lambda module, given: (_with(given[0], value), *given[1:]))
    elif place in ("weights", "critic weights"):
        _first(_largest(model if place == "weights" else critic).data, value)
    elif place == "gradient":
        _largest(model).register_hook(lambda gradient: _with(gradient, value))
    else:
        calls = iter(range(trainer.job.params.critic_steps))  # only the last update of this critic in the step
        last = trainer.job.params.critic_steps - 1
        _largest(critic).register_hook(
            lambda gradient: _with(gradient, value) if next(calls, None) == last else gradient
        )


def _largest(module):
    return max(module.parameters(), key=lambda weight: weight.numel())


def _with(tensor, value: float):
    return _first(tensor.clone(), value)


def _first(tensor, value: float):
    """The first element of a tensor, whatever its order in memory, is this now."""
    tensor[(0,) * tensor.dim()] = value
    return tensor


def no_file_above(size: int) -> None:
    """The kernel lets no file grow above so many bytes."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def as_nobody() -> None:
    """Give up being root, whom permissions do not bind."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def vanish_at(step: int, path: str) -> None:
    """A folder is removed in the middle of a step."""
    _at_step(step, lambda trainer: shutil.rmtree(path), "before")


def kill_at_fsync() -> None:
    """SIGKILL when the first file is written and not yet in its place."""
    io._fsync = lambda path: os.kill(os.getpid(), signal.SIGKILL)
