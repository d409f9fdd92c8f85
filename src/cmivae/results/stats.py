"""From the values of seeds to the one that is printed, with its standard error and confidence interval."""

import math
from collections.abc import Callable, Sequence
from typing import Any

LEVEL = 0.95  # of every confidence interval
Interval = tuple[float, float]


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


def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Student's t that ``level`` of the distribution lies within, either side of 0.

    Raises:
        ValueError: no degree of freedom.
    """
    from scipy.special import stdtrit  # imported when asked: most commands need no quantile

    if not freedom > 0:
        raise ValueError("Student's t needs a degree of freedom")
    return float(stdtrit(freedom, 0.5 + level / 2))


def t_interval(value: float, se: float, freedom: float, level: float = LEVEL) -> Interval:
    """Confidence interval of ``value`` by Student's t."""
    half = t_quantile(freedom, level) * se
    return value - half, value + half


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Confidence interval of the mean over seeds by Student's t, n - 1 degrees of freedom; None for fewer than two."""
    mean, se, n = mean_se(values)
    return None if mean is None or se is None else t_interval(mean, se, n - 1, level)


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
