"""Objectives of future work: known answers, the identities that tie them to the paper's, and where gradients go."""

import math
import sys
from types import ModuleType
from typing import Literal

import pytest
import tiny
import torch
from test_objectives import generator, images, randn, small_model, some_terms

from cmivae.cli import main
from cmivae.errors import UserError
from cmivae.models.critics import frozen, make_critic
from cmivae.objectives.extensions import CmiAlpha, CmiMmd, CmiSplit, MiMmd
from cmivae.objectives.mmd import WIDTHS, mmd_to_prior
from cmivae.objectives.objectives import Beta, Cmi, Mi
from cmivae.registry import MODELS, OBJECTIVE_KEYS, OBJECTIVES
from cmivae.results.figures import LOOKS, OTHER, look
from cmivae.results.render import config_title, objective_name
from cmivae.study import params as study
from cmivae.study.loading import load_params
from cmivae.training.build import build_objective
from cmivae.training.critics import KINDS, marginal_of

LOGITS = {kind: randn(7, seed=10 + place) for place, kind in enumerate(KINDS)}
VALUES = {"alpha": 1.5, "weight_zs": 0.5, "mmd_weight": 1000.0}


def close(value: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(value, wanted, rtol=0, atol=1e-4)


@pytest.mark.parametrize("gamma", [0.1, 0.7])
def test_weights_of_the_terms(gamma):
    terms = some_terms()
    beta = Beta(gamma).loss(terms, {})
    mean = {kind: logit.mean() for kind, logit in LOGITS.items()}
    close(CmiAlpha(gamma, 3.0).loss(terms, LOGITS) - beta, 3 * gamma * mean["zs"])
    close(CmiSplit(gamma, 0.4).loss(terms, LOGITS) - beta, gamma * mean["z"] + 0.4 * mean["dependence"])
    distance = mmd_to_prior(terms.z)
    close(MiMmd(gamma, 5.0).loss(terms, LOGITS) - beta, 5 * gamma * distance)
    close(CmiMmd(gamma, 5.0).loss(terms, LOGITS) - beta, 5 * gamma * distance + gamma * mean["dependence"])


def test_which_critics_each_asks_for():
    assert CmiAlpha(0.3, 2.0).critics == Cmi(0.3).critics == ("zs",)
    assert CmiSplit(0.3, 0.5).critics == ("z", "dependence")
    assert CmiSplit(0.0, 0.5).critics == ("dependence",)  # the I(z;s) term alone
    assert MiMmd(0.3, 1.0).critics == ()
    assert CmiMmd(0.3, 1.0).critics == ("dependence",)
    assert marginal_of("dependence") is marginal_of("estimator")
    assert marginal_of("zs") is marginal_of("z") is not marginal_of("dependence")


def test_what_they_become_where_a_key_says_nothing():
    """In expectation log q(z,s)/(p(z)q(s)) = log q(z,s)/(q(z)q(s)) + log q(z)/p(z): then alpha = 1 is CMI-VAE."""
    terms, ratio_z, ratio_zs = some_terms(), randn(7, seed=20), randn(7, seed=21)
    split = CmiSplit(0.3, 0.3).loss(terms, {"z": ratio_z, "dependence": ratio_zs})
    close(split, Cmi(0.3).loss(terms, {"zs": ratio_z + ratio_zs}))
    close(CmiSplit(0.3, 1e-9).loss(terms, LOGITS), Mi(0.3).loss(terms, LOGITS))
    close(CmiAlpha(0.3, 1 + 1e-9).loss(terms, LOGITS), Cmi(0.3).loss(terms, LOGITS))


@pytest.mark.parametrize(
    ("build", "name"),
    [(CmiAlpha, "alpha"), (CmiSplit, "weight_zs"), (MiMmd, "mmd_weight"), (CmiMmd, "mmd_weight")],
)
@pytest.mark.parametrize("value", [-1.0, 0.0, math.nan])
def test_impossible_weights_are_refused(build, name, value):
    with pytest.raises(UserError, match=name) as caught:
        build(0.3, value)
    assert caught.value.fix


# --- MMD -------------------------------------------------------------------------------------------------------------


def expected_mmd(shift: float, dim: int) -> float:
    """MMD^2(N(m, I), N(0, I)) with |m| = shift, by hand: 2 (h/(h+2))^(Z/2) (1 - exp(-|m|^2 / (2 (h + 2))))."""
    values = []
    for h in (width * dim for width in WIDTHS):
        values.append(2 * (h / (h + 2)) ** (dim / 2) * (1 - math.exp(-(shift**2) / (2 * (h + 2)))))
    return sum(values) / len(values)


@pytest.mark.parametrize("shift", [0.0, 1.0, 4.0])
def test_mmd_of_a_shifted_gaussian_is_known(shift):
    found = []
    for seed in range(40):
        z = randn(500, 4, seed=seed).double()
        z[:, 0] += shift
        found.append(mmd_to_prior(z).item())
    values = torch.tensor(found)
    error = values.std().item() / math.sqrt(len(values))
    assert abs(values.mean().item() - expected_mmd(shift, 4)) < 4 * error
    assert error < 0.002


def test_mmd_agrees_with_samples_of_the_prior():
    """The integrals against the plain two-sample estimate, on many draws of p(z)."""
    z, prior, widths = randn(50, 3, seed=1).double() * 0.3, randn(20_000, 3, seed=2).double(), [3 * w for w in WIDTHS]
    square, pairs = torch.cdist(z, z).square(), torch.cdist(prior[:10_000], prior[10_000:]).square()
    across = torch.cdist(z, prior).square()
    plain = []
    for h in widths:
        own = (torch.exp(-square / (2 * h)).sum() - 50) / (50 * 49)
        plain.append(own - 2 * torch.exp(-across / (2 * h)).mean() + torch.exp(-pairs / (2 * h)).mean())
    torch.testing.assert_close(mmd_to_prior(z), torch.stack(plain).mean(), rtol=0, atol=3e-3)
    assert mmd_to_prior(z) > 0.05


def test_mmd_pulls_q_to_the_prior():
    mean, log_sd, drawn = torch.full((4,), 2.0), torch.full((4,), -1.5), generator(3)
    adam = torch.optim.Adam([mean.requires_grad_(), log_sd.requires_grad_()], lr=0.05)
    for _ in range(300):
        z = mean + log_sd.exp() * torch.randn(128, 4, generator=drawn)
        adam.zero_grad()
        mmd_to_prior(z).backward()
        adam.step()
    assert mean.abs().max() < 0.15
    assert (log_sd.exp() - 1).abs().max() < 0.15


def test_mmd_needs_a_pair():
    with pytest.raises(ValueError, match="2 or more"):
        mmd_to_prior(randn(1, 4, seed=1))


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spectral_norm", [False, True])
@pytest.mark.parametrize("objective", [CmiAlpha(0.3, 2.0), CmiSplit(0.3, 0.5), MiMmd(0.3, 10.0), CmiMmd(0.3, 10.0)])
def test_terms_reach_what_their_critics_read(objective, spectral_norm):
    """Critics on z reach the encoder, those on (z, s) the layers up to the cut too, and no critic gets a gradient."""
    params = study.Critic(channels=4, hidden=8, spectral_norm=spectral_norm)
    model, x = small_model(), images(4)
    kinds = {kind: make_critic("z" if kind == "z" else "zs", params, 6, 3, generator(7)) for kind in objective.critics}
    terms = model(x, generator(8))
    logits = {}
    for kind, critic in kinds.items():
        with frozen(critic):
            logits[kind] = critic.logit(critic.embed(terms.s, x), terms.z)
    (objective.loss(terms, logits) - objective.without_critic(terms)).backward()
    reached = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 1e-12}
    through_s = {name for name in reached if name.startswith("layers.")}
    assert {name for name, _ in model.named_parameters() if name.startswith("encoder.")} <= reached
    assert bool(through_s) == any(kind != "z" for kind in kinds)
    assert all(name.startswith(("layers.0.", "layers.1.")) for name in through_s)
    assert all(parameter.grad is None for critic in kinds.values() for parameter in critic.parameters())


