"""How our number stands to the paper's: consistent, different, or not to be compared. Student's t over seeds."""

import math
from collections.abc import Sequence
from typing import Any

from cmivae.results.record import Cell
from cmivae.results.stats import mean_se

LEVEL = 0.95
_T = (12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139, 2.200985)


def against_paper(cell: Cell) -> dict[str, Any]:
    """The paper's value, the difference, its confidence interval over our seeds, and a verdict in words.

    Where the paper prints a standard error too, both are in the interval; our seeds alone give the degrees of freedom.
    """
    found: dict[str, Any] = {"value": cell.paper, "difference": None, "interval": None, "verdict": ""}
    if cell.aggregate == "quoted":
        return found | {"verdict": "quoted by the paper from others: nothing of ours stands behind it"}
    if cell.paper is None:
        return found | {"verdict": "the paper prints no such number"}
    if cell.value is None:
        return found | {"verdict": f"no value of ours: {cell.problem}"}
    found["difference"] = cell.value - cell.paper
    if cell.se is not None and cell.n > 1:
        half = quantile(cell.n - 1) * math.hypot(cell.se, getattr(cell, "paper_se", None) or 0.0)
        found["interval"] = [found["difference"] - half, found["difference"] + half]
    if cell.label != "paper":
        return found | {"verdict": f"not comparable: this is the {cell.label} workspace, not the paper's scale"}
    if found["interval"] is None:
        return found | {"verdict": "not resolved: one seed has no standard error"}
    low, high = found["interval"]
    inside = low <= 0 <= high
    return found | {"verdict": "consistent with the paper" if inside else "different from the paper"}


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    """Mean difference over the same seeds, its standard error, confidence interval and two-sided p (paired t-test)."""
    mean, se, n = mean_se([a - b for a, b in zip(ours, theirs, strict=True)])
    found: dict[str, Any] = {"difference": mean, "se": se, "n": n, "interval": None, "p": None}
    if n > 1 and mean is not None and se:
        from scipy.special import stdtr

        half = quantile(n - 1) * se
        found |= {"interval": [mean - half, mean + half], "p": float(2 * stdtr(n - 1, -abs(mean) / se))}
    elif n > 1:
        found |= {"interval": [mean, mean], "p": 1.0 if mean == 0 else 0.0}  # every seed differs by the same
    return found


def quantile(freedom: int) -> float:
    """Student's t that ``LEVEL`` of the distribution lies within."""
    if freedom <= len(_T):
        return _T[freedom - 1]
    from scipy.special import stdtrit  # a tenth of a second to import, for more seeds than most studies have

    return float(stdtrit(freedom, 0.5 + LEVEL / 2))
