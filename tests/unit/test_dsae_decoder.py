"""The decoder of DSAE: what it sees, and where its variance starts and stops."""

import pytest
import torch
from test_dsae import F, S, T, Z, randn, small_model


@pytest.mark.parametrize("var", ["bin", "scalar", "net"])
def test_decoder_sees_the_s_of_its_own_frame_and_z(var):
    model = small_model(var=var)
    s, z = randn(2, T, S, seed=3).requires_grad_(), randn(2, Z, seed=4).requires_grad_()
    for part in model.decode(s, z)[: 2 if var == "net" else 1]:
        for t in range(T):
            to_s, to_z = torch.autograd.grad(part[:, t].sum(), (s, z), retain_graph=True)
            assert (to_s.abs().sum((0, 2)) > 0).nonzero().flatten().tolist() == [t]
            assert (to_z.abs().sum(1) > 0).all()
    for whole, alone in zip(model.decode(s, z), model.decode(s[:, 3:4], z), strict=True):
        expected = whole[:, 3:4] if whole.ndim == 3 else whole
        torch.testing.assert_close(alone, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("var", "size"), [("bin", F), ("scalar", 1), ("net", 0)])
def test_variance_starts_from_that_of_the_data(var, size):
    model, variance = small_model(var=var), torch.linspace(0.01, 2, F).double()
    assert sum(p.numel() for name, p in model.named_parameters() if name == "logvar") == size
    if var == "net":
        with torch.no_grad():
            model.decoder[-1].weight.zero_()
            mean_bias = model.decoder[-1].bias[:F].clone()
    model.start_from(variance)
    mean, logvar = model.decode(randn(2, T, S), randn(2, Z))
    expected = variance.mean().expand(F) if var == "scalar" else variance
    torch.testing.assert_close(logvar.expand(2, T, F).exp(), expected.expand(2, T, F))
    if var == "net":
        assert torch.equal(mean, mean_bias.expand(2, T, F))  # the means start where they would


@pytest.mark.parametrize("var", ["bin", "scalar", "net"])
def test_variance_never_falls_below_its_bound(var):
    model, s, z = small_model(var=var, min_logvar=-4.0), randn(2, T, S), randn(2, Z)
    model.start_from(torch.zeros(F, dtype=torch.float64))  # log 0
    own = model.decoder[-1].bias[F:] if var == "net" else model.logvar
    assert torch.equal(own, torch.full_like(own, -4.0))
    with torch.no_grad():
        own.fill_(-100.0)
    logvar = model.decode(s, z)[1]
    assert torch.equal(logvar, torch.full_like(logvar, -4.0))
    with torch.no_grad():
        own.fill_(30.0)
    assert model.decode(s, z)[1].min() > 20  # and it is not held from above