# --- the study -------------------------------------------------------------------------------------------------------


def extended(objective: str, **own: float) -> dict:
    values = tiny.values()
    config = {"dataset": "digits", "objective": objective, "gamma": 0.3} | own
    values["configs"][f"digits-{study.Config(**config).variant}-g030"] = config
    return values


def test_keys_are_those_of_the_classes():
    assert OBJECTIVE_KEYS.keys() <= OBJECTIVES.keys()
    for name, keys in OBJECTIVE_KEYS.items():
        config = study.Config(dataset="digits", objective=name, gamma=0.3, **{key: VALUES[key] for key in keys})
        objective = build_objective(config)
        assert {key: getattr(objective, key) for key in keys} == config.own
        values = tiny.values()
        values["configs"]["digits-new-g030"] = {"dataset": "digits", "objective": name, "gamma": 0.3}
        mistake = tiny.mistake(lambda values=values: tiny.params(base=values))
        assert mistake.where.endswith(f"digits-new-g030.{keys[0]}")


def test_a_key_that_an_objective_does_not_read_is_refused():
    values = tiny.values()
    values["configs"]["digits-cmi-g030"]["alpha"] = 2.0
    mistake = tiny.mistake(lambda: tiny.params(base=values))
    assert "'cmi' does not read 'alpha'" in mistake.what
    assert mistake.where.endswith("configs.digits-cmi-g030.alpha")
    assert "cmi-alpha" in mistake.fix


