"""Critics and the density ratio: sizes, freezing without a trace, known amounts of information."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cmivae.models.critics import ImageCritic, LatentCritic, frozen, make_critic
from cmivae.objectives.density_ratio import critic_loss, derangement, information, prior, shuffled
from cmivae.study import params as study

SMALL = study.Critic(channels=4, hidden=8)
INPUTS = ["s", "s_mean1", "s_1x1", "x"]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


def snapshot(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def unchanged(module: nn.Module, before: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_sizes_of_the_paper():
    params = study.Critic()
    assert sum(p.numel() for p in make_critic("zs", params, 64, 32).parameters()) == 1_443_360
    assert sum(p.numel() for p in make_critic("z", params, 64, 32).parameters()) == 32 * 400 + 400 + 400 + 1


@pytest.mark.parametrize("disc_input", INPUTS)
def test_image_critic_reads_what_it_should(disc_input):
    critic = ImageCritic(study.Critic(channels=4, disc_input=disc_input), 5, 3, generator())
    s, x, z = randn(4, 5, 28, 28).requires_grad_(), randn(4, 1, 28, 28).requires_grad_(), randn(4, 3)
    e = critic.embed(s, x)
    logit = critic.logit(e, z)
    assert e.shape == (4, 3)
    torch.testing.assert_close(logit, torch.stack([a @ b for a, b in zip(e, z, strict=True)]))
    to_s, to_x = torch.autograd.grad(logit.square().sum(), (s, x), allow_unused=True)
    read, ignored = (to_x, to_s) if disc_input == "x" else (to_s, to_x)
    assert read.abs().sum() > 0
    assert ignored is None


def test_latent_critic_reads_z_only():
    critic = LatentCritic(SMALL, 3, generator())
    e = critic.embed(randn(4, 5, 28, 28), randn(4, 1, 28, 28))
    assert e.shape == (4, 0)
    assert critic.logit(e, randn(4, 3)).shape == (4,)
    assert not torch.equal(critic.logit(e, randn(4, 3)), critic.logit(e, randn(4, 3, seed=1)))


def test_weights_come_from_the_generator_only():
    state = torch.random.get_rng_state()
    one, same = (ImageCritic(SMALL, 2, 3, generator(4)) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert unchanged(one, same.state_dict())


@pytest.mark.parametrize("training", [True, False])
def test_frozen_leaves_no_trace_and_changes_no_value(training):
    critic = ImageCritic(SMALL, 2, 3, generator()).train(training)
    s, x, z = randn(6, 2, 28, 28).requires_grad_(), randn(6, 1, 28, 28), randn(6, 3)
    before = snapshot(critic)
    with frozen(critic):
        logit = critic.logit(critic.embed(s, x), z)
        assert not any(parameter.requires_grad for parameter in critic.parameters())
    (to_s,) = torch.autograd.grad(logit.sum(), s)
    assert to_s.abs().sum() > 0
    assert unchanged(critic, before)
    assert all(parameter.requires_grad for parameter in critic.parameters())
    free = critic.logit(critic.embed(s, x), z)
    assert torch.equal(free, logit)  # the same batch statistics were used
    assert unchanged(critic, before) is not training  # and outside they move again


def test_frozen_puts_back_flags_as_they_were_after_an_exception():
    critic = ImageCritic(SMALL, 2, 3)
    critic.net[0].weight.requires_grad_(False)
    flags = [parameter.requires_grad for parameter in critic.parameters()]
    with pytest.raises(RuntimeError, match="stop"), frozen(critic):
        raise RuntimeError("stop")
    assert [parameter.requires_grad for parameter in critic.parameters()] == flags
    assert all(module.track_running_stats for module in critic.net if isinstance(module, nn.BatchNorm2d))


@settings(max_examples=60, deadline=None)
@given(n=st.integers(2, 300), seed=st.integers(0, 10_000))
def test_derangement_moves_every_item_and_loses_none(n, seed):
    places = derangement(n, generator(seed))
    assert torch.equal(places.sort().values, torch.arange(n))
    assert (places != torch.arange(n)).all()
    assert torch.equal(places, derangement(n, generator(seed)))


def test_derangements_differ_and_one_item_is_refused():
    drawn = {tuple(derangement(4, generator(seed)).tolist()) for seed in range(100)}
    assert len(drawn) == math.factorial(3)  # all cycles of four items
    with pytest.raises(ValueError, match="cannot be deranged"):
        derangement(1, generator())


def test_critic_loss_known_values():
    zero = torch.zeros(5)
    assert critic_loss(zero, zero).item() == pytest.approx(2 * math.log(2))
    assert critic_loss(torch.tensor([2.0]), torch.tensor([-1.0])).item() == pytest.approx(
        math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))
    )
    assert critic_loss(torch.tensor([1e4]), torch.tensor([-1e4])).item() == 0
    assert critic_loss(torch.tensor([-1e4]), torch.tensor([1e4])).item() == pytest.approx(2e4)


def gaussian_pairs(count: int, correlation: float, shift: float, draw: torch.Generator) -> torch.Tensor:
    """z ~ N(shift, 1) and s with the given correlation.  (B, 2)"""
    z, noise = torch.randn(2, count, 1, generator=draw)
    return torch.cat([z + shift, correlation * z + math.sqrt(1 - correlation**2) * noise], 1)


def learned_information(correlation: float, shift: float, marginal) -> float:
    """Mean logit of a small net, trained to tell (z, s) from (marginal(z), s), on fresh pairs."""
    draw = generator(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-2)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 300)
    for _ in range(300):
        joint = gaussian_pairs(1024, correlation, shift, draw)
        negatives = torch.cat([marginal(joint[:, :1], draw), joint[:, 1:]], 1)
        loss = critic_loss(net(joint)[:, 0], net(negatives)[:, 0])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
    with torch.no_grad():
        return information(net(gaussian_pairs(50_000, correlation, shift, draw))[:, 0]).item()


@pytest.mark.parametrize(
    ("shift", "marginal", "known"),
    [
        (1.0, shuffled, -0.5 * math.log(1 - 0.8**2)),  # I(z; s)
        (1.0, prior, -0.5 * math.log(1 - 0.8**2) + 0.5),  # I(z; s) + KL(q(z) || p(z))
    ],
)
def test_critic_finds_the_information_of_correlated_gaussians(shift, marginal, known):
    found = learned_information(0.8, shift, marginal)
    assert found == pytest.approx(known, rel=0.1)


def test_critic_finds_nothing_between_independent_gaussians():
    assert abs(learned_information(0.0, 0.0, shuffled)) < 0.02


@pytest.mark.parametrize(("dependent", "low", "high"), [(False, -0.1, 0.1), (True, 0.3, 5.0)])
def test_image_critic_tells_dependent_from_independent(dependent, low, high):
    critic, draw = ImageCritic(SMALL, 2, 2, generator()), generator(3)

    def pairs(count):
        z = torch.randn(count, 2, generator=draw)
        source = z if dependent else torch.randn(count, 2, generator=draw)
        return z, source[:, :, None, None] + 0.5 * torch.randn(count, 2, 28, 28, generator=draw)

    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(60):
        z, s = pairs(64)
        e = critic.embed(s, s)
        loss = critic_loss(critic.logit(e, z), critic.logit(e, shuffled(z, draw)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    critic.eval()
    with torch.no_grad():
        z, s = pairs(2000)
        assert low < information(critic.logit(critic.embed(s, s), z)).item() < high
