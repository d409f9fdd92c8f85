"""Objectives: identities between them, and which weights their terms can move."""

import pytest
import torch

from cmivae.errors import UserError
from cmivae.models.critics import frozen, make_critic
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.models.terms import Terms
from cmivae.objectives.density_ratio import critic_loss, prior
from cmivae.objectives.objectives import Beta, Cmi, Mi, Objective, Vanilla
from cmivae.study import params as study

CUT = 2
CRITIC = study.Critic(channels=4, hidden=8)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=generator(seed))


def some_terms(batch: int = 7) -> Terms:
    recon, kl_z, kl_s = 100 * torch.rand(3, batch, generator=generator(1))
    z = randn(batch, 3, seed=2)
    return Terms(z, z, z, randn(batch, 2, 28, 28, seed=3), recon, kl_z, kl_s)


def small_model() -> PixelCnnVae:
    params = study.PixelCnnVae(
        name="pixelcnn_vae",
        kernels=(5, 3, 3, 3),
        cut=CUT,
        channels=6,
        z_dim=3,
        encoder_channels=4,
        encoder_out=8,
    )
    return PixelCnnVae(params, generator(4))


def images(count: int) -> torch.Tensor:
    return (torch.rand(count, 1, 28, 28, generator=generator(5)) < 0.4).float()


def snapshot(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def moved(module: torch.nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    return [name for name, value in module.state_dict().items() if not torch.equal(value, before[name])]


def test_all_are_the_same_bit_for_bit_at_gamma_zero():
    terms, logits = some_terms(), {"z": randn(7, seed=6), "zs": randn(7, seed=7)}
    losses = [objective(0.0).loss(terms, logits) for objective in (Vanilla, Beta, Mi, Cmi)]
    losses += [objective(0.0).loss(terms, {}) for objective in (Vanilla, Beta, Mi, Cmi)]
    assert all(torch.equal(loss, losses[0]) for loss in losses)
    torch.testing.assert_close(losses[0], -terms.elbo.mean())
    assert not any(objective(0.0).critics for objective in (Vanilla, Beta, Mi, Cmi))


@pytest.mark.parametrize("gamma", [0.001, 0.3, 0.9])
@pytest.mark.parametrize(("objective", "kind"), [(Mi, "z"), (Cmi, "zs")])
def test_the_critic_adds_gamma_times_its_mean_logit(objective, kind, gamma):
    terms, logit = some_terms(), randn(7, seed=6)
    beta = Beta(gamma).loss(terms, {})
    assert torch.equal(objective(gamma).without_critic(terms), beta)
    added = objective(gamma).loss(terms, {kind: logit}) - beta
    torch.testing.assert_close(added, gamma * logit.mean(), rtol=0, atol=1e-4)
    torch.testing.assert_close(beta, (terms.recon + terms.kl_s + (1 - gamma) * terms.kl_z).mean())


def test_which_critic_each_asks_for():
    assert [o(0.3).critics for o in (Beta, Mi, Cmi)] == [(), ("z",), ("zs",)]
    with pytest.raises(ValueError, match="needs the logit of critic 'zs'"):
        Cmi(0.3).loss(some_terms(), {"z": randn(7, seed=6)})


@pytest.mark.parametrize(
    ("objective", "gamma"), [(Vanilla, 0.1), (Beta, -0.1), (Cmi, 1.0), (Mi, float("nan")), (Objective, 2.0)]
)
def test_impossible_gamma_is_refused(objective, gamma):
    with pytest.raises(UserError) as caught:
        objective(gamma)
    assert caught.value.fix


def test_logit_reaches_encoder_and_layers_up_to_the_cut_only():
    model, x = small_model(), images(4)
    critic = make_critic("zs", CRITIC, model.s_channels, model.z_dim, generator(7))
    terms = model(x, generator(8))
    with frozen(critic):
        logit = critic.logit(critic.embed(terms.s, x), terms.z)
    logit.mean().backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    wanted = {
        name
        for name, _ in model.named_parameters()
        if name.startswith("encoder.") or name.startswith(tuple(f"layers.{i}." for i in range(CUT)))
    }
    assert reached == wanted
    assert all(parameter.grad is None for parameter in critic.parameters())


@pytest.mark.parametrize(("objective", "kind"), [(Mi, "z"), (Cmi, "zs")])
def test_each_step_moves_its_own_weights_only(objective, kind):
    model, x = small_model(), images(4)
    critic = make_critic(kind, CRITIC, model.s_channels, model.z_dim, generator(7))
    vae_adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    critic_adam = torch.optim.Adam(critic.parameters(), lr=1e-3)
    terms = model(x, generator(8))
    model_before, critic_before = snapshot(model), snapshot(critic)

    z = terms.z.detach()
    e = critic.embed(terms.s.detach(), x)
    critic_loss(critic.logit(e, z), critic.logit(e, prior(z, generator(9)))).backward()
    critic_adam.step()
    assert moved(model, model_before) == []
    assert all(parameter.grad is None for parameter in model.parameters())
    assert len(moved(critic, critic_before)) >= len(list(critic.parameters()))

    critic_adam.zero_grad()
    critic_before = snapshot(critic)
    with frozen(critic):
        loss = objective(0.5).loss(terms, {kind: critic.logit(critic.embed(terms.s, x), terms.z)})
    loss.backward()
    vae_adam.step()
    assert moved(critic, critic_before) == []
    assert all(parameter.grad is None for parameter in critic.parameters())
    assert set(moved(model, model_before)) == {name for name, _ in model.named_parameters()}
