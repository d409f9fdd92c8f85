"""The loop does what docs/protocol.md says: order of updates, selection, NaN guard."""

import json

import pytest
import torch
from test_resume import make_job, same_bits
from torch.utils._python_dispatch import TorchDispatchMode

from cmivae.errors import UserError
from cmivae.models.critics import ImageCritic
from cmivae.training.loop import Trainer


def lines(folder, kind):
    return [e for e in map(json.loads, (folder / "curve.jsonl").read_text().splitlines()) if e["kind"] == kind]


def test_the_best_validation_epoch_is_kept(tmp_path):
    result = Trainer(make_job(tmp_path, epochs=4)).run()
    values = [entry["selection"] for entry in lines(tmp_path, "valid")]
    assert len(values) == 4
    assert result.value == min(values)
    assert result.epoch == values.index(min(values)) + 1


def test_select_last_keeps_the_last(tmp_path):
    assert Trainer(make_job(tmp_path, epochs=3, select="last", lr=0.05)).run().epoch == 3


def test_beta_elbo_selection_leaves_the_critic_out(tmp_path):
    Trainer(make_job(tmp_path, select="beta_elbo", epochs=1)).run()
    (entry,) = lines(tmp_path, "valid")
    assert entry["selection"] == pytest.approx(entry["recon"] + 0.7 * entry["kl_z"], rel=1e-6)
    assert entry["loss"] == pytest.approx(entry["selection"] + 0.3 * entry["logit_zs"], rel=1e-5)


def test_the_estimator_never_touches_the_vae(tmp_path):
    with_it = Trainer(make_job(tmp_path / "a", online_estimator=True)).run().weights
    without = Trainer(make_job(tmp_path / "b", online_estimator=False)).run().weights
    assert "estimator" in with_it
    assert "estimator" not in without
    same_bits({"vae": with_it["vae"]}, {"vae": without["vae"]})


def test_objectives_start_from_the_same_weights_and_then_differ(tmp_path):
    weights = {}
    for objective in ("beta", "cmi", "mi"):
        job = make_job(tmp_path / objective, objective)
        weights[objective] = {name: value.clone() for name, value in job.model.state_dict().items()}
        trained = Trainer(job).run().weights["vae"]
        assert any(not torch.equal(trained[name], weights["beta"][name]) for name in trained)
    same_bits({"vae": weights["beta"]}, {"vae": weights["cmi"]})
    same_bits({"vae": weights["beta"]}, {"vae": weights["mi"]})


def test_critics_step_twice_for_each_vae_step(tmp_path, monkeypatch):
    calls = []
    step = ImageCritic.embed
    monkeypatch.setattr(ImageCritic, "embed", lambda self, s, x: (calls.append(s.requires_grad), step(self, s, x))[1])
    trainer = Trainer(make_job(tmp_path, online_estimator=False))
    trainer.update(trainer.job.train[slice(0, 8)])
    assert calls == [False, False, True]  # two on detached s, then the VAE's own through s


def test_epochs_visit_every_item_once_in_a_new_order(tmp_path):
    trainer = Trainer(make_job(tmp_path))
    first, second = trainer._order(0).clone(), trainer._order(1).clone()
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(44))
    assert not torch.equal(first, second)


class NoValues(TorchDispatchMode):
    """Refuses operations that need a value on the host, for which a GPU would be waited."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.overloadpacket.__name__ not in ("_local_scalar_dense", "nonzero", "masked_select"), func
        return func(*args, **kwargs or {})


@pytest.mark.parametrize("changes", [{}, {"d_batch": "fresh"}, {"precision": "bf16"}], ids=str)
@pytest.mark.parametrize("objective", ["beta", "mi", "cmi"])
def test_a_step_asks_for_no_value(tmp_path, objective, changes):
    trainer = Trainer(make_job(tmp_path, objective, **changes))
    trainer._order(0)  # once an epoch, on the host
    with NoValues():
        trainer.update(trainer.job.train[trainer._order(0)[:8]])
    with pytest.raises(AssertionError, match="_local_scalar_dense"), NoValues():
        trainer._check()  # which a GPU is asked each 25 steps


def test_fewer_items_than_a_batch_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="do not fill one batch"):
        Trainer(make_job(tmp_path, batch_size=100))


def test_seeds_differ_and_repeat(tmp_path):
    runs = [Trainer(make_job(tmp_path / str(number), seed=seed)).run().weights for number, seed in enumerate((1, 1, 2))]
    same_bits(runs[0], runs[1])
    assert not torch.equal(runs[0]["vae"]["z_linear.weight"], runs[2]["vae"]["z_linear.weight"])


@pytest.mark.parametrize("objective", ["cmi", "mi"])
def test_bf16_trains_near_float32(tmp_path, objective):
    exact = Trainer(make_job(tmp_path / "a", objective)).run()
    rough = Trainer(make_job(tmp_path / "b", objective, precision="bf16")).run()
    assert rough.failure is None
    assert rough.value == pytest.approx(exact.value, rel=0.05)
    assert not torch.equal(rough.weights["vae"]["z_linear.weight"], exact.weights["vae"]["z_linear.weight"])
