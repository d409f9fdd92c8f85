"""DSAE in the training loop: resumed to the bit, random segments and fresh batches too, the last epoch kept."""

import json

import pytest
import torch
from test_resume import CPU, StopAt, same_bits

from cmivae.errors import Preempted
from cmivae.study.params import Config, Dsae, SpeechCritic, SpeechData, SpeechDataset, SpeechEmbed, SpeechEvaluate
from cmivae.study.params import SpeechTrain as Train
from cmivae.training.build import build_critics, build_model, build_objective
from cmivae.training.items import Segments
from cmivae.training.loop import Job, Trainer

T, BINS, STEPS = 8, 9, 4  # frames, bins, steps an epoch
LENGTHS = (41, 60, 37, 90, 55)  # frames of the training utterances: 33 segments, so that one is left out of each epoch


def make_dataset(q_s="rnn", spectral_norm=False, **train) -> SpeechDataset:
    train = {"epochs": 3, "batch_size": 8, "lr": 2e-3, "valid_every": 1} | train
    return SpeechDataset(
        reader="synth",
        data=SpeechData(segment=T, n_fft=2 * (BINS - 1), win_length=16, hop_length=8),
        model=Dsae(name="dsae", z_dim=3, s_dim=2, hidden=5, q_s=q_s),
        critic=SpeechCritic(channels=4, hidden=8, spectral_norm=spectral_norm),
        train=Train(**train),
        embed=SpeechEmbed(),
        evaluate=SpeechEvaluate(),
    )


