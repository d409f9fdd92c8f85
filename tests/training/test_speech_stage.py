"""Speech through the real stages: sounds and a CSV file in, tables and voices to listen to out."""

import csv
import io
import itertools
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from speech_study import (
    CONFIGS,
    PARAMS,
    RATE,
    RUNS,
    averages,
    call,
    cosine,
    edit,
    latents,
    metrics,
    model_of,
    slow_eer,
    slow_metrics,
    table_of,
    write_corpus,
)

from cmivae.data.speech import load
from cmivae.models.dsae import Dsae
from cmivae.provenance.ledger import read_record
from cmivae.stages.speech import baseline, evaluate
from cmivae.study.loading import load_params
from cmivae.training.items import Segments


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """A workspace with prepared data and the baseline."""
    space = tmp_path_factory.mktemp("speech")
    write_corpus(space / "corpus")
    (space / "params.yaml").write_text(PARAMS)
    for stage in ("fetch", "prepare", "baseline"):
        assert call(space, stage, "voices") == 0
    return space


@pytest.fixture(scope="module")
def space(prepared) -> Path:
    """The same workspace with all runs, tables and figures."""
    for config, stage in itertools.product(CONFIGS, ("train", "embed", "evaluate")):
        assert call(prepared, stage, config, "0") == 0
    assert call(prepared, "tables") == 0
    assert call(prepared, "figures") == 0
    assert call(prepared, "report") == 0
    return prepared


# --- from sounds to metrics -------------------------------------------------------------------------------------------


def test_what_each_stage_leaves(space):
    record = read_record(space, f"runs/train/{RUNS[1]}").values
    assert set(record["files"]) == {
        "curve.jsonl", "critic_estimator.safetensors", "critic_zs.safetensors", "model.safetensors"
    }  # fmt: skip
    assert "critic_zs.safetensors" not in read_record(space, f"runs/train/{RUNS[0]}").values["files"]
    assert record["selected"]["epoch"] == 10
    assert read_record(space, "data/raw/voices").values["source"] == "corpus/list.csv"
    folders = [
        "data/raw/voices",
        "data/prepared/voices",
        "runs/baseline/voices",
        "results/tables",
        "results/figures",
        "results/report",
    ]
    for folder in [*folders, *(f"runs/{stage}/{run}" for stage in ("train", "embed", "evaluate") for run in RUNS)]:
        found = read_record(space, folder)
        assert found.status == "complete", folder
        assert found.values["imported_beyond_spec"] == [], folder
    assert list((space / f".cmivae/scratch/train/{RUNS[0]}").iterdir()) == []
    assert not (space / ".cmivae/building").exists() or not list((space / ".cmivae/building").rglob("*.safetensors"))


def test_shapes_of_the_embeddings(space):
    found, count = latents(space, RUNS[1]), sum(int(row["segments"]) for row in table_of(space))
    core = sum(int(row["segments"]) for row in table_of(space) if row["core"] == "1")
    assert 0 < core < count
    assert {name: value.shape for name, value in found.items()} == {
        "test_z_mean": (count, 4), "test_z_logvar": (count, 4), "test_z": (count, 4), "test_s_mean": (count, 3),
        "test_recon": (count,), "test_kl_z": (count,), "test_kl_s": (count,),
        "vc_male": (4, 201), "vc_female": (4, 201),
        "online_joint": (core,), "online_shuffled": (core,), "posthoc_joint": (2, core), "posthoc_shuffled": (2, core),
    }  # fmt: skip


