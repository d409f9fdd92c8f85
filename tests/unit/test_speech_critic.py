"""The critic on (z, s) of speech: size, bounds, freezing, and what its logit can move in DSAE."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from cmivae.models.critics import LatentCritic, frozen
from cmivae.models.dsae import Dsae
from cmivae.models.speech_critic import SpeechCritic
from cmivae.objectives.density_ratio import critic_loss, information, prior, shuffled
from cmivae.objectives.objectives import Beta, Cmi, Mi, Vanilla
from cmivae.study import params as study

T, F, Z, S = 20, 6, 3, 2
SMALL = study.SpeechCritic(channels=4, hidden=8)
ENCODERS = ("z_lstm.", "z_out.", "s_lstm.", "s_rnn.", "s_out.")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=generator(seed))


def small_critic(**changes) -> SpeechCritic:
    return SpeechCritic(SMALL.model_copy(update=changes), S, F, Z, generator())


def small_model(**changes) -> Dsae:
    params = {"name": "dsae", "z_dim": Z, "s_dim": S, "hidden": 5, **changes}
    return Dsae(study.Dsae(**params), generator(4), (T, F))


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(module: nn.Module, before: dict[str, Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def reached(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}


# --- the critic by itself ---------------------------------------------------------------------------------------------


def test_size_of_the_paper():
    critic = Dsae(study.Dsae(name="dsae")).make_critic("zs", study.SpeechCritic(), generator())
    assert sum(parameter.numel() for parameter in critic.parameters()) == 394_817
    assert critic.embed(randn(2, 20, 64), randn(2, 20, 201)).shape == (2, 64)
    assert critic.log_scale.exp().item() == pytest.approx(10)


def test_lengths_of_the_paper():
    critic, lengths = small_critic(), []
    for layer in critic.net:
        if isinstance(layer, nn.Conv1d):
            layer.register_forward_hook(lambda _, __, out: lengths.append(out.shape[2]))
    assert critic.embed(randn(4, T, S), randn(4, T, F)).shape == (4, Z)
    assert lengths == [10, 5, 2]


def test_embedding_is_a_mean_over_time_of_the_last_convolution():
    critic, s = small_critic().eval(), randn(4, T, S)
    last = critic.net(s.transpose(1, 2))  # (4, Z, 2)
    torch.testing.assert_close(critic.embed(s, s), (last[:, :, 0] + last[:, :, 1]) / 2)


@given(seed=st.integers(0, 2**31), size=st.floats(1e-3, 1e3), scale=st.floats(0.1, 50))
def test_logit_is_a_scaled_cosine_and_never_beyond_the_scale(seed, size, scale):
    critic = small_critic(scale_init=scale)
    e, z = size * randn(8, Z, seed=seed), randn(8, Z, seed=seed + 1)
    logit = critic.logit(e, z)
    assert logit.shape == (8,)
    assert logit.abs().max().item() <= scale * (1 + 1e-5)
    slow = [scale * (a @ b).item() / math.sqrt((a @ a).item() * (b @ b).item()) for a, b in zip(e, z, strict=True)]
    torch.testing.assert_close(logit, torch.tensor(slow), rtol=1e-3, atol=1e-4 * scale)
    torch.testing.assert_close(critic.logit(2 * z, z), torch.full((8,), scale), rtol=1e-4, atol=0)
    torch.testing.assert_close(critic.logit(-z, z), torch.full((8,), -scale), rtol=1e-4, atol=0)


def test_logit_of_nothing_is_finite_with_its_gradient():
    critic, z = small_critic(), torch.zeros(2, Z, requires_grad=True)
    logit = critic.logit(torch.zeros(2, Z), z)
    logit.sum().backward()
    assert torch.equal(logit.detach(), torch.zeros(2))
    assert z.grad.isfinite().all()


def test_scale_is_learned_and_stays_positive():
    critic = small_critic(scale_init=0.5)
    optimiser = torch.optim.Adam(critic.parameters(), lr=0.5)
    e, z = randn(8, Z), randn(8, Z, seed=1)
    start = critic.log_scale.exp().item()
    assert start == pytest.approx(0.5)
    for _ in range(60):  # of random pairs it can only learn to be sure of nothing
        optimiser.zero_grad()
        critic_loss(critic.logit(e, z), critic.logit(e, z)).backward()
        optimiser.step()
    assert 0 < critic.log_scale.exp().item() < start / 5


@pytest.mark.parametrize("disc_input", ["s", "x"])
def test_it_reads_what_it_should(disc_input):
    critic = small_critic(disc_input=disc_input)
    s, x, z = randn(4, T, S).requires_grad_(), randn(4, T, F).requires_grad_(), randn(4, Z)
    logit = critic.logit(critic.embed(s, x), z)
    to_s, to_x = torch.autograd.grad(logit.square().sum(), (s, x), allow_unused=True)
    read, ignored = (to_x, to_s) if disc_input == "x" else (to_s, to_x)
    assert (read.abs().sum(2) > 0).all()  # each frame of each item
    assert ignored is None


def test_weights_come_from_the_generator_only():
    state = torch.random.get_rng_state()
    one, same = small_critic(), small_critic()
    other = SpeechCritic(SMALL, S, F, Z, generator(9))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert moved(one, same.state_dict()) == set()
    assert {"net.0.weight", "net.0.bias", "net.6.weight"} <= moved(one, other.state_dict())


def test_the_model_makes_critics_that_fit_it():
    model = small_model()
    terms = model(randn(4, T, F), generator())
    for kind, made in (("zs", SpeechCritic), ("z", LatentCritic)):
        critic = model.make_critic(kind, SMALL, generator())
        assert isinstance(critic, made)
        assert critic.logit(critic.embed(terms.s, randn(4, T, F)), terms.z).shape == (4,)


@pytest.mark.parametrize("training", [True, False])
def test_frozen_leaves_no_trace_and_changes_no_value(training):
    critic = small_critic().train(training)
    s, x, z = randn(6, T, S).requires_grad_(), randn(6, T, F), randn(6, Z)
    before = snapshot(critic)
    with frozen(critic):
        logit = critic.logit(critic.embed(s, x), z)
        assert not any(parameter.requires_grad for parameter in critic.parameters())
    (to_s,) = torch.autograd.grad(logit.sum(), s)
    assert to_s.abs().sum() > 0
    assert moved(critic, before) == set()
    assert all(parameter.requires_grad for parameter in critic.parameters())
    assert all(module.track_running_stats for module in critic.net if isinstance(module, nn.BatchNorm1d))
    free = critic.logit(critic.embed(s, x), z)
    assert torch.equal(free, logit)  # the same batch statistics were used
    assert bool(moved(critic, before)) is training  # and outside they move again


@pytest.mark.parametrize(("dependent", "low", "high"), [(False, -0.1, 0.1), (True, 0.5, 5.0)])
def test_it_tells_dependent_from_independent(dependent, low, high):
    critic, draw = small_critic(), generator(3)

    def pairs(count):
        z = torch.randn(count, Z, generator=draw)
        source = z if dependent else torch.randn(count, Z, generator=draw)
        return z, source[:, None, :S] + 0.5 * torch.randn(count, T, S, generator=draw)

    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(150):
        z, s = pairs(128)
        e = critic.embed(s, s)
        loss = critic_loss(critic.logit(e, z), critic.logit(e, shuffled(z, draw)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    critic.eval()
    with torch.no_grad():
        z, s = pairs(2000)
        assert low < information(critic.logit(critic.embed(s, s), z)).item() < high


# --- the critic and DSAE ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"q_s": "ar"}, {"prior": "markov", "var": "net"}], ids=str)
def test_logit_reaches_both_encoders_and_nothing_else(changes):
    model, x = small_model(**changes), randn(4, T, F, seed=1)
    critic = model.make_critic("zs", SMALL, generator(7))
    terms = model(x, generator(8))
    with frozen(critic):
        logit = critic.logit(critic.embed(terms.s, x), terms.z)
    logit.mean().backward()
    assert reached(model) == {name for name, _ in model.named_parameters() if name.startswith(ENCODERS)}
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_gradient_flows_through_z_and_through_s():
    model, x = small_model(), randn(4, T, F, seed=1)
    critic = model.make_critic("zs", SMALL, generator(7))
    terms = model(x, generator(8))
    logit = critic.logit(critic.embed(terms.s, x), terms.z)
    to_z, to_s = torch.autograd.grad(logit.mean(), (terms.z, terms.s))
    assert (to_z.abs().sum(1) > 0).all()
    assert (to_s.abs().sum(2) > 0).all()


def test_a_critic_on_x_sends_no_gradient_into_s():
    model, x = small_model(), randn(4, T, F, seed=1)
    critic = model.make_critic("zs", SMALL.model_copy(update={"disc_input": "x"}), generator(7))
    terms = model(x, generator(8))
    critic.logit(critic.embed(terms.s, x), terms.z).mean().backward()
    assert reached(model) == {name for name, _ in model.named_parameters() if name.startswith(("z_lstm.", "z_out."))}


def test_all_objectives_are_the_same_bit_for_bit_at_gamma_zero():
    model, x = small_model(), randn(4, T, F, seed=1)
    terms = model(x, generator(8))
    losses = [objective(0.0).loss(terms, {}) for objective in (Vanilla, Beta, Mi, Cmi)]
    assert all(torch.equal(loss, losses[0]) for loss in losses)
    torch.testing.assert_close(losses[0], (terms.recon + terms.kl_s + terms.kl_z).mean())
    assert (terms.kl_s > 0).all()


@pytest.mark.parametrize("gamma", [0.001, 0.4, 0.9999])
def test_cmi_minus_beta_is_gamma_times_the_mean_logit(gamma):
    model, x = small_model().double(), randn(4, T, F, seed=1).double()
    critic = model.make_critic("zs", SMALL, generator(7)).double()
    terms = model(x, generator(8))
    logit = critic.logit(critic.embed(terms.s, x), terms.z)
    assert logit.abs().min() > 1e-3
    beta = Beta(gamma).loss(terms, {})
    torch.testing.assert_close(beta, (terms.recon + terms.kl_s + (1 - gamma) * terms.kl_z).mean())
    torch.testing.assert_close(
        Cmi(gamma).loss(terms, {"zs": logit}) - beta, gamma * logit.mean(), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize(("objective", "kind"), [(Mi, "z"), (Cmi, "zs")])
def test_each_step_moves_its_own_weights_only(objective, kind):
    model, x = small_model(), randn(4, T, F, seed=1)
    critic = model.make_critic(kind, SMALL, generator(7))
    vae_adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=1e-3)
    terms = model(x, generator(8))
    model_before, critic_before = snapshot(model), snapshot(critic)

    z = terms.z.detach()
    e = critic.embed(terms.s.detach(), x)
    critic_loss(critic.logit(e, z), critic.logit(e, prior(z, generator(9)))).backward()
    critic_adam.step()
    assert moved(model, model_before) == set()
    assert all(parameter.grad is None for parameter in model.parameters())
    # A bias before batch normalisation has no effect, so its gradient is rounding.
    assert {name for name, _ in critic.named_parameters()} - {"net.0.bias", "net.3.bias"} <= moved(
        critic, critic_before
    )

    critic_adam.zero_grad()
    critic_before = snapshot(critic)
    with frozen(critic):
        loss = objective(0.5).loss(terms, {kind: critic.logit(critic.embed(terms.s, x), terms.z)})
    loss.backward()
    vae_adam.step()
    assert moved(critic, critic_before) == set()
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert moved(model, model_before) == {name for name, _ in model.named_parameters()}
