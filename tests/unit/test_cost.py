"""What a study costs: operations against counts by hand, items, hours, and what is said where nothing was measured."""

import json

import pytest
import tiny
import torch
import yaml

from cmivae.audit import cost as costs
from cmivae.audit import rates
from cmivae.audit.book import Book
from cmivae.audit.cost import cost, cost_text, total
from cmivae.audit.flops import item_flops, of_run, steps
from cmivae.audit.items import Counts, counts
from cmivae.cli import main
from cmivae.study import params as study

IMAGE = {"reader": "mnist", "data": {}, "critic": {"channels": 4}, "train": {"epochs": 3}, "embed": {}, "evaluate": {}}
PLAIN = {"name": "pixelcnn_vae", "block": "plain", "encoder": "conv", "encoder_channels": 4, "encoder_out": 8,
         "z_dim": 2, "channels": 6, "kernels": [5, 3], "cut": 1, "z_maps": 1}  # fmt: skip
SPEECH = {"reader": "timit", "data": {}, "model": {"name": "dsae", "z_dim": 3, "s_dim": 5, "hidden": 7},
          "critic": {"channels": 4}, "train": {"epochs": 10, "online_estimator": False}, "embed": {},
          "evaluate": {}}  # fmt: skip


def image(**train) -> study.ImageDataset:
    return study.ImageDataset.model_validate_json(json.dumps(IMAGE | {"model": PLAIN, "train": {"epochs": 3} | train}))


def speech() -> study.SpeechDataset:
    return study.SpeechDataset.model_validate_json(json.dumps(SPEECH))


def config(objective: str = "beta", gamma: float = 0.5) -> study.Config:
    return study.Config(dataset="x", objective=objective, gamma=gamma)


def test_logits_by_hand():
    found = item_flops(image(online_estimator=False), config())
    pixels = 784
    convolutions = 6 * 1 * 3 * 5 + 6 * 6 * 2 * 3 + 6 * 1 * 3 * 3  # the upper rows of 5 x 5 and 3 x 3, and z's 3 x 3
    head, maps = 6 * 6 + 6, 2 * 784
    assert found["logits"] == 2 * (pixels * (convolutions + head) + maps)


def test_dsae_by_hand():
    found = item_flops(speech(), config())
    f, z, s, h, t = 201, 3, 5, 7, 20

    def lstm(inputs: int) -> int:
        return 4 * h * (inputs + h)

    frame = 2 * lstm(f) + 2 * lstm(f + z) + lstm(s) + (2 * h * h + h * h) + 2 * h * 2 * s
    frame += h * (s + z) + h * h + h * f  # the decoder
    assert found["valid"] == 2 * (t * frame + 2 * h * 2 * z)
    assert 2 * found["valid"] < found["step"] < 3 * found["valid"]  # the data needs no gradient
    assert found["logits"] == 0


def test_a_critic_costs_what_it_does():
    beta, cmi, mi = (item_flops(image(), config(name)) for name in ("beta", "cmi", "mi"))
    alone = item_flops(image(online_estimator=False), config())
    two_steps = beta["step"] - alone["step"]  # of the estimator
    assert two_steps > 0
    assert cmi["step"] - beta["step"] > two_steps  # as many of its own, and the gradient of the VAE through it
    assert beta["step"] < mi["step"] < cmi["step"]
    assert item_flops(image(), config("cmi", 0.0))["step"] == beta["step"]


def test_of_run_by_hand():
    each = {"step": 7.0, "valid": 5.0, "posthoc": 3.0, "posthoc_valid": 2.0, "logits": 11.0}
    items, dataset = Counts(120, 30, 40, True), image(batch_size=50, valid_every=2)
    assert steps(dataset, items) == 2 * 3
    found = of_run(dataset, items, each)
    assert found["train"] == 6 * 50 * 7 + 2 * 30 * 5
    assert found["embed"] == 50 * (120 * 3 + 30 * 2) + 40 * 5 + 10 * 100 * 10 * 11


def test_items_published_cut_and_unknown(tmp_path):
    values = tiny.values()
    values["datasets"]["digits"] |= {"reader": "fashion-mnist"}
    assert counts(book(tmp_path, values), "digits") == Counts(48_000, 12_000, 10_000, False)
    values["datasets"]["digits"]["data"] |= {"n_train": 1000, "n_valid": 200, "n_test": 300, "probe_per_class": 100}
    assert counts(book(tmp_path, values), "digits") == Counts(1000, 200, 300, False)
    assert counts(book(tmp_path), "digits") is None


