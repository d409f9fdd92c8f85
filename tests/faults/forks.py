"""Commands in processes of their own that start at once: forked from a server that has the libraries loaded.

A child is a process like any other to the kernel: it is killed by true signals, and nothing in it is simulated. Only
its start is cheap, which is what makes hundreds of kills affordable.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SERVER = multiprocessing.get_context("forkserver")
STAGES = ("embed", "evaluate", "fetch", "prepare", "train", "baseline")
SERVER.set_forkserver_preload(
    [f"cmivae.stages.{kind}.{stage}" for kind in ("image", "speech") for stage in STAGES]
    + ["cmivae.cli", "cmivae.study.loading", "cmivae.stages.runner", "cmivae.stages.tables", "cmivae.stages.overview"]
    + ["cmivae.models.pixelcnn_vae", "cmivae.models.dsae", "cmivae.objectives.objectives", "cmivae.data.synth"]
    + ["cmivae.training.loop", "filelock", "pytest", "forks", "hooks", "warm"]
)
Hook = tuple[Callable, Sequence]  # called in the child before the command


def _child(arguments: list[str], log: str, hook: Hook | None) -> None:
    from cmivae.cli import main

    with Path(log).open("wb", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    os.environ.pop("CMIVAE_JOB", None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hook is not None:
        hook[0](*hook[1])
    code = main(arguments)
    sys.stderr.flush()
    os._exit(code)


class Child:
    """One ``cmivae`` command in a forked process.

    Args:
        arguments: of the command.
        log: where its output goes.
        hook: a function and its arguments, called in the child first: it arms a fault.
    """

    def __init__(self, arguments: list[str], log: Path, hook: Hook | None = None):
        self.log = log
        self.process = SERVER.Process(target=_child, args=(arguments, str(log), hook), daemon=True)
        self.process.start()

    def send(self, number: int) -> None:
        """A signal to it, if it still runs."""
        if self.process.is_alive():
            os.kill(self.process.pid, number)

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit code, negative for a signal that killed it."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise TimeoutError(f"still running after {seconds} s; it said: {self.said()}")
        return self.process.exitcode

    def must(self, code: int) -> str:
        """Wait for this exit code; returns what it said, which is never a traceback."""
        found = self.wait()
        assert found == code, f"exit code {found}, not {code}: {self.said()}"
        assert "Traceback" not in self.said(), self.said()
        return self.said()

    def said(self) -> str:
        """What it wrote to its standard output and error."""
        return self.log.read_text(errors="replace") if self.log.is_file() else ""

    def until(self, there: Callable[[], bool], seconds: float = 60.0) -> None:
        """Wait until something holds, or the process has ended."""
        end = time.monotonic() + seconds
        while not there() and self.process.is_alive():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.002)