def test_embeddings_are_those_of_the_model_segment_by_segment(space):
    model, speech, found = model_of(space, RUNS[1]), load(space / "data/prepared/voices"), latents(space, RUNS[1])
    frames, number = speech.frames("test"), 0
    with torch.no_grad():
        for span in speech.of("test"):
            for segment in range(span.segments):
                x = frames[span.first + 20 * segment :][:20][None]
                z, s = model.means(x)
                np.testing.assert_allclose(found["test_z_mean"][number], z[0].numpy(), rtol=0, atol=1e-5)
                np.testing.assert_allclose(found["test_s_mean"][number], s[0].mean(0).numpy(), rtol=0, atol=1e-5)
                number += 1
        starts = {sex: speech.starts("train")[speech.lists[f"vc_{sex}"]] for sex in ("male", "female")}
        train = speech.frames("train")
        for pair, (male, female) in enumerate(zip(starts["male"], starts["female"], strict=True)):
            (z_m, s_m), (z_f, s_f) = (model.means(train[at : at + 20][None]) for at in (male, female))
            for name, s, z in (("male", s_f, z_m), ("female", s_m, z_f)):  # named by the z that they have
                expected = model.decode(s, z)[0][0].mean(0).numpy()
                np.testing.assert_allclose(found[f"vc_{name}"][pair], expected, rtol=0, atol=1e-5)
    assert number == len(found["test_z_mean"])


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", ["core", "full"])
def test_eer_by_the_slow_definition(space, run, name):
    found, values = metrics(space, run)[name], latents(space, run)
    for latent in ("z", "s"):
        slow = slow_metrics(space, values[f"test_{latent}_mean"], core_only=name == "core")
        assert found[f"eer_{latent}"] == pytest.approx(slow, abs=1e-9)
    utterances, speakers = {"core": (16, 4), "full": (24, 6)}[name]
    assert (found["trials"], found["targets"]) == (utterances * (utterances - 1) // 2, speakers * 6)


@pytest.mark.parametrize("run", RUNS)
def test_likelihood_is_the_mean_over_the_segments_of_the_list(space, run):
    found, values = metrics(space, run), latents(space, run)
    core = np.repeat([row["core"] == "1" for row in table_of(space)], [int(r["segments"]) for r in table_of(space)])
    for name, mask in (("core", core), ("full", np.ones_like(core))):
        for term in ("recon", "kl_z", "kl_s"):
            expected = float(np.mean(values[f"test_{term}"][mask].astype(np.float64)))
            assert found[name][term] == pytest.approx(expected, rel=1e-9)
        assert found[name]["elbo"] == pytest.approx(-sum(found[name][t] for t in ("recon", "kl_z", "kl_s")), rel=1e-12)
        assert found[name]["kl_s"] > 0
        assert found[name]["kl_z"] > 0
    assert all(found["core"][key] != found["full"][key] for key in found["core"] if not key.startswith("eer"))


@pytest.mark.parametrize("run", RUNS)
def test_information_from_the_logits(space, run):
    found, values = metrics(space, run)["i_zs"], latents(space, run)
    assert found["online"] == pytest.approx(float(values["online_joint"].astype(np.float64).mean()))
    inits = values["posthoc_joint"].astype(np.float64).mean(1)
    assert found["posthoc_inits"] == pytest.approx(inits.tolist())
    assert found["posthoc"] == pytest.approx(inits.mean())
    assert inits[0] != inits[1]
    joint, shuffled = (values[f"online_{name}"].astype(np.float64) for name in ("joint", "shuffled"))
    assert found["online_bce"] == pytest.approx(np.log1p(np.exp(-joint)).mean() + np.log1p(np.exp(shuffled)).mean())


@pytest.mark.parametrize("run", [*RUNS, "baseline"])
def test_vc_mcas_by_scikit_learn(space, run):
    speech = load(space / "data/prepared/voices")
    if run == "baseline":
        found = json.loads((space / "runs/baseline/voices/metrics.json").read_text())["vc"]
        x, y = averages(speech, "train", [*speech.lists["vc_male"], *speech.lists["vc_female"]])
    else:
        found, values = metrics(space, run)["vc_mcas"], latents(space, run)
        x, y = np.concatenate([values["vc_male"], values["vc_female"]]), ["M"] * 4 + ["F"] * 4
    real, sex = averages(speech, "test", speech.lists["vc_test"])
    probe = LogisticRegression(C=1.0, max_iter=1000).fit(x, y)
    assert found["percent"] == pytest.approx(100 * probe.score(real, sex))
    assert found["converged"] is True
    assert len(sex) == 8


def test_vc_mcas_labels_by_the_donor_of_z(space):
    """Real segments in place of conversions: as good as the baseline; exchanged, as bad."""
    speech, dataset = load(space / "data/prepared/voices"), load_params(space / "params.yaml").datasets["voices"]
    real = {sex: averages(speech, "train", speech.lists[f"vc_{sex}"])[0] for sex in ("male", "female")}
    context = SimpleNamespace(speech=dataset)
    right = evaluate._conversion(context, speech, {f"vc_{sex}": values for sex, values in real.items()})
    wrong = evaluate._conversion(context, speech, {"vc_male": real["female"], "vc_female": real["male"]})
    known = json.loads((space / "runs/baseline/voices/metrics.json").read_text())["vc"]["percent"]
    assert right["percent"] == known > 75
    assert wrong["percent"] == 100 - right["percent"]


def test_baseline_by_the_slow_definition(space):
    found = json.loads((space / "runs/baseline/voices/metrics.json").read_text())
    speech, rows = load(space / "data/prepared/voices"), table_of(space)
    frames, (low,), (width,) = speech.frames("test"), speech.scale["offset"], speech.scale["divisor"]
    for name in ("core", "full"):
        used = [n for n, row in enumerate(rows) if row["core"] == "1" or name == "full"]
        spans = [speech.of("test")[n] for n in used]
        spectra = np.array([frames[s.first : s.first + s.frames].double().numpy().mean(0) for s in spans]) * width + low
        np.testing.assert_allclose(baseline._mean_spectra(speech)[used], spectra, rtol=1e-9)  # in log units
        trials = list(itertools.combinations(range(len(used)), 2))
        own = [spans[a].speaker == spans[b].speaker for a, b in trials]
        for key, x in (("eer_raw", spectra), ("eer_centred", spectra - spectra.mean(0))):
            assert found[name][key] == pytest.approx(slow_eer([cosine(x[a], x[b]) for a, b in trials], own), abs=1e-9)


def test_metrics_have_the_keys_of_the_tables(space):
    found = metrics(space, RUNS[0])
    part = {"elbo", "kl_z", "kl_s", "recon", "eer_z", "eer_s", "trials", "targets"}
    assert {name: set(value) if isinstance(value, dict) else None for name, value in found.items()} == {
        "core": part, "full": part, "active_units": None, "mi_xz": None,
        "i_zs": {"online", "online_bce", "posthoc", "posthoc_bce", "posthoc_inits"},
        "vc_mcas": {"percent", "converged", "iterations"},
    }  # fmt: skip


# --- tables and figures -----------------------------------------------------------------------------------------------


def test_tables_show_these_metrics(space):
    rows = list(csv.DictReader(io.StringIO((space / "results/tables/S3.csv").read_text())))
    (row,) = [row for row in rows if row["model"] == "cmi"]
    found = metrics(space, RUNS[1])
    for column, value in (
        ("elbo", found["core"]["elbo"]), ("kl_s", found["core"]["kl_s"]), ("eer_z", found["core"]["eer_z"]),
        ("eer_s_full", found["full"]["eer_s"]), ("i_zs", found["i_zs"]["online"]),
        ("i_zs_posthoc", found["i_zs"]["posthoc"]),
    ):  # fmt: skip
        assert float(row[column]) == pytest.approx(value, abs=1e-6), column
    for name in ("S1", "S2", "S3"):
        text = (space / f"results/tables/{name}.md").read_text()
        assert "made-up sounds" in text
        assert "CMI-VAE" in text
        assert "failed" not in text
        assert "missing" not in text


@pytest.mark.parametrize("config", CONFIGS)
def test_voices_are_sounds_of_the_right_length(space, config):
    folder, speech = space / f"results/figures/S5/{config}-s0", load(space / "data/prepared/voices")
    spans = speech.of("test")
    pairs = load_file(space / f"runs/embed/{config}/s0/voices.safetensors")["pairs"]
    assert pairs.shape == (2, 2)
    for number, (source, target) in enumerate(pairs.tolist(), 1):
        assert spans[source].core
        assert spans[target].core
        assert spans[source].speaker != spans[target].speaker
        frames = dict.fromkeys(("source", "converted", "reconstruction"), 20 * spans[source].segments)
        waves = {}
        for kind, count in (frames | {"target": spans[target].frames}).items():
            waves[kind], rate = soundfile.read(folder / f"pair{number}-{kind}.wav")
            assert rate == RATE
            assert waves[kind].shape == (160 * (count - 1) + 400,)
            assert np.isfinite(waves[kind]).all()
            assert 0.003 < np.sqrt(np.mean(waves[kind] ** 2)) < 0.7
            assert np.abs(waves[kind]).max() <= 1
        assert not np.array_equal(waves["converted"], waves["reconstruction"])


def test_sources_sound_like_the_recording(space):
    """Griffin-Lim keeps what the frames hold: the level, and the pitch as the strongest harmonic."""
    speech = load(space / "data/prepared/voices")
    (source, _), *_ = load_file(space / f"runs/embed/{RUNS[0]}/voices.safetensors")["pairs"].tolist()
    span = speech.of("test")[source]
    made, _ = soundfile.read(space / f"results/figures/S5/{CONFIGS[0]}-s0/pair1-source.wav")
    real, _ = soundfile.read(space / "corpus" / span.path)
    real = real[: len(made)]
    assert np.std(made) == pytest.approx(np.std(real), rel=0.15)
    peaks = [np.abs(np.fft.rfft(wave * np.hanning(len(wave)))).argmax() for wave in (made, real)]
    assert abs(peaks[0] - peaks[1]) <= 2


def test_pages_reference_files_that_are_there(space):
    pages = sorted((space / "results/figures/S5").rglob("*.html"))
    assert len(pages) == 3
    sounds = set()
    for page in pages:
        found = re.findall(r'(?:src|href)="([^"#]+)"', page.read_text())
        assert found
        for address in found:
            assert not re.match(r"\w+:|/", address)
            assert (page.parent / address).is_file(), (page, address)
            sounds |= {(page.parent / address).resolve()} if address.endswith(".wav") else set()
    assert sounds == {path.resolve() for path in (space / "results/figures/S5").rglob("*.wav")}
    assert len(sounds) == 16
    text = (space / f"results/figures/S5/{CONFIGS[1]}-s0/index.html").read_text()
    assert f"{metrics(space, RUNS[1])['core']['eer_z']:.2f}" in text


# --- again, and where it goes wrong -----------------------------------------------------------------------------------


def test_the_same_study_twice_has_the_same_bytes(space, tmp_path):
    """Anew from the sounds, in another folder."""
    shutil.copytree(space / "corpus", tmp_path / "corpus")
    (tmp_path / "params.yaml").write_text(PARAMS)
    for stage in ("fetch", "prepare"):
        assert call(tmp_path, stage, "voices") == 0
    for stage in ("train", "embed", "evaluate"):
        assert call(tmp_path, stage, CONFIGS[1], "0") == 0
    folders = ["data/prepared/voices", *(f"runs/{stage}/{RUNS[1]}" for stage in ("train", "embed", "evaluate"))]
    for folder in folders:
        first, again = (
            {path.name: path.read_bytes() for path in (top / folder).iterdir() if path.name != "run.json"}
            for top in (space, tmp_path)
        )
        assert first == again, folder


@pytest.fixture
def copy(prepared, tmp_path) -> Path:
    """A workspace with prepared data only."""
    for name in ("corpus", "data", "runs/baseline"):
        shutil.copytree(prepared / name, tmp_path / name)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def test_a_run_that_diverges_is_told_in_tables_and_voices(copy, capsys, monkeypatch):
    monkeypatch.setattr(Dsae, "start_from", lambda self, _: self.z_out.bias.data.fill_(float("nan")))
    for config, stage in itertools.product(CONFIGS, ("train", "embed", "evaluate")):
        assert call(copy, stage, config, "0") == 0
    record = read_record(copy, f"runs/train/{RUNS[1]}")
    assert record.status == "failed"
    assert "not finite" in record.values["failure"]["why"]
    assert not (copy / f"runs/train/{RUNS[1]}/model.safetensors").exists()
    assert read_record(copy, f"runs/evaluate/{RUNS[1]}").status == "failed"
    assert call(copy, "tables") == 0
    for name in ("S1", "S2", "S3"):
        assert "failed (1/1 seed" in (copy / f"results/tables/{name}.md").read_text()
    assert call(copy, "figures") == 0
    assert list((copy / "results/figures/S5").rglob("*.wav")) == []
    assert "failed" in (copy / "results/figures/S5/index.html").read_text()
    assert "FAILED" in capsys.readouterr().err


def decoder_of(value: float):
    """A decoder that gives each value of each frame as this."""
    return lambda self, s, _: (s.new_full((*s.shape[:2], self.bins), value), self.logvar)


@pytest.mark.parametrize(("value", "why"), [(0.0, "silent"), (1e6, "infinit")])
def test_a_run_without_voices_takes_no_figure_with_it(copy, monkeypatch, value, why):
    """A model that has learnt nothing decodes silence or less: its page says so, the other's is there."""
    edit(copy, "epochs: 10,", "epochs: 1,")
    edit(copy, "voices: 2,", "voices: 1,")
    for config, stage in itertools.product(CONFIGS, ("train", "embed", "evaluate")):
        monkeypatch.setattr(Dsae, "decode", decoder_of(0.6 if config == CONFIGS[0] else value))
        assert call(copy, stage, config, "0") == 0
    assert call(copy, "tables") == 0
    assert call(copy, "figures") == 0
    heard, lost = (copy / f"results/figures/S5/{config}-s0" for config in CONFIGS)
    assert len(list(heard.glob("*.wav"))) == 4
    assert list(lost.glob("*converted.wav")) == []
    assert why in (copy / "results/figures/S5/index.html").read_text().lower()


def test_embeddings_that_are_not_finite_never_become_a_number(copy, monkeypatch):
    edit(copy, "epochs: 10,", "epochs: 1,")
    assert call(copy, "train", CONFIGS[0], "0") == 0
    encode = Dsae.encode
    monkeypatch.setattr(Dsae, "encode", lambda self, x: tuple(part + float("nan") for part in encode(self, x)))
    assert call(copy, "embed", CONFIGS[0], "0") == 0
    assert call(copy, "evaluate", CONFIGS[0], "0") == 0
    record = read_record(copy, f"runs/evaluate/{RUNS[0]}")
    assert record.status == "failed"
    assert "test_z_mean" in record.values["failure"]["why"]
    assert not (copy / f"runs/evaluate/{RUNS[0]}/metrics.json").exists()


def test_a_sound_changed_after_fetching_is_refused_by_name(copy, capsys):
    path = next((copy / "corpus/train").glob("*.wav"))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert call(copy, "prepare", "--force", "voices") == 2
    message = capsys.readouterr().err
    assert path.name in message
    assert "changed since it was indexed" in message


@pytest.mark.parametrize("segments", ["fixed", "random"])
def test_segments_are_drawn_anew_in_each_epoch_where_params_say_so(copy, space, monkeypatch, segments):
    edit(copy, "vc_segments: 8", f"vc_segments: 8, segments: {segments}")
    seen = []

    def redraw(items, seed, epoch):
        before = items.starts.clone()
        draw(items, seed, epoch)
        seen.append((epoch, not torch.equal(before, items.starts)))

    draw = Segments.redraw
    monkeypatch.setattr(Segments, "redraw", redraw)
    assert call(copy, "prepare", "voices") == 0
    assert call(copy, "train", CONFIGS[0], "0") == 0
    assert seen == [(epoch, segments == "random") for epoch in range(10)]
    ours, theirs = (load_file(top / f"runs/train/{RUNS[0]}/model.safetensors") for top in (copy, space))
    assert np.array_equal(ours["z_out.weight"], theirs["z_out.weight"]) is (segments == "fixed")
