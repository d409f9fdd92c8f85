"""A whole run in process, through the stages: what is written, and how a run that diverges is told."""

import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from workspace import SMALL

from cmivae.cli import main
from cmivae.errors import UserError
from cmivae.provenance.ledger import read_record
from cmivae.provenance.specs import Study
from cmivae.stages.overview import live_tables
from cmivae.study.loading import load_params


def call(folder: Path, *arguments: str) -> int:
    return main(["-q", "-C", str(folder), *arguments])


@pytest.fixture
def space(tmp_path):
    (tmp_path / "params.yaml").write_text(SMALL)
    assert call(tmp_path, "fetch", "digits") == 0
    assert call(tmp_path, "prepare", "digits") == 0
    return tmp_path


def edit(space, old, new):
    text = (space / "params.yaml").read_text()
    assert old in text
    (space / "params.yaml").write_text(text.replace(old, new))


def test_a_run_from_images_to_metrics(space):
    for stage in ("train", "embed", "evaluate"):
        assert call(space, stage, "digits-cmi-g030", "0") == 0
    run = "digits-cmi-g030/s0"
    record = read_record(space, f"runs/train/{run}").values
    assert set(record["files"]) == {
        "curve.jsonl", "critic_estimator.safetensors", "critic_zs.safetensors", "model.safetensors"
    }  # fmt: skip
    (segment,) = record["segments"]
    assert segment["end"] == "finished"
    assert segment["cpu_s"] > 0
    assert record["environment"]["torch"]["deterministic"] is True
    latents = load_file(space / f"runs/embed/{run}/latents.safetensors")
    assert latents["test_z_mean"].shape == (60, 4)
    assert latents["probe_z_mean"].shape == (30, 4)
    samples = load_file(space / f"runs/embed/{run}/samples.safetensors")["mcas"]
    assert samples.shape == (2, 20, 2, 98)
    metrics = json.loads((space / f"runs/evaluate/{run}/metrics.json").read_text())
    assert metrics["elbo"] == pytest.approx(-(metrics["recon"] + metrics["kl_z"]))
    assert metrics["recon"] == pytest.approx(float(latents["test_recon"].mean()), rel=1e-6)
    assert list((space / ".cmivae/scratch/train/digits-cmi-g030/s0").iterdir()) == []


def test_an_unfinished_training_with_other_params_is_kept(space, capsys):
    other = space / ".cmivae/scratch/train/digits-vanilla/s0/0123456789abcdef/state"
    other.mkdir(parents=True)
    (other / "state-a.pt").write_bytes(b"hours of work")
    assert call(space, "train", "digits-vanilla", "0") == 0
    assert (other / "state-a.pt").read_bytes() == b"hours of work"
    assert "it is kept, not used" in capsys.readouterr().err


def test_the_same_run_twice_has_the_same_bytes(space):
    files = []
    for _ in range(2):
        assert call(space, "train", "--force", "digits-cmi-g030", "0") == 0
        assert call(space, "embed", "--force", "digits-cmi-g030", "0") == 0
        runs = [space / f"runs/{stage}/digits-cmi-g030/s0" for stage in ("train", "embed")]
        files.append({p.name: p.read_bytes() for run in runs for p in run.iterdir() if p.name != "run.json"})
    assert files[0] == files[1]


def test_a_run_that_diverges_is_told_in_every_table_and_never_averaged(space):
    edit(space, "lr: 0.003", "lr: 1.0, clip: 0.0")
    edit(space, "seeds: [0]", "seeds: [0, 1]")
    edit(space, "  digits-cmi-g030: {dataset: digits, objective: cmi, gamma: 0.3}\n", "")
    edit(space, "  X5: {title: \"Test\", kind: samples, dataset: digits, configs: [digits-cmi-g030]}\n",
         "  X5: {title: \"Test\", kind: samples, dataset: digits, configs: [digits-vanilla]}\n")  # fmt: skip
    edit(space, "epochs: 1,", "epochs: 40,")
    for seed in ("0", "1"):
        for stage in ("train", "embed", "evaluate"):
            assert call(space, stage, "digits-vanilla", seed) == 0
    study = Study(load_params(space / "params.yaml"))
    record = read_record(space, "runs/train/digits-vanilla/s0")
    assert record.status == "failed"
    assert "not finite" in record.values["failure"]["why"]
    assert (space / "runs/train/digits-vanilla/s0/failure.json").is_file()
    assert not (space / "runs/train/digits-vanilla/s0/model.safetensors").exists()
    (table,) = live_tables(space, study, [])
    assert "failed (2/2 seeds)" in table
    assert call(space, "baseline", "digits") == 0
    assert call(space, "tables") == 0
    assert "failed (2/2 seeds)" in (space / "results/tables/X4.md").read_text()
    assert call(space, "figures") == 0
    assert (space / "results/figures/X5.png").stat().st_size > 1000


def test_a_failing_stage_leaves_the_old_artefact(space, capsys):
    assert call(space, "train", "digits-vanilla", "0") == 0
    before = read_record(space, "runs/train/digits-vanilla/s0").run_id
    edit(space, "seeds: [0]", "seeds: [0]\ncompute: {device: cuda}")
    assert call(space, "train", "--force", "digits-vanilla", "0") == 2
    message = capsys.readouterr().err
    assert "device 'cuda' was asked for" in message
    assert "fix" in message
    assert read_record(space, "runs/train/digits-vanilla/s0").run_id == before


def test_a_tampered_input_is_refused_by_name(space, capsys):
    images = space / "data/prepared/digits/images.safetensors"
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)
    assert call(space, "train", "digits-vanilla", "0") == 2
    message = capsys.readouterr().err
    assert "data/prepared/digits/images.safetensors" in message
    assert "recorded sha256" in message


def test_a_missing_input_is_named(space, capsys):
    assert call(space, "embed", "digits-vanilla", "0") == 2
    assert "STALE runs/train/digits-vanilla/s0: it was not made yet" in capsys.readouterr().err


def test_no_space_is_one_message(space, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr("cmivae.training.curve.Curve.write", full)
    assert call(space, "train", "digits-vanilla", "0") == 2
    assert "no space left" in capsys.readouterr().err


def test_weights_with_nan_are_refused(space):
    from cmivae.training.build import build_model, load_weights, save_weights
    from cmivae.training.devices import resolve_device

    params = load_params(space / "params.yaml")
    model = build_model(params.datasets["digits"], 0, resolve_device("cpu"))
    weights = model.state_dict()
    weights["z_linear.bias"][0] = float("nan")
    save_weights(space / "bad.safetensors", weights)
    with pytest.raises(UserError, match="NaN or infinity"):
        load_weights(space / "bad.safetensors", model)
