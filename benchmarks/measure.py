"""What a row of the benchmark is, and how it is timed: interleaved, in random order, median and spread of ratios."""

import math
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Case:
    """Two ways of computing the same, ready to be called.

    ``difference`` is the largest one between their outputs; None where they are two different things. One timing
    is of ``calls`` calls. The peer is only timed for a part of its work, which is ``factor`` times that.
    """

    ours: Callable[[], object]
    peer: Callable[[], object]
    difference: Callable[[], float] | None
    calls: int = 1
    factor: float = 1.0
    check: Callable[[], None] = lambda: None  # after all timings: raises where ours did not do its work


@dataclass(frozen=True)
class Row:
    """One line of the table. ``bar`` and ``stretch`` are what the ratio has to reach, or with ``at_most`` to keep."""

    key: str
    what: str
    peer: str
    make: Callable[[Any], Case]
    compared: str  # which outputs, and how
    tolerance: float = 0.0
    bar: float | None = None
    stretch: float | None = None
    at_most: bool = False

    def met(self, ratio: float) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        return ratio <= self.bar if self.at_most else ratio >= self.bar


def number(difference: float) -> float:
    """The difference; infinite where it is none, since ``max`` passes over NaN and NaN over infinity is NaN."""
    return difference if math.isfinite(difference) else math.inf


def seconds(act: Callable[[], object], calls: int, device: str) -> float:
    """Seconds of one call: CPU time of this process, or on a GPU wall time up to its end."""
    if device == "cpu":
        clock = time.process_time
    else:
        clock = time.perf_counter
        torch.cuda.synchronize()
    start = clock()
    for _ in range(calls):
        act()
    if device != "cpu":
        torch.cuda.synchronize()
    return (clock() - start) / calls


def measure(rows: list[Row], sizes: Any, repeats: int) -> dict[str, dict[str, Any]]:
    """Time all rows together: in each repeat all of them in random order, ours and the peer's one after the other."""
    cases = {row.key: row.make(sizes) for row in rows}
    found = {row.key: _compared(row, cases[row.key]) for row in rows}
    for case in cases.values():
        for _ in range(case.calls):  # not counted: first calls allocate, compile and capture
            case.ours(), case.peer()
    pairs: dict[str, list[tuple[float, float]]] = {key: [] for key in cases}
    order = random.Random(0)
    for _ in range(repeats):
        for key in order.sample(list(cases), len(cases)):
            pairs[key].append(_pair(cases[key], sizes.device, order.random() < 0.5))
    for row in rows:
        cases[row.key].check()
        found[row.key] |= _summary(row, pairs[row.key])
    return found


def _pair(case: Case, device: str, peer_first: bool) -> tuple[float, float]:
    if peer_first:
        peer = seconds(case.peer, case.calls, device)
        return seconds(case.ours, case.calls, device), peer * case.factor
    ours = seconds(case.ours, case.calls, device)
    return ours, seconds(case.peer, case.calls, device) * case.factor


def _compared(row: Row, case: Case) -> dict[str, Any]:
    if case.difference is None:
        return {"compared": row.compared, "difference": None, "tolerance": None, "equal": None}
    difference = number(float(case.difference()))
    equal = difference <= row.tolerance
    return {"compared": row.compared, "difference": difference, "tolerance": row.tolerance, "equal": equal}


def _summary(row: Row, pairs: list[tuple[float, float]]) -> dict[str, Any]:
    ratios = sorted(peer / ours for ours, peer in pairs)
    ratio = statistics.median(ratios)
    return {
        "what": row.what,
        "peer": row.peer,
        "ours_s": statistics.median(ours for ours, _ in pairs),
        "peer_s": statistics.median(peer for _, peer in pairs),
        "ratio": ratio,
        "ratio_min": ratios[0],
        "ratio_max": ratios[-1],
        "repeats": len(ratios),
        "bar": row.bar,
        "stretch": row.stretch,
        "at_most": row.at_most,
        "met": row.met(ratio),
    }
