"""A step of training as one CUDA graph: some 800 kernels that one launch starts, where each would wait for its own.

A graph replays what was launched while it was captured, on the same memory. So a step that is to be captured keeps all
that lasts in tensors that it changes in place, counts its steps in a tensor too, takes its batch from one buffer, and
draws from generators that are known to the graph. Nothing of Python runs in a replay.
"""

from collections.abc import Callable, Iterable
from typing import Protocol

import torch
from torch import Tensor

from cmivae.errors import UserError
from cmivae.progress import log

WARM = 3  # steps before the capture: libraries set themselves up, optimisers make their state
Act = Callable[[], None]
Step = Callable[[Tensor], None]


class Recorder(Protocol):
    """What captures: CUDA, or in tests a stand-in on the CPU."""

    def warm(self, act: Act) -> None:
        """Do ``act`` as it will be captured."""
        ...

    def capture(self, act: Act, generators: Iterable[torch.Generator] = ()) -> Act:
        """What does ``act`` again in one launch; to capture it does nothing."""
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
        graph = torch.cuda.CUDAGraph()
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.device(self.device), torch.cuda.graph(graph, stream=self.stream):
            act()
        return graph.replay


class GraphedStep:
    """``step`` on one batch after the other: the first few as they are, all others as replays of one graph.

    Args:
        step: changes in place what it changes, and returns nothing.
        generators: all that it draws from.
    """

    def __init__(self, step: Step, generators: Iterable[torch.Generator], recorder: Recorder):
        self.step, self.generators, self.recorder = step, list(generators), recorder
        self.done = 0  # of the steps before the capture
        self.x = torch.empty(0)  # (B, ...) where replays read their batch
        self.replay: Act | None = None

    def __call__(self, x: Tensor) -> None:
        """One step; all batches have the shape of the first.  (B, ...)

        Raises:
            UserError: the step cannot be captured.
        """
        if self.replay is None and self.done < WARM:
            self.recorder.warm(lambda: self.step(x))
            self.done += 1
            return
        if self.replay is None:
            self.x = x.clone()
            self.replay = self._captured()
        self.x.copy_(x)  # raises where the shapes differ
        self.replay()

    def _captured(self) -> Act:
        try:
            return self.recorder.capture(lambda: self.step(self.x), self.generators)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            first = error.__context__ or error  # what went wrong within; then the capture ends with an error of its own
            raise UserError(
                "the training step cannot be captured as a CUDA graph",
                where="params.yaml:compute.graph",
                why=str(first).strip().splitlines()[0],
                fix="set compute.graph to false: the same run, its kernels launched one by one",
            ) from error


def stepper(
    step: Step, generators: Iterable[torch.Generator], device: torch.device, wanted: bool, what: str = "training"
) -> Step:
    """``step`` captured where that is wanted and the device can, else ``step`` itself; says so where it cannot."""
    if not wanted:
        return step
    if device.type != "cuda":
        log.info("%s: compute.graph is for CUDA devices; on this %s steps run as ever", what, device.type)
        return step
    return GraphedStep(step, generators, Cuda(device))
