"""Mean and standard error: by hand, without a value, and whatever the order."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmivae.results.stats import AGGREGATES, mean_se, sd

FINITE = st.floats(-1e6, 1e6)


def test_by_hand():
    mean, se, n = mean_se([1.0, 2.0, 6.0])
    assert (mean, n) == (3.0, 3)
    assert se == pytest.approx(math.sqrt(7.0) / math.sqrt(3.0))  # variance (4+1+9)/2


def test_one_value_has_no_error_and_no_value_has_nothing():
    assert mean_se([4.0]) == (4.0, None, 1)
    assert mean_se([]) == (None, None, 0)
    with pytest.raises(ValueError, match="two values"):
        sd([1.0])


def test_aggregates_of_seeds():
    values = [1.0, 2.0, 6.0]
    assert AGGREGATES["mean"](values) == mean_se(values)[:2]
    assert AGGREGATES["minus mean"](values) == (-3.0, mean_se(values)[1])
    assert AGGREGATES["max"](values) == (6.0, None)  # of the best of the seeds no error is known
    assert AGGREGATES["max"]([2.0]) == (2.0, None)


def test_spread_of_subsets_is_of_one_run():
    assert AGGREGATES["sd"]([(1.0, 3.0)]) == (sd([1.0, 3.0]), None)
    assert AGGREGATES["sd"]([(1.0,)]) == (None, None)


@given(st.lists(FINITE, min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_order_does_not_matter_and_numpy_agrees(values, random):
    mixed = list(values)
    random.shuffle(mixed)
    assert mean_se(mixed) == mean_se(values)
    assert sd(values) == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-9)