@pytest.mark.parametrize(
    ("objective", "own", "variant", "name"),
    [
        ("cmi-alpha", {"alpha": 1.5}, "cmi-alpha-a1p5", "CMI-VAE, α 1.5"),
        ("cmi-split", {"weight_zs": 0.05}, "cmi-split-w0p05", "CMI-VAE in two terms, weight of I(z;s) 0.05"),
        ("mi-mmd", {"mmd_weight": 1000.0}, "mi-mmd-m1000", "MI-VAE by MMD, weight 1000"),
        ("cmi-mmd", {"mmd_weight": 20.0}, "cmi-mmd-m20", "CMI-VAE by MMD, weight 20"),
    ],
)
def test_rows_and_keys_say_the_values(objective, own, variant, name):
    config = study.Config(dataset="digits", objective=objective, gamma=0.3, **own)
    assert config.variant == variant
    assert objective_name(variant) == name
    assert config_title(config) == f"{name}, γ 0.3"
    checked = tiny.params(base=extended(objective, **own))
    assert f"digits-{variant}-g030" in checked.configs


def test_values_are_in_the_spec_and_plain_objectives_have_no_more_keys():
    base = extended("cmi-alpha", alpha=1.5)
    values = extended("cmi-alpha", alpha=2.0)
    one, two = (tiny.study_of(each) for each in (base, values))
    assert one["runs/train/digits-cmi-alpha-a1p5-g030/s0"].params["alpha"] == 1.5
    assert two["runs/train/digits-cmi-alpha-a2-g030/s0"].params["alpha"] == 2.0
    assert not {"alpha", "weight_zs", "mmd_weight"} & one["runs/train/digits-cmi-g030/s0"].params.keys()
    plain = tiny.study()
    assert all(one[folder].spec == plain[folder].spec for folder in plain.artefacts if folder.startswith("runs/"))


def test_gamma_zero_is_for_the_split_alone():
    values = tiny.values()
    values["configs"]["digits-cmi-split-w0p5"] = {
        "dataset": "digits", "objective": "cmi-split", "gamma": 0.0, "weight_zs": 0.5,
    }  # fmt: skip
    assert tiny.params(base=values)
    values["configs"]["digits-mi-mmd-m5"] = {
        "dataset": "digits",
        "objective": "mi-mmd",
        "gamma": 0.0,
        "mmd_weight": 5.0,
    }
    assert "gamma 0.0" in tiny.mistake(lambda: tiny.params(base=values)).what


def test_check_names_what_is_beyond_the_paper(capsys):
    assert main(["-C", str(tiny.REPOSITORY / "extensions"), "check"]) == 0
    said = capsys.readouterr().out
    assert "beyond the paper: configs.digits-cmi-alpha-a2-g030: objective cmi-alpha, alpha 2" in said
    assert "beyond the paper: datasets.digits-sn: critics with spectral normalisation" in said
    assert main(["-C", str(tiny.REPOSITORY), "check"]) == 0
    assert "beyond" not in capsys.readouterr().out


def test_the_workspace_of_extensions_holds_them_all():
    params = load_params(tiny.REPOSITORY / "extensions/params.yaml")
    assert {config.objective for config in params.configs.values()} >= OBJECTIVE_KEYS.keys()
    assert any(dataset.critic.spectral_norm for dataset in params.datasets.values())


def test_each_extension_has_a_look_of_its_own():
    looks = {objective: look(f"{objective}-x1p5") for objective in OBJECTIVE_KEYS}
    assert len({*looks.values(), *LOOKS.values(), OTHER}) == len(looks) + len(LOOKS) + 1
    assert look("cmi") == LOOKS["cmi"]
    assert look("something-else") == OTHER


# --- a model that brings its parameters along (docs/extending.md proves the whole) ------------------------------------


@pytest.fixture
def brought(monkeypatch):
    """A model in the registry whose module has what the test puts there."""
    module = ModuleType("made_up_model")
    monkeypatch.setitem(sys.modules, "made_up_model", module)
    monkeypatch.setitem(MODELS, "made-up", "made_up_model:Model")
    return module


def of_made_up(**keys: object) -> dict:
    return tiny.put(tiny.values(), "datasets.digits.model", {"name": "made-up", **keys})


def test_a_model_checks_its_own_keys(brought):
    class Params(study.Strict):
        name: Literal["made-up"]
        sizes: tuple[int, ...] = (1,)

    brought.Params = Params
    assert tiny.params(base=of_made_up(sizes=[3, 4])).datasets["digits"].model == Params(name="made-up", sizes=(3, 4))
    mistake = tiny.mistake(lambda: tiny.params(base=of_made_up(size=[3])))
    assert mistake.where.endswith("datasets.digits.model.size")
    assert mistake.fix == "did you mean 'sizes'?"
    assert tiny.mistake(lambda: tiny.params(base=of_made_up(z_dim=8))).fix == "known here: name, sizes"


def test_a_model_that_brings_no_parameters_is_refused(brought):
    mistake = tiny.mistake(lambda: tiny.params(base=of_made_up()))
    assert mistake.what == "model 'made-up' brings no parameters"
    assert "class Params(Strict)" in mistake.fix
