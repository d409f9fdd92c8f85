"""Mean and standard error over seeds."""

import math
from collections.abc import Sequence


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
