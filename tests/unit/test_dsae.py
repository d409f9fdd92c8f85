"""DSAE: what may depend on what, known sizes, and every term and gradient against a slow loop over time."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from cmivae.models.dsae import Dsae
from cmivae.study import params as study

T, F, Z, S, H = 7, 6, 3, 2, 5
SMALL = {"name": "dsae", "z_dim": Z, "s_dim": S, "hidden": H}
VARIANTS = [
    {},
    {"q_s": "ar"},
    {"prior": "markov"},
    {"q_s": "ar", "prior": "markov"},
    {"var": "scalar"},
    {"var": "net"},
    {"var": "net", "q_s": "ar"},
]
TERMS = ("z", "z_mean", "z_logvar", "s", "recon", "kl_z", "kl_s")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def frames(count: int = 3, seed: int = 1) -> Tensor:
    return randn(count, T, F, seed=seed)


def small_model(seed: int = 2, **changes) -> Dsae:
    """A net of double precision whose weights are so large that every path shows."""
    model = Dsae(study.Dsae(**{**SMALL, **changes}), generator(seed), (T, F)).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
        if model.var != "net":
            model.logvar.copy_(0.3 * randn(*model.logvar.shape, seed=seed))
    return model


def parameters(*modules: torch.nn.Module) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


# --- the slow reference: one time step after the other, by the formulas of the nets -----------------------------------


def weights_of(net: torch.nn.Module, suffix: str = "") -> list[Tensor]:
    return [getattr(net, f"{name}_l0{suffix}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]


def lstm(net: torch.nn.LSTM, x: Tensor, suffix: str = "") -> list[Tensor]:
    """Hidden states of an LSTM that goes through the steps of x as they come.  (B, T, I) -> T x (B, H)"""
    w_in, w_state, b_in, b_state = weights_of(net, suffix)
    h = c = x.new_zeros(len(x), net.hidden_size)
    states = []
    for t in range(x.shape[1]):
        i, f, g, o = (x[:, t] @ w_in.T + b_in + h @ w_state.T + b_state).chunk(4, dim=1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        states.append(h)
    return states


def both_ways(net: torch.nn.LSTM, x: Tensor) -> list[Tensor]:
    """[forward state; backward state] at each step.  (B, T, I) -> T x (B, 2H)"""
    there, back = lstm(net, x), lstm(net, x.flip(1), "_reverse")[::-1]
    return [torch.cat(pair, dim=1) for pair in zip(there, back, strict=True)]


def reference(model: Dsae, x: Tensor, noise_z: Tensor, noise_s: Tensor) -> dict[str, Tensor]:
    """The terms of Eq. 2 with torch.distributions; noise (B, Z) and (B, T, S)."""
    there, back = lstm(model.z_lstm, x), lstm(model.z_lstm, x.flip(1), "_reverse")
    z_mean, z_logvar = model.z_out(torch.cat([there[-1], back[-1]], dim=1)).chunk(2, dim=1)
    z = z_mean + (z_logvar / 2).exp() * noise_z
    features = both_ways(model.s_lstm, torch.cat([x, z[:, None].expand(-1, x.shape[1], -1)], dim=2))
    w_in, w_state, b_in, b_state = weights_of(model.s_rnn)
    before, state = x.new_zeros(len(x), S), x.new_zeros(len(x), H)
    memory = (x.new_zeros(len(x), H),) * 2
    samples, kl_s, recon = [], 0, 0
    for t in range(x.shape[1]):
        joined = torch.cat([features[t], before], dim=1) if model.q_s == "ar" else features[t]
        state = (joined @ w_in.T + b_in + state @ w_state.T + b_state).tanh()
        mean, logvar = model.s_out(state).chunk(2, dim=1)
        s = mean + (logvar / 2).exp() * noise_s[:, t]
        if isinstance(model.prior, torch.nn.LSTM):
            p_in, p_state, pb_in, pb_state = weights_of(model.prior)
            memory = torch.lstm_cell(before, memory, p_in, p_state, pb_in, pb_state)
            hidden = memory[0]
        else:
            hidden = (before @ model.prior.net[0].weight.T + model.prior.net[0].bias).tanh()
        p_mean, p_logvar = model.prior_out(hidden).chunk(2, dim=1)
        q, p = Normal(mean, (logvar / 2).exp()), Normal(p_mean, (p_logvar / 2).exp())
        kl_s = kl_s + kl_divergence(q, p).sum(1)
        a = torch.cat([s, z], dim=1)
        for layer in (0, 2):
            a = (a @ model.decoder[layer].weight.T + model.decoder[layer].bias).clamp_min(0)
        out = a @ model.decoder[4].weight.T + model.decoder[4].bias
        x_mean, x_logvar = out.chunk(2, dim=1) if model.var == "net" else (out, model.logvar)
        recon = recon - Normal(x_mean, (x_logvar / 2).exp()).log_prob(x[:, t]).sum(1)
        samples.append(s)
        before = s
    kl_z = kl_divergence(Normal(z_mean, (z_logvar / 2).exp()), Normal(0.0, 1.0)).sum(1)
    found = (z, z_mean, z_logvar, torch.stack(samples, dim=1), recon, kl_z, kl_s)
    return dict(zip(TERMS, found, strict=True))


def noise_of(model: Dsae, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """The noise of z and s that a forward pass draws from ``generator(seed)``."""
    drawn = generator(seed)
    z = torch.randn(count, Z, generator=drawn, dtype=torch.float64)
    if model.q_s == "rnn":
        return z, torch.randn(count, T, S, generator=drawn, dtype=torch.float64)
    steps = [torch.randn(count, S, generator=drawn, dtype=torch.float64) for _ in range(T)]
    return z, torch.stack(steps, dim=1)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_terms_and_gradients_equal_a_loop_over_time(changes):
    model, x = small_model(**changes), frames().requires_grad_()
    terms = model(x, generator(5))
    slow = reference(model, x, *noise_of(model, len(x), 5))
    for name in TERMS:
        torch.testing.assert_close(getattr(terms, name), slow[name], rtol=1e-11, atol=1e-11, msg=name)
    names, weights = zip(*model.named_parameters(), strict=True)
    ours = torch.autograd.grad(-terms.elbo.sum(), (x, *weights))
    theirs = torch.autograd.grad((slow["recon"] + slow["kl_z"] + slow["kl_s"]).sum(), (x, *weights))
    for name, one, other in zip(("x", *names), ours, theirs, strict=True):
        assert other.abs().sum() > 0, name  # every parameter counts
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9, msg=name)


# --- sizes and shapes -------------------------------------------------------------------------------------------------


def test_sizes_of_the_paper():
    model = Dsae(study.Dsae(name="dsae"))
    assert parameters(model.z_lstm, model.z_out) == 1_005_696
    assert parameters(model.s_lstm, model.s_rnn, model.s_out) == 1_301_120
    assert parameters(model.prior, model.prior_out) == 362_624
    assert parameters(model.decoder) + model.logvar.numel() == 150_674
    assert parameters(model) == 2_820_114


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_shapes(changes):
    model, x = small_model(**changes), frames(4)
    terms = model(x, generator())
    assert terms.z.shape == terms.z_mean.shape == terms.z_logvar.shape == (4, Z)
    assert terms.s.shape == (4, T, S)
    assert terms.recon.shape == terms.kl_z.shape == terms.kl_s.shape == terms.elbo.shape == (4,)
    mean, logvar = model.decode(terms.s, terms.z)
    assert mean.shape == (4, T, F)
    assert torch.broadcast_shapes(logvar.shape, mean.shape) == mean.shape
    z, s = model.means(x)
    assert (z.shape, s.shape) == ((4, Z), (4, T, S))


def test_items_of_a_batch_do_not_meet():
    model, x = small_model(), frames(4)
    alone = torch.cat([model.means(item[None])[1] for item in x])
    torch.testing.assert_close(model.means(x)[1], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, T, F + 1), (T, F), (2, 1, T, F)])
def test_another_number_of_bins_is_refused(shape):
    with pytest.raises(ValueError, match=r"takes \(B, T, 6\)"):
        small_model().encode(torch.zeros(shape, dtype=torch.float64))


# --- the encoder of z -------------------------------------------------------------------------------------------------


def test_z_is_read_from_the_last_forward_and_the_first_backward_state():
    model, x = small_model(), frames()
    out, _ = model.z_lstm(x)  # (B, T, 2H)
    ends = torch.cat([out[:, -1, :H], out[:, 0, H:]], dim=1)
    torch.testing.assert_close(torch.cat(model.encode(x), dim=1), model.z_out(ends), rtol=0, atol=1e-14)
    wrong = torch.cat([out[:, 0, :H], out[:, -1, H:]], dim=1)
    assert not torch.allclose(torch.cat(model.encode(x), dim=1), model.z_out(wrong))


@pytest.mark.parametrize("t", [0, 3, T - 1])
def test_z_sees_every_frame(t):
    model, x = small_model(), frames().requires_grad_()
    (to_x,) = torch.autograd.grad(model.encode(x)[0].sum(), x)
    assert (to_x[:, t].abs().sum(1) > 0).all()


# --- the encoder of s -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q_s", ["rnn", "ar"])
def test_every_s_sees_every_frame_and_z(q_s):
    model, x, z = small_model(q_s=q_s), frames().requires_grad_(), randn(3, Z, seed=4).requires_grad_()
    _, (mean, _) = model.encode_s(x, z, None)
    for t in (0, 3, T - 1):
        to_x, to_z = torch.autograd.grad(mean[:, t].sum(), (x, z), retain_graph=True)
        assert (to_x.abs().sum(2) > 0).all()
        assert (to_z.abs().sum(1) > 0).all()


def test_only_ar_feeds_samples_back():
    x, z = frames(), randn(3, Z, seed=4)
    for q_s, same in (("rnn", True), ("ar", False)):
        model = small_model(q_s=q_s)
        (s1, (one, _)), (s2, (other, _)) = (model.encode_s(x, z, generator(seed)) for seed in (5, 6))
        assert not torch.equal(s1, s2)
        assert torch.equal(one[:, 0], other[:, 0])  # s_0 = 0 whatever was drawn
        assert torch.equal(one[:, 1:], other[:, 1:]) is same


@pytest.mark.parametrize("q_s", ["rnn", "ar"])
def test_means_draw_nothing(q_s):
    model, x = small_model(q_s=q_s), frames()
    z, s = model.means(x)
    slow = reference(model, x, torch.zeros(3, Z).double(), torch.zeros(3, T, S).double())  # no noise: all are means
    torch.testing.assert_close(z, slow["z_mean"], rtol=0, atol=1e-12)
    torch.testing.assert_close(s, slow["s"], rtol=0, atol=1e-12)
    assert torch.equal(model.encode_s(x, z, None)[0], s)


# --- the prior of s ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", ["lstm", "markov"])
@pytest.mark.parametrize("t", [0, 2, T - 2, T - 1])
def test_prior_sees_what_lies_before_and_nothing_else(prior, t):
    model, s = small_model(prior=prior), randn(2, T, S, seed=3)
    changed = s.clone()
    changed[:, t] += 1
    for one, other in zip(model.prior_s(s), model.prior_s(changed), strict=True):
        assert torch.equal(one[:, : t + 1], other[:, : t + 1])
        moved = (one != other).any(2).all(0)[t + 1 :]  # (T - t - 1,)
        reach = T if prior == "lstm" else 1
        assert moved.tolist() == [step < reach for step in range(T - t - 1)]


@pytest.mark.parametrize("prior", ["lstm", "markov"])
def test_prior_starts_at_zero(prior):
    model = small_model(prior=prior)
    first = torch.cat([part[:, 0] for part in model.prior_s(randn(2, T, S))], dim=1)
    if prior == "lstm":
        (hidden,) = lstm(model.prior, torch.zeros(2, 1, S, dtype=torch.float64))
    else:
        hidden = model.prior.net[0].bias.tanh().expand(2, -1)
    torch.testing.assert_close(first, model.prior_out(hidden), rtol=0, atol=1e-14)


@pytest.mark.parametrize("changes", [{}, {"q_s": "ar"}, {"prior": "markov"}], ids=str)
def test_prior_is_fed_posterior_samples_not_its_own(changes):
    model, x = small_model(**changes), frames()
    fed = []
    model.prior.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    terms = model(x, generator(5))
    (before,) = fed  # once over the whole sequence
    assert torch.equal(before[:, 0], torch.zeros(3, S, dtype=torch.float64))
    assert torch.equal(before[:, 1:], terms.s[:, :-1])


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_kl_of_s_is_zero_exactly_where_posterior_equals_prior(changes):
    model, x, bias = small_model(**changes), frames(), randn(2 * S, seed=8)
    with torch.no_grad():
        for out in (model.s_out, model.prior_out):
            out.weight.zero_()
            out.bias.copy_(bias)
        assert torch.equal(model(x, generator()).kl_s, torch.zeros(3, dtype=torch.float64))
        model.prior_out.bias[0] += 0.5  # a mean: each step now costs 0.5^2 / (2 variance)
    expected = T * 0.125 / bias[S].exp()
    torch.testing.assert_close(model(x, generator()).kl_s, expected.expand(3))


def test_kl_of_s_is_zero_where_the_posterior_follows_the_prior():
    """The posterior of ar, made to ignore x and to do with s_(t-1) what the markov prior does."""
    model, x = small_model(q_s="ar", prior="markov"), frames()
    with torch.no_grad():
        w_in, w_state, b_in, b_state = weights_of(model.s_rnn)
        w_in.zero_()
        w_in[:, 2 * H :].copy_(model.prior.net[0].weight)
        w_state.zero_()
        b_state.zero_()
        b_in.copy_(model.prior.net[0].bias)
        model.s_out.load_state_dict(model.prior_out.state_dict())
    terms = model(x, generator(5))
    torch.testing.assert_close(terms.kl_s, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-13)
    _, logvar = model.prior_s(terms.s)
    assert logvar.std(dim=1).min() > 0.01  # it does change along time


# --- the ELBO ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"q_s": "ar", "prior": "markov", "var": "net"}], ids=str)
def test_elbo_is_the_mean_log_ratio_of_densities(changes):
    """log p(x, s, z) - log q(s, z | x) by densities at the samples: another estimate of the same expectation."""
    model, count = small_model(seed=4, **changes), 8000
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.7)
        x = frames(1).expand(count, -1, -1)
        terms = model(x, generator(5))
        s, (mean, logvar) = model.encode_s(x, terms.z, _after(generator(5), count))
        assert torch.equal(s, terms.s)
        log_q = _log(terms.z, terms.z_mean, terms.z_logvar) + _log(s, mean, logvar).sum(1)
        log_p = _log(terms.z, torch.zeros(()).double(), torch.zeros(()).double()) + _log(s, *model.prior_s(s)).sum(1)
        ratio = log_p + _log(x, *model.decode(s, terms.z)).sum(1) - log_q
    difference = ratio - terms.elbo
    assert difference.std() > 0.1  # not the same formula
    assert abs(difference.mean()) < 4 * difference.std() / math.sqrt(count)
    assert difference.std() / math.sqrt(count) < 0.1


def _log(value: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    return Normal(mean, (logvar / 2).exp()).log_prob(value).sum(-1)


def _after(drawn: torch.Generator, count: int) -> torch.Generator:
    """A generator from which z was drawn already."""
    torch.randn(count, Z, generator=drawn, dtype=torch.float64)
    return drawn


# --- randomness and precision -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_samples_come_from_the_given_generator_only(changes):
    model, x = small_model(**changes), frames()
    state = torch.random.get_rng_state()
    one, same, other = (model(x, generator(seed)) for seed in (5, 5, 6))
    z, s = model.latents(x, generator(5))
    model.means(x)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(getattr(one, name), getattr(same, name)) for name in TERMS)
    assert not torch.equal(one.z, other.z)
    assert not torch.equal(one.s, other.s)
    assert torch.equal(one.z_mean, other.z_mean)
    assert torch.equal(z, one.z)
    assert torch.equal(s, one.s)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_weights_come_from_the_generator_only(changes):
    params = study.Dsae(**{**SMALL, **changes})
    state = torch.random.get_rng_state()
    one, same, other = (Dsae(params, generator(seed), (T, F)).state_dict() for seed in (7, 7, 8))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(one[name], same[name]) for name in one)
    alike = [name for name in one if torch.equal(one[name], other[name])]
    assert alike == ([] if changes.get("var") == "net" else ["logvar"])


def test_bf16_keeps_terms_in_float32_and_near_them():
    model, x = small_model().float(), frames(64).float()
    with torch.no_grad():
        exact = model(x, generator(5))
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rough = model(x, generator(5))
            z, s = model.latents(x, generator(5))
    assert {getattr(rough, name).dtype for name in TERMS} == {z.dtype, s.dtype} == {torch.float32}
    torch.testing.assert_close(rough.kl_z, exact.kl_z, rtol=0.02, atol=0.01)
    for name in ("recon", "kl_s"):  # the noise of s is another in bf16
        assert getattr(rough, name).mean().item() == pytest.approx(getattr(exact, name).mean().item(), rel=0.1)
    assert not torch.equal(rough.recon, exact.recon)


@pytest.mark.parametrize("changes", [{}, {"q_s": "ar"}], ids=str)
def test_recurrent_nets_and_the_mean_of_x_are_never_reduced(changes):
    """On a GPU autocast would run recurrent nets in float16, whatever it was asked for, and gradients overflow."""
    model, x = small_model(**changes).float(), frames(4).float()
    taken = []
    for module in [net for net in model.modules() if isinstance(net, nn.RNNBase)] + [model.decoder[-1], model.z_out]:
        module.register_forward_hook(
            lambda module, _, out: taken.append((module, (out if isinstance(out, torch.Tensor) else out[0]).dtype))
        )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(x, generator(5)).elbo.mean().backward()
    assert {dtype for module, dtype in taken if module is not model.z_out} == {torch.float32}
    assert {dtype for module, dtype in taken if module is model.z_out} == {torch.bfloat16}  # autocast was on
