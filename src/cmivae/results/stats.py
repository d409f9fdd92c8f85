"""From the values of seeds to the one that is printed, with its standard error."""

import math
from collections.abc import Callable, Sequence
from typing import Any


def mean_se(values: Sequence[float]) -> tuple[float | None, float | None, int]:
    """Mean, standard error and count of ``values``.

    The standard error is sd(ddof 1) / sqrt(n). It is None for one value (an error of 0 would claim what one
    seed cannot know), and both are None for no value.
    """
    n = len(values)
    if n == 0:
        return None, None, 0
    return math.fsum(values) / n, (sd(values) / math.sqrt(n) if n > 1 else None), n


def sd(values: Sequence[float]) -> float:
    """Standard deviation with ddof 1, summed exactly so that the order of ``values`` does not matter.

    Raises:
        ValueError: fewer than two values.
    """
    n = len(values)
    if n < 2:
        raise ValueError("a standard deviation needs two values")
    mean = math.fsum(values) / n
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))


Aggregated = tuple[float | None, float | None]  # value, standard error


def _mean(values: Sequence[Any]) -> Aggregated:
    return mean_se(values)[:2]


def _minus_mean(values: Sequence[Any]) -> Aggregated:
    return mean_se([-value for value in values])[:2]


def _max(values: Sequence[Any]) -> Aggregated:
    return max(values), None  # the best of the seeds; nothing is known about its error


def _sd(values: Sequence[Any]) -> Aggregated:
    (subsets,) = values  # of the one baseline run
    return (sd(subsets) if len(subsets) > 1 else None), None


AGGREGATES: dict[str, Callable[[Sequence[Any]], Aggregated]] = {
    "mean": _mean,
    "minus mean": _minus_mean,  # Tables 4 and 5 print the negative ELBO
    "max": _max,  # Table 2
    "sd": _sd,  # over the labelled subsets of the baseline
}
