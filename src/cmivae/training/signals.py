"""SIGTERM, SIGUSR1, SIGHUP or Ctrl-C: finish the step, save, stop; a second signal stops at once."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Any

from cmivae.errors import Preempted

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Truthy once a signal has asked the run to stop; a context manager that puts the old handlers back."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopRequest":
        self._before = {number: signal.signal(number, self._ask) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __bool__(self) -> bool:
        return self.signal is not None

    def _ask(self, number: int, _: FrameType | None) -> None:
        self.signal = number
        _next_one_kills()


@contextlib.contextmanager
def stopped_outside_the_steps(name: str) -> Iterator[None]:
    """A signal before the first step or after the last one ends the stage at once, with the exit code of a stop.

    Nothing is lost by it: before the steps nothing was done, and after them the last state is saved.

    Raises:
        Preempted: from wherever the process was.
    """

    def stop(number: int, _: FrameType | None) -> None:
        _next_one_kills()
        raise Preempted(f"{name} stopped by {signal.Signals(number).name}, nothing is lost", fix="start it again")

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _next_one_kills() -> None:
    for number in SIGNALS:
        signal.signal(number, signal.SIG_DFL)
