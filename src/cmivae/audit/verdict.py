"""How our number stands to the paper's, and one cell to another, as records for the audit's commands."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from cmivae.results import differences
from cmivae.results.agreement import agreement
from cmivae.results.record import Cell


def against_paper(cell: Cell, printed: str | None) -> dict[str, Any]:
    """The paper's value with its error and n, the difference, its confidence interval, a word and the reason for it.

    Args:
        printed: the printed table that the cell's table repeats, or None.
    """
    found = dataclasses.asdict(agreement(cell, printed))
    named = {"value": found.pop("paper"), "se": found.pop("paper_se"), "n": found.pop("paper_n")}
    return named | {"verdict": found.pop("word")} | found


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Mean difference over the same seeds, its standard error, confidence interval and two-sided p (paired t-test)."""
    found = differences.paired(ours, theirs)
    return {
        "difference": found.value, "se": found.se, "n": len(ours), "interval": found.interval, "p": found.p,
    }  # fmt: skip