def make_items(random: bool) -> tuple[Segments, Segments]:
    """To train and to validate on."""
    drawn, ends = torch.Generator().manual_seed(7), torch.tensor(LENGTHS).cumsum(0)
    firsts = ends - torch.tensor(LENGTHS)
    starts = torch.cat([first + T * torch.arange(n // T) for first, n in zip(firsts, LENGTHS, strict=True)])
    spans = torch.stack([firsts, torch.tensor(LENGTHS)], dim=1)
    train = torch.rand(sum(LENGTHS), BINS, generator=drawn)
    valid = torch.rand(100, BINS, generator=drawn)
    fixed = Segments(valid, T * torch.arange(12), T, CPU)
    return Segments(train, starts, T, CPU, spans if random else None), fixed


def make_job(
    folder, objective="cmi", gamma=0.4, stop=False, seed=1, minutes=5.0, random=False, own=(), **settings
) -> Job:
    dataset = make_dataset(**settings)
    target = build_objective(Config(dataset="speech", objective=objective, gamma=gamma, **dict(own)))
    model = build_model(dataset, seed, CPU)
    model.start_from(torch.full((BINS,), 1 / 12))
    critics = build_critics(dataset, target, model, seed, CPU)
    train, valid = make_items(random)
    return Job("test", model, target, critics, dataset.train, train, valid, seed, CPU, folder, minutes, stop)


def lines(folder, kind):
    return [e for e in map(json.loads, (folder / "curve.jsonl").read_text().splitlines()) if e["kind"] == kind]


def resumed(folder, stops, **settings):
    """Stopped after so many steps of each process, then trained to the end."""
    for stop in stops:
        with pytest.raises(Preempted):
            Trainer(make_job(folder, stop=StopAt(stop), **settings)).run()
    return Trainer(make_job(folder, **settings)).run()


OBJECTIVES = [("vanilla", 0.0), ("beta", 0.4), ("cmi", 0.4)]
OTHERS = [
    {"random": True},
    {"d_batch": "fresh"},
    {"random": True, "d_batch": "fresh"},
    {"q_s": "ar"},
    {"valid_every": 2},
    {"spectral_norm": True},
    {"objective": "cmi-split", "own": {"weight_zs": 0.8}},
    {"objective": "cmi-mmd", "own": {"mmd_weight": 50.0}},
]


@pytest.mark.parametrize("stops", [(4,), (3, 2, 4)])
@pytest.mark.parametrize(
    "settings", [{"objective": name, "gamma": gamma} for name, gamma in OBJECTIVES] + OTHERS, ids=str
)
def test_stopped_and_resumed_is_bit_identical(tmp_path, settings, stops):
    whole = Trainer(make_job(tmp_path / "whole", **settings)).run()
    cut = resumed(tmp_path / "cut", stops, **settings)
    assert whole.failure is None
    same_bits(whole.weights, cut.weights)
    assert (whole.epoch, whole.value, whole.steps) == (cut.epoch, cut.value, cut.steps)
    assert (tmp_path / "whole/curve.jsonl").read_bytes() == (tmp_path / "cut/curve.jsonl").read_bytes()


def test_random_segments_are_others_in_each_epoch_and_another_training(tmp_path):
    trainer = Trainer(make_job(tmp_path / "a", random=True))
    seen = []
    for epoch in range(2):
        trainer._order(epoch)
        seen.append(trainer.job.train[slice(None)].clone())
    assert trainer.steps_per_epoch == STEPS
    assert seen[0].shape == seen[1].shape == (33, T, BINS)
    assert not torch.equal(*seen)
    random, fixed = (
        Trainer(make_job(tmp_path / str(flag), random=flag)).run().weights["vae"] for flag in (True, False)
    )
    assert not torch.equal(random["z_out.weight"], fixed["z_out.weight"])


@pytest.mark.parametrize(
    ("epochs", "every", "expected"), [(3, 1, [1, 2, 3]), (5, 2, [2, 4, 5]), (4, 2, [2, 4]), (2, 10, [2])]
)
def test_validation_comes_every_so_many_epochs_and_at_the_end(tmp_path, epochs, every, expected):
    result = Trainer(make_job(tmp_path, epochs=epochs, valid_every=every)).run()
    found = lines(tmp_path, "valid")
    assert [entry["epoch"] for entry in found] == expected
    assert [entry["step"] for entry in found] == [STEPS * epoch for epoch in expected]
    assert (result.epoch, result.value, result.steps) == (epochs, found[-1]["selection"], STEPS * epochs)


def test_how_often_it_validates_changes_no_weight(tmp_path):
    often, seldom = (Trainer(make_job(tmp_path / str(n), valid_every=n)).run() for n in (1, 3))
    same_bits(often.weights, seldom.weights)


@pytest.mark.parametrize("select", ["last", "objective"])
def test_selection(tmp_path, select):
    job = make_job(tmp_path, objective="beta", epochs=4, lr=1.0, select=select)  # so fast that it gets worse
    result = Trainer(job).run()
    values = [entry["selection"] for entry in lines(tmp_path, "valid")]
    best = values.index(min(values)) + 1
    assert best < 4
    assert result.epoch == (4 if select == "last" else best)
    assert result.value == values[result.epoch - 1]
    final = job.model.state_dict()
    assert all(torch.equal(final[name], kept) for name, kept in result.weights["vae"].items()) is (select == "last")


def test_validation_values_are_those_of_the_objective(tmp_path):
    job = make_job(tmp_path, epochs=1, gamma=0.4)
    Trainer(job).run()
    (entry,) = lines(tmp_path, "valid")
    beta = entry["recon"] + entry["kl_s"] + 0.6 * entry["kl_z"]
    assert entry["kl_s"] > 0
    assert entry["elbo"] == pytest.approx(-(entry["recon"] + entry["kl_s"] + entry["kl_z"]), rel=1e-5)
    assert entry["loss"] == entry["selection"] == pytest.approx(beta + 0.4 * entry["logit_zs"], rel=1e-5)


def test_seeds_differ_and_repeat(tmp_path):
    runs = [Trainer(make_job(tmp_path / str(number), seed=seed)).run().weights for number, seed in enumerate((1, 1, 2))]
    same_bits(runs[0], runs[1])
    for module in runs[0]:
        assert any(not torch.equal(value, runs[2][module][name]) for name, value in runs[0][module].items())


def test_the_estimator_never_touches_the_vae(tmp_path):
    with_it, without = (
        Trainer(make_job(tmp_path / str(on), online_estimator=on)).run().weights for on in (True, False)
    )
    assert set(with_it) - set(without) == {"estimator"}
    same_bits({"vae": with_it["vae"]}, {"vae": without["vae"]})


def test_training_lowers_the_loss(tmp_path):
    Trainer(make_job(tmp_path, objective="vanilla", gamma=0.0, epochs=30, lr=5e-3, valid_every=1)).run()
    values = [entry["selection"] for entry in lines(tmp_path, "valid")]
    assert values[-1] < values[0] - 1


def test_saving_at_every_step_changes_no_bit(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole", random=True)).run()
    same_bits(whole.weights, Trainer(make_job(tmp_path / "often", random=True, minutes=0.0)).run().weights)


@pytest.mark.parametrize("where", ["weights", "gradient", "critic", "frames"])
def test_nan_is_found_in_the_same_step_and_reaches_no_weights(tmp_path, where):
    job = make_job(tmp_path)
    if where == "weights":
        job.model.s_out.weight.data[0, 0] = float("nan")
    elif where == "gradient":
        job.model.z_out.weight.register_hook(lambda gradient: gradient * float("inf"))
    elif where == "critic":
        job.critics["zs"].log_scale.data.fill_(float("inf"))
    else:
        job.train.frames.fill_(float("nan"))
    result = Trainer(job).run()
    assert result.weights == {}
    assert result.failure["step"] == "1"
    assert "not finite" in result.failure["why"]


def test_a_model_that_is_lost_on_validation_only_is_a_failure(tmp_path):
    job = make_job(tmp_path)
    job.valid.frames[3] = float("inf")
    result = Trainer(job).run()
    assert result.weights == {}
    assert result.failure["why"] == "the validation objective is not finite after epoch 1"