def book(folder, values: dict | None = None) -> Book:
    tiny.workspace(folder, yaml.safe_dump(values or tiny.values()))
    return Book(folder)


def published() -> dict:
    values = tiny.values()
    values["datasets"]["digits"] |= {"reader": "mnist"}
    values["datasets"]["digits"]["data"] |= {"n_train": 500, "n_valid": 100, "probe_per_class": 50}
    small = {"channels": 4, "encoder_channels": 4, "encoder_out": 8, "z_dim": 4}
    values["datasets"]["digits"]["model"] |= small
    values["datasets"]["digits"]["critic"] |= {"channels": 4}
    return values


def test_cost_counts_all_runs_and_says_what_is_estimated(tmp_path):
    found = cost(book(tmp_path, published()))
    assert {(row["objective"], row["runs"]) for row in found["groups"]} == {("vanilla", 2), ("beta", 2), ("cmi", 2)}
    each = item_flops(book(tmp_path, published()).study.params.datasets["digits"], config())
    (beta,) = (row for row in found["groups"] if row["objective"] == "beta")
    assert beta["operations"]["train"] == 2 * (10 * 50 * each["step"] + 100 * each["valid"])
    for name, peak in costs.PEAKS.items():
        floor = total(found, "operations") / peak / 3600
        assert total(found, "floor_hours", name) == pytest.approx(floor)
        assert total(found, "estimated_hours", name) >= floor / costs.SHARE
    assert beta["estimated_hours"]["bf16"]["train"] == pytest.approx(
        2 * 10 * costs.LEAST_S["image"] / 3600
    )  # as short as can be
    text = "\n".join(cost_text(found))
    assert "6 runs from nothing" in text
    assert "estimate, not measured" in text
    assert "cmivae plan --measure" in text


def test_steps_of_one_graph_are_estimated_shorter(tmp_path):
    values = published()
    values["compute"] = values.get("compute", {}) | {"graph": True}
    found = cost(book(tmp_path, values))
    (beta,) = (row for row in found["groups"] if row["objective"] == "beta")
    assert beta["estimated_hours"]["bf16"]["train"] == pytest.approx(2 * 10 * costs.GRAPH_LEAST_S["image"] / 3600)
    assert "and 2 or 1.8 ms a step at least" in "\n".join(cost_text(found))


def test_it_is_said_where_no_gpu_is(tmp_path):
    found = cost(book(tmp_path, published()))
    assert found["cuda_here"] == torch.cuda.is_available()
    for present in (False, True):
        text = "\n".join(cost_text(found | {"cuda_here": present}))
        assert ("no CUDA device is at hand, so no rate of one" in text) != present


def test_measured_hours_are_seconds_times_items(tmp_path, monkeypatch):
    each = dict.fromkeys(("step", "valid", "posthoc", "posthoc_valid", "logits"), 0.5)
    monkeypatch.setattr(costs, "item_seconds", lambda *arguments: each)
    monkeypatch.setattr(costs, "device_here", lambda wanted, threads: torch.device("cpu"))
    opened = book(tmp_path, published())
    found = cost(opened, measure=True)
    once = of_run(opened.study.params.datasets["digits"], Counts(500, 100, 10_000, False), each)
    assert total(found, "measured_hours") == pytest.approx(6 * sum(once.values()) / 3600)
    assert "by steps timed now" in "\n".join(cost_text(found))


def test_rates_are_measured_for_each_kind_of_work(monkeypatch):
    monkeypatch.setattr(rates, "SECONDS", 0.0)
    monkeypatch.setattr(rates, "ITEMS", 4)
    found = rates.item_seconds(image(batch_size=4), config("cmi"), torch.device("cpu"))
    assert set(found) == set(item_flops(image(), config()))
    assert all(value > 0 for value in found.values())
    of_speech = rates.item_seconds(speech(), config("cmi"), torch.device("cpu"))
    assert all((value > 0) == (name != "logits") for name, value in of_speech.items())


def test_plan_adds_the_cost_where_trainings_are_left(tmp_path, capsys):
    tiny.workspace(tmp_path, yaml.safe_dump(published()))
    assert main(["-C", str(tmp_path), "plan"]) == 0
    printed = capsys.readouterr().out
    assert "6 runs from nothing" in printed
    assert "h else of what has a rate" in printed
    assert main(["-C", str(tmp_path), "plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cost"]["runs"] == 6
    tiny.workspace(tmp_path)
    assert main(["-C", str(tmp_path), "plan"]) == 0
    assert "runs on digits, until it is prepared" in capsys.readouterr().out
