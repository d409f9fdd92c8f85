"""A stand-in for CUDA graphs on a CPU, with what makes them dangerous: only kernels are replayed, on the same memory.

While it captures, all operations of torch are noted with the very tensors that they read and wrote. A replay runs them
again on those and puts results where they were then; nothing of Python runs. As in CUDA a value that is asked for is an
error, and so is a draw from a generator that the graph was not told of. Unlike CUDA it works while it captures, so the
first replay is that work.
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

# Operations whose result or its size the host needs, for which a GPU would be waited.
WAITS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_unique2", "unique_dim")


class Tape(TorchDispatchMode):
    """Notes operations, and does them again."""

    def __init__(self, generators=()):
        super().__init__()
        self.generators, self.noted, self.replays = list(generators), [], 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func.overloadpacket.__name__ in WAITS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        before = tree_map(_as_it_is, (args, kwargs))
        found = func(*args, **kwargs)
        if (drawn := kwargs.get("generator")) is not None and not self.knows(drawn):
            raise RuntimeError("a draw from a generator that the graph was not told of")
        if func.overloadpacket.__name__ != "transpose_":  # of an LSTM's output: moves nothing
            self.noted.append((func, *before, tree_map(_as_it_is, found), torch.is_grad_enabled()))
        return found

    def knows(self, drawn):
        """Whether it is one of its generators, by their states: torch wraps a generator anew for each call."""
        return any(torch.equal(each.get_state(), drawn.get_state()) for each in self.generators)

    def replay(self):
        """All of it once more."""
        self.replays += 1
        if self.replays == 1:
            return
        for func, args, kwargs, found, with_grad in self.noted:
            with torch._C._AutoDispatchBelowAutograd(), torch.set_grad_enabled(with_grad):  # LSTMs keep more with it
                again = func(*args, **kwargs)
                if all(each.alias_info is None for each in func._schema.returns):  # neither a view nor in place
                    _put(found, again)


def _as_it_is(value):
    """The same memory, in its form of now."""
    return value.detach() if isinstance(value, Tensor) else value


def _put(found, again):
    """Results to where they were when it was captured, for that is what later operations read."""
    for old, new in zip(tree_leaves(found), tree_leaves(again), strict=True):
        if isinstance(old, Tensor):
            old.copy_(new)


class OnTape:
    """A ``graph.Recorder`` for CPUs."""

    def __init__(self):
        self.warmed, self.tapes = 0, []

    def warm(self, act):
        self.warmed += 1
        act()

    def capture(self, act, generators=()):
        tape = Tape(generators)
        with tape:
            act()
        self.tapes.append(tape)
        return tape.replay
