"""A step of training as one CUDA graph: one launch for some 800 kernels, which are launched one by one otherwise.

A graph replays what was launched while it was captured, on the same memory. So a step that is to be captured keeps all
that lasts in tensors that it changes in place, counts its steps in a tensor too, takes its batch from one buffer, and
draws from generators that are known to the graph. Nothing of Python runs in a replay.
"""

import gc
from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor

from cmivae.errors import UserError
from cmivae.progress import log

WARM = 3  # steps before the capture: libraries set themselves up, optimisers make their state
Act = Callable[[], None]
Step = Callable[[Tensor], None]
Launch = Callable[[Step, Tensor], None]


class Recorder(Protocol):
    """What captures: CUDA, or in tests a stand-in on the CPU."""

    def warm(self, act: Act) -> None:
        """Do ``act`` as it will be captured."""
        ...

    def capture(self, act: Act, generators: Iterable[torch.Generator] = ()) -> Act:
        """What does ``act`` in one launch. To capture it does not do it: that is for the first replay."""
        ...


class Cuda:
    """CUDA graphs of one device, captured on the stream that warmed up."""

    def __init__(self, device: torch.device):
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def warm(self, act: Act) -> None:
        """Do ``act`` on the stream of captures, between what was launched before and what comes after."""
        with torch.cuda.device(self.device):
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                act()
            torch.cuda.current_stream().wait_stream(self.stream)

    def capture(self, act: Act, generators: Iterable[torch.Generator] = ()) -> Act:
        """``act`` as one launch, which works on the memory that it has now."""
        collects = gc.isenabled()
        gc.collect()  # now, and not within: to free what another graph held would break the capture
        gc.disable()
        try:
            with torch.cuda.device(self.device):
                graph = torch.cuda.CUDAGraph()
                for generator in generators:
                    graph.register_generator_state(generator)
                with torch.cuda.graph(graph, stream=self.stream):
                    act()
        finally:
            if collects:
                gc.enable()
        return graph.replay


class Graphed:
    """Does a step on one batch after the other: the first few as they are, all others as replays of one graph.

    It is given the step with each batch and keeps none, so that it does not keep alive what it is a part of.

    Args:
        generators: all that the step draws from.
    """

    def __init__(self, generators: Iterable[torch.Generator], recorder: Recorder):
        self.generators, self.recorder = list(generators), recorder
        self.done = 0  # of the steps before the capture
        self.x = torch.empty(0)  # (B, ...) where replays read their batch
        self.replay: Act | None = None

    def __call__(self, step: Step, x: Tensor) -> None:
        """``step(x)``; always the same step, and batches like the first.  (B, ...)

        Raises:
            UserError: the step cannot be captured.
            ValueError: a batch of another shape or type.
        """
        if self.replay is None and self.done < WARM:
            self.recorder.warm(lambda: step(x))
            self.done += 1
            return
        if self.replay is None:
            self.x = x.clone()
            self.replay = self._captured(step)
        if (x.shape, x.dtype) != (self.x.shape, self.x.dtype):
            raise ValueError(f"a graph for batches {tuple(self.x.shape)} of {self.x.dtype} got {tuple(x.shape)}")
        self.x.copy_(x)
        self.replay()

    def _captured(self, step: Step) -> Act:
        failed: list[Exception] = []

        def act() -> None:
            try:
                step(self.x)
            except Exception as error:  # the capture then ends with an error of its own
                failed.append(error)
                raise

        try:
            return self.recorder.capture(act, self.generators)
        except RuntimeError as error:
            first = failed[0] if failed else error
            if isinstance(first, torch.OutOfMemoryError) or not isinstance(first, RuntimeError):
                raise first from None
            raise UserError(
                "the training step cannot be captured as a CUDA graph",
                where="params.yaml:compute.graph",
                why=(str(first).strip() or type(first).__name__).splitlines()[0],
                fix="set compute.graph to false: the same run, its kernels launched one by one",
            ) from error


def one_by_one(step: Step, x: Tensor) -> None:
    """``step(x)`` as it is.  (B, ...)"""
    step(x)


def launcher(generators: Iterable[torch.Generator], device: torch.device, wanted: bool, what: str) -> Launch:
    """What does the steps of ``what``: as a graph where that is wanted and the device can; says so where it cannot."""
    if not wanted:
        return one_by_one
    if device.type != "cuda":
        log.info("%s: compute.graph is for CUDA devices; on this %s steps run as ever", what, device.type)
        return one_by_one
    return Graphed(generators, Cuda(device))
