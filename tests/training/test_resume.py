"""A run stopped at any step and started again ends with the same bits as one never stopped (CPU)."""

import json
import shutil

import pytest
import torch

from cmivae.errors import Preempted, UserError
from cmivae.provenance.io import read_json
from cmivae.study.params import Config, Critic, Embed, Evaluate, ImageData, ImageDataset, PixelCnnVae, Train
from cmivae.training.build import build_critics, build_model, build_objective
from cmivae.training.items import Images
from cmivae.training.loop import Job, Trainer

CPU = torch.device("cpu")
MODEL = {"z_dim": 4, "encoder_channels": 4, "encoder_out": 8, "channels": 4, "kernels": (3, 3), "cut": 1}


class StopAt:
    """Truthy at the nth look, which comes once a step."""

    def __init__(self, step):
        self.left = step

    def __bool__(self):
        self.left -= 1
        return self.left == 0


def make_dataset(spectral_norm=False, **train):
    train = {"epochs": 2, "batch_size": 8, "lr": 1e-3} | train
    return ImageDataset(
        reader="digits",
        data=ImageData(),
        model=PixelCnnVae(name="pixelcnn_vae", **MODEL),
        critic=Critic(channels=4, hidden=8, spectral_norm=spectral_norm),
        train=Train(**train),
        embed=Embed(),
        evaluate=Evaluate(),
    )


def make_job(folder, objective="cmi", gamma=0.3, stop=False, seed=1, minutes=5.0, own=(), **train):
    dataset = make_dataset(**train)
    target = build_objective(Config(dataset="digits", objective=objective, gamma=gamma, **dict(own)))
    model = build_model(dataset, seed, CPU)
    drawn = torch.Generator().manual_seed(7)
    images = (torch.rand(60, 28, 28, generator=drawn) < 0.15).to(torch.uint8)
    critics = build_critics(dataset, target, model, seed, CPU)
    parts = Images(images[:44]), Images(images[44:])
    return Job("test", model, target, critics, dataset.train, *parts, seed, CPU, folder, minutes, stop)


def same_bits(a, b):
    assert a.keys() == b.keys()
    for module in a:
        assert a[module].keys() == b[module].keys()
        for name, value in a[module].items():
            assert torch.equal(value, b[module][name]), (module, name)


@pytest.mark.parametrize(("objective", "gamma"), [("vanilla", 0.0), ("beta", 0.3), ("mi", 0.3), ("cmi", 0.3)])
@pytest.mark.parametrize("stops", [(1,), (4, 2), (5, 5)])
def test_stopped_and_resumed_is_bit_identical(tmp_path, objective, gamma, stops):
    whole = Trainer(make_job(tmp_path / "whole", objective, gamma)).run()
    for stop in stops:
        with pytest.raises(Preempted):
            Trainer(make_job(tmp_path / "cut", objective, gamma, StopAt(stop))).run()
    resumed = Trainer(make_job(tmp_path / "cut", objective, gamma)).run()
    same_bits(whole.weights, resumed.weights)
    assert (whole.epoch, whole.value) == (resumed.epoch, resumed.value)
    assert (tmp_path / "whole/curve.jsonl").read_bytes() == (tmp_path / "cut/curve.jsonl").read_bytes()


EXTENSIONS = {
    "cmi-alpha": {"own": {"alpha": 2.0}},
    "cmi-split": {"own": {"weight_zs": 0.5}},
    "mi-mmd": {"own": {"mmd_weight": 50.0}},
    "cmi-mmd": {"own": {"mmd_weight": 50.0}},
    "cmi": {"spectral_norm": True},
}


@pytest.mark.parametrize("objective", EXTENSIONS)
def test_extensions_train_and_resume_bit_for_bit(tmp_path, objective):
    settings = EXTENSIONS[objective]
    whole = Trainer(make_job(tmp_path / "whole", objective, **settings)).run()
    assert whole.failure is None
    wanted = {"vae", "estimator", *make_job(tmp_path / "none", objective, **settings).objective.critics}
    assert whole.weights.keys() == wanted
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path / "cut", objective, stop=StopAt(3), **settings)).run()
    resumed = Trainer(make_job(tmp_path / "cut", objective, **settings)).run()
    same_bits(whole.weights, resumed.weights)
    beta = Trainer(make_job(tmp_path / "beta", "beta")).run()
    assert any(not torch.equal(value, beta.weights["vae"][name]) for name, value in whole.weights["vae"].items())


def test_fresh_batches_for_critics_resume_too(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole", d_batch="fresh")).run()
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path / "cut", stop=StopAt(3), d_batch="fresh")).run()
    same_bits(whole.weights, Trainer(make_job(tmp_path / "cut", d_batch="fresh")).run().weights)


def test_what_was_written_after_the_last_checkpoint_is_forgotten(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole")).run()
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path / "cut", stop=StopAt(3))).run()
    with (tmp_path / "cut/curve.jsonl").open("a") as file:
        file.write('{"kind": "train", "epoch": 1, "step": 4, "lo')  # as a process killed in the middle of a line
    resumed = Trainer(make_job(tmp_path / "cut")).run()
    same_bits(whole.weights, resumed.weights)
    lines = (tmp_path / "cut/curve.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if json.loads(line)["kind"] == "valid"] == [5, 10]


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole")).run()
    for _ in range(2):
        with pytest.raises(Preempted):
            Trainer(make_job(tmp_path / "cut", stop=StopAt(2))).run()
    state = tmp_path / "cut/state"
    newest = state / read_json(state / "state.json")["generations"][0]["file"]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    same_bits(whole.weights, Trainer(make_job(tmp_path / "cut")).run().weights)


def test_all_checkpoints_damaged_is_an_error_not_a_fresh_start(tmp_path):
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path, stop=StopAt(2))).run()
    for path in (tmp_path / "state").glob("*.pt"):
        path.write_bytes(b"rubbish")
    with pytest.raises(UserError, match="damaged"):
        Trainer(make_job(tmp_path)).run()


def test_saving_at_every_step_changes_no_bit(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole")).run()
    same_bits(whole.weights, Trainer(make_job(tmp_path / "often", minutes=0.0)).run().weights)


def test_no_room_stops_before_the_write_and_goes_on_later(tmp_path, monkeypatch):
    whole = Trainer(make_job(tmp_path / "whole")).run()
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
        with pytest.raises(UserError, match="free") as caught:
            Trainer(make_job(tmp_path / "cut", minutes=0.0)).run()
    assert "free some space" in caught.value.fix
    same_bits(whole.weights, Trainer(make_job(tmp_path / "cut")).run().weights)
