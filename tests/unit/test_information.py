"""Information in nats, against answers known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logsumexp
from scipy.stats import norm

from cmivae.errors import UserError
from cmivae.evaluation.information import active_units, aggregate_mi, bce, i_hat


def test_i_hat_of_the_true_ratio_is_the_information_of_gaussians():
    rho, rng = 0.8, np.random.default_rng(0)
    z = rng.normal(size=200_000)
    s = rho * z + math.sqrt(1 - rho**2) * rng.normal(size=z.size)
    logit = -0.5 * math.log(1 - rho**2) - (rho**2 * (z**2 + s**2) - 2 * rho * z * s) / (2 * (1 - rho**2))
    assert i_hat(logit) == pytest.approx(-0.5 * math.log(1 - rho**2), rel=0.02)


def test_bce_is_the_loss_on_probabilities_and_does_not_overflow():
    joint, marginal = np.array([0.3, -2.0, 1.0]), np.array([0.5, -1.0])
    assert bce(joint, marginal) == pytest.approx(-np.log(expit(joint)).mean() - np.log(1 - expit(marginal)).mean())
    assert bce(np.zeros(3), np.zeros(5)) == pytest.approx(2 * math.log(2))
    assert bce(np.full(2, -1e4), np.full(2, 1e4)) == pytest.approx(2e4)


def test_active_units_counts_varying_means():
    x = np.random.default_rng(0).normal(size=(1000, 3)) * np.array([1.0, 0.01, 0.5])
    assert active_units(x) == 2
    assert active_units(x, threshold=0.5) == 1


def test_equal_posteriors_hold_no_information():
    rng = np.random.default_rng(0)
    mean, logvar = np.full((50, 4), 0.7), np.full((50, 4), -1.0)
    z = mean + np.exp(logvar / 2) * rng.normal(size=mean.shape)
    assert aggregate_mi(mean, logvar, z) == pytest.approx(0.0, abs=1e-12)


def test_separated_posteriors_hold_log_n():
    rng = np.random.default_rng(0)
    mean, logvar = 100.0 * rng.normal(size=(64, 3)), np.full((64, 3), -8.0)
    z = mean + np.exp(logvar / 2) * rng.normal(size=mean.shape)
    assert aggregate_mi(mean, logvar, z) == pytest.approx(math.log(64), abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), chunk=st.sampled_from([1, 7, 16, 500]))
def test_aggregate_mi_is_the_definition_and_ignores_the_chunk(seed, chunk):
    rng = np.random.default_rng(seed)
    mean, logvar = rng.normal(size=(16, 3)), rng.normal(size=(16, 3))
    z = mean + np.exp(logvar / 2) * rng.normal(size=mean.shape)
    log_q = norm.logpdf(z[:, None], mean[None], np.exp(logvar / 2)[None]).sum(-1)  # (16, 16)
    expected = (np.diag(log_q) - logsumexp(log_q, axis=1) + math.log(16)).mean()
    got = aggregate_mi(mean, logvar, z, chunk=chunk)
    assert got == pytest.approx(expected, abs=1e-9)
    assert got <= math.log(16) + 1e-9


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_never_become_a_number(bad):
    with pytest.raises(UserError, match="not finite"):
        i_hat([0.0, bad])
    with pytest.raises(UserError, match="not finite"):
        aggregate_mi([[bad]], [[0.0]], [[0.0]])
    with pytest.raises(UserError, match="no critic logits"):
        i_hat([])


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match="disagree"):
        aggregate_mi(np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((4, 2)))
