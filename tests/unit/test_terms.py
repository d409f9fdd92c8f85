"""The Gaussian maths that all models share, against torch.distributions."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_dsae import F, generator, randn
from torch.distributions import Normal, kl_divergence

from cmivae.models.terms import gaussian_kl, gaussian_kl_between, gaussian_nll, gaussian_sample

dimensions = st.lists(st.integers(1, 4), min_size=1, max_size=3)
seeds = st.integers(0, 2**31)
scales = st.floats(0.01, 6)


@settings(max_examples=40)
@given(shape=dimensions, seed=seeds, scale=scales)
def test_gaussian_kl_against_torch(shape, seed, scale):
    mean, logvar, p_mean, p_logvar = scale * randn(4, *shape, seed=seed)
    q, p = Normal(mean, (logvar / 2).exp()), Normal(p_mean, (p_logvar / 2).exp())
    torch.testing.assert_close(
        gaussian_kl_between(mean, logvar, p_mean, p_logvar), kl_divergence(q, p).sum(-1), rtol=1e-9, atol=1e-9
    )
    zero = torch.zeros_like(mean)
    torch.testing.assert_close(gaussian_kl_between(mean, logvar, zero, zero), gaussian_kl(mean, logvar))
    assert torch.equal(gaussian_kl_between(mean, logvar, mean, logvar), torch.zeros(shape[:-1], dtype=torch.float64))


@settings(max_examples=40)
@given(shape=dimensions, seed=seeds, scale=scales, per_bin=st.booleans())
def test_gaussian_nll_against_torch(shape, seed, scale, per_bin):
    x, mean, logvar = scale * randn(3, *shape, seed=seed)
    if per_bin:
        logvar = logvar.reshape(-1)[: shape[-1]]  # (F,)
    expected = -Normal(mean, (logvar / 2).exp()).log_prob(x).sum(-1)
    torch.testing.assert_close(gaussian_nll(x, mean, logvar), expected, rtol=1e-9, atol=1e-9)


def test_one_variance_for_all_bins_counts_once_a_bin():
    x, mean, logvar = randn(4, 3, F, seed=1), randn(4, 3, F, seed=2), torch.tensor([-1.3], dtype=torch.float64)
    expected = gaussian_nll(x, mean, logvar.expand(F))
    torch.testing.assert_close(gaussian_nll(x, mean, logvar), expected, rtol=0, atol=1e-12)


def test_gaussian_sample_has_the_mean_and_the_deviation():
    mean, logvar = torch.tensor([1.0, -2.0]).double(), torch.tensor([0.0, 2 * math.log(3)]).double()
    drawn = gaussian_sample(mean.expand(40_000, 2), logvar.expand(40_000, 2), generator(1))
    torch.testing.assert_close(drawn.mean(0), mean, rtol=0, atol=0.06)
    torch.testing.assert_close(drawn.std(0), torch.tensor([1.0, 3.0]).double(), rtol=0.02, atol=0)
