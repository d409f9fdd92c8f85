"""Critics and the density ratio: sizes, freezing without a trace, known amounts of information."""

import math
import secrets

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cmivae.errors import UserError
from cmivae.models.critics import ImageCritic, LatentCritic, frozen, make_critic
from cmivae.models.speech_critic import SpeechCritic
from cmivae.objectives.density_ratio import critic_loss, derangement, information, prior, shuffled
from cmivae.study import params as study
from cmivae.training.build import load_weights, save_weights

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


# --- spectral normalisation ------------------------------------------------------------------------------------------

NORMAL = study.Critic(channels=4, hidden=8, spectral_norm=True)
SPEECH = study.SpeechCritic(channels=4, hidden=8, spectral_norm=True)
SPECTRAL = {
    "image": lambda seed: ImageCritic(NORMAL, 2, 3, generator(seed)),
    "latent": lambda seed: LatentCritic(NORMAL, 3, generator(seed)),
    "speech": lambda seed: SpeechCritic(SPEECH, 5, 7, 3, generator(seed)),
}
IMAGES = (6, 2, 28, 28), (6, 1, 28, 28)  # shapes of s and x
INPUT = {"image": IMAGES, "latent": IMAGES, "speech": ((6, 20, 5), (6, 20, 7))}


def logit_of(critic: nn.Module, kind: str) -> torch.Tensor:
    s, x = (randn(*shape, seed=seed) for seed, shape in enumerate(INPUT[kind]))
    return critic.logit(critic.embed(s, x), randn(6, 3, seed=3))


def layers_of(critic: nn.Module) -> list[nn.Module]:
    return [each for each in critic.modules() if isinstance(each, nn.Conv1d | nn.Conv2d | nn.Linear)]


@pytest.mark.parametrize("kind", SPECTRAL)
def test_spectral_norm_bounds_every_layer(kind):
    critic = SPECTRAL[kind](4)
    for _ in range(50):  # the power iteration goes on with each pass in train mode
        logit_of(critic, kind)
    critic.eval()
    assert layers_of(critic)
    for layer in layers_of(critic):
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, abs=0.02)
    assert not any(isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d) for each in critic.modules())


@pytest.mark.parametrize("kind", SPECTRAL)
def test_spectral_norm_draws_from_the_generator_only(kind):
    state = torch.random.get_rng_state()
    one = SPECTRAL[kind](4)
    torch.rand(5)
    same, other = SPECTRAL[kind](4), SPECTRAL[kind](5)
    torch.random.set_rng_state(state)
    assert unchanged(one, same.state_dict())
    assert not unchanged(one, other.state_dict())


@pytest.mark.parametrize("kind", SPECTRAL)
def test_frozen_holds_the_power_iteration_still(kind):
    critic = SPECTRAL[kind](4)
    before = snapshot(critic)
    with frozen(critic):
        logit_of(critic, kind)
    assert unchanged(critic, before)
    assert all(each.training for each in critic.modules())
    logit_of(critic, kind)
    moved = [name for name, value in critic.state_dict().items() if not torch.equal(value, before[name])]
    assert moved
    assert all(name.endswith(("_u", "_v")) for name in moved)


@pytest.mark.parametrize("kind", SPECTRAL)
def test_spectral_norm_is_saved_and_loaded_whole(kind, tmp_path):
    critic = SPECTRAL[kind](4)
    logit_of(critic, kind)
    save_weights(tmp_path / "critic.safetensors", critic.state_dict())
    again = load_weights(tmp_path / "critic.safetensors", SPECTRAL[kind](5))
    assert unchanged(again, critic.state_dict())
    assert torch.equal(logit_of(again, kind), logit_of(critic.eval(), kind))
    plain = study.Critic(channels=4, hidden=8)
    with pytest.raises(UserError, match="do not fit"):
        load_weights(tmp_path / "critic.safetensors", LatentCritic(plain, 3))


@pytest.mark.parametrize("kind", SPECTRAL)
def test_spectral_norm_runs_in_bf16(kind):
    critic = SPECTRAL[kind](4)
    exact = logit_of(critic.eval(), kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = logit_of(critic.train(), kind)
    torch.testing.assert_close(rough.float(), exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("disc_input", INPUTS)
def test_one_embedding_for_both_pairs_has_the_gradients_of_two_whole_passes(disc_input):
    draw = generator(secrets.randbits(31))
    critic = ImageCritic(study.Critic(channels=4, disc_input=disc_input), 5, 3, draw).double()
    s, x, z, other = (
        torch.randn(*shape, generator=draw, dtype=torch.float64)
        for shape in ((6, 5, 28, 28), (6, 1, 28, 28), (6, 3), (6, 3))
    )
    e = critic.embed(s, x)
    ours = critic_loss(critic.logit(e, z), critic.logit(e, other))
    theirs = critic_loss(critic.logit(critic.embed(s, x), z), critic.logit(critic.embed(s, x), other))
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    pairs = (torch.autograd.grad(loss, list(critic.parameters())) for loss in (ours, theirs))
    for one, two in zip(*pairs, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-13)
