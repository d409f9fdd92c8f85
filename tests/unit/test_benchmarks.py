"""The benchmark runs, its peers compute the same as our fast paths at other weights and data, and it says NO."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cmivae.data.features import Features
from cmivae.models.pixelcnn_vae import PixelCnnVae
from cmivae.study import params as study

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SMALL = {"channels": 4, "encoder_channels": 4, "kernels": (5, 3, 3), "cut": 1, "encoder_out": 8}


@pytest.fixture(autouse=True)
def _benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_smoke(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "run.py"), "--smoke", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "not a measurement" in done.stdout
    assert torch.cuda.is_available() or "no device at hand" in done.stdout
    values = json.loads((tmp_path / "result.json").read_text())
    from run import ROWS

    results = values["results"]
    assert [row.key for row in ROWS] == [key for key in results if not key.startswith("cuda")]
    assert all(found["ratio"] > 0 and found["repeats"] == 1 for found in results.values())
    assert {key for key, found in results.items() if found["equal"] is None} == {"cmi_over_beta", "plain_cmi_over_beta"}
    assert all(found["what"] in (tmp_path / "result.md").read_text() for found in results.values())


def test_smoke_of_evaluation():
    from evaluation import parts
    from sizes import SMOKE

    found = parts(SMOKE, count=60)
    assert len(found) == 9
    assert all(taken >= 0 and times >= 1 for taken, times in found.values())


def test_what_is_asked_of_the_paper_sizes():
    from run import ROWS

    bars = {row.key: row.bar for row in ROWS if row.bar is not None}
    assert bars == {
        "beta_step": 1.4, "cmi_step": 1.8, "cmi_over_beta": 1.7, "sampling": 600, "dsae_step": 0.9,
        "features_segment": 6, "features_file": 1.5, "eer": 15, "svm": 5,
    }  # fmt: skip


def test_medians_spread_and_bars():
    from measure import Case, Row, measure

    class Sizes:
        device = "cpu"

    called = []

    def row(key: str, **asked) -> Row:
        case = Case(lambda: called.append(key), lambda: called.append(f"{key} peer"), lambda: 1e-3, 2, 10.0)
        return Row(key, "what", "peer", lambda sizes: case, "values", 1e-4, **asked)

    found = measure([row("a", bar=1e9), row("b", bar=1e9, at_most=True), row("c")], Sizes(), 5)
    assert [found[key]["met"] for key in "abc"] == [False, True, None]
    assert all(not each["equal"] and each["difference"] == 1e-3 and each["repeats"] == 5 for each in found.values())
    assert all(each["ratio_min"] <= each["ratio"] <= each["ratio_max"] for each in found.values())
    assert all(called.count(key) == called.count(f"{key} peer") == 2 + 2 * 5 for key in "abc")  # the first not timed


def test_a_run_whose_outputs_differ_fails(monkeypatch, tmp_path, capsys):
    import run
    from measure import Case, Row

    wrong = Row("wrong", "two numbers", "another", lambda sizes: Case(int, int, lambda: 0.5), "values", 1e-9)
    monkeypatch.setattr(run, "ROWS", [wrong])
    monkeypatch.setattr(run.rows_cuda, "ROWS", [])
    monkeypatch.setattr(sys, "argv", ["run.py", "--repeats", "1", "--out", str(tmp_path)])
    threads = torch.get_num_threads()
    try:
        assert run.main() == 1
    finally:
        torch.set_num_threads(threads)
    printed = capsys.readouterr()
    assert "NO: 5.0e-01" in printed.out
    assert "outputs differ: wrong" in printed.err


def test_rows_of_a_gpu_are_of_a_piece(caplog, monkeypatch):
    """On a CPU, where a graph is said to do nothing, and not compiled: that they run, and what they ask for."""
    import rows_cuda
    from sizes import SMOKE

    compiled = []
    monkeypatch.setattr(torch, "compile", lambda act: compiled.append(act) or act)
    caplog.set_level("INFO", logger="cmivae")
    for row in rows_cuda.ROWS:
        caplog.clear(), compiled.clear()
        case = row.make(SMOKE)
        assert ("compute.graph is for CUDA devices" in caplog.text) == row.key.endswith(("_graph", "_bf16"))
        assert bool(compiled) == row.key.endswith("_bf16")
        assert case.difference() <= row.tolerance
        case.ours(), case.peer()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_no_equality(bad):
    import rows_image
    import rows_speech
    from measure import Case, Row, measure

    class Sizes:
        device = "cpu"

    a, b = torch.tensor([1.0, bad]), torch.tensor([1.0, 2.0])
    for relative in (rows_image._relative, rows_speech._relative):
        assert [relative(*pair) for pair in ((a, b), (b, a), (a, a))] == [float("inf")] * 3
        assert max(0.0, relative(a, b)) == float("inf")
    row = Row("a", "what", "peer", lambda sizes: Case(int, int, lambda: bad), "values", float("inf"))
    assert measure([row], Sizes(), 1)["a"]["difference"] == float("inf")


@pytest.mark.parametrize("block", ["residual", "plain"])
def test_the_plain_network_has_the_same_logits_losses_and_gradients(block):
    from peers_image import plain_twin
    from rows_image import step_difference

    params = study.PixelCnnVae(name="pixelcnn_vae", block=block, **SMALL)
    drawn = torch.Generator().manual_seed(3)
    model = PixelCnnVae(params, drawn).double().eval()
    twin = plain_twin(model, params).eval()
    x = (torch.rand(2, 1, 28, 28, generator=drawn) < 0.3).double()
    z = torch.randn(2, 32, generator=drawn, dtype=torch.float64)
    assert torch.allclose(model.logits(x, z), twin.logits(x, z)[0], rtol=0, atol=1e-12)
    assert step_difference(params, study.Critic(channels=4), with_critic=True) < 1e-9


def test_a_wrong_network_would_be_seen(monkeypatch):
    import rows_image

    params = study.PixelCnnVae(name="pixelcnn_vae", **SMALL)
    right = rows_image.plain_twin

    def wrong(model, params):
        twin = right(model, params)
        with torch.no_grad():
            twin.layers[1].expand.weight.mul_(1.001)
        return twin

    monkeypatch.setattr(rows_image, "plain_twin", wrong)
    assert rows_image.step_difference(params, study.Critic(channels=4), with_critic=False) > 1e-6


def test_the_step_by_step_dsae_has_the_same_loss_and_gradients():
    from rows_speech import dsae_difference

    assert dsae_difference(study.Dsae(name="dsae", z_dim=3, s_dim=5, hidden=7)) < 1e-9


@pytest.mark.parametrize("framing", ["utterance", "center_drop"])
def test_librosa_style_spectra_are_ours(framing):
    from peers_speech import per_file, per_segment

    rng = np.random.default_rng(5)
    waves = [(0.1 * rng.normal(size=size)).astype(np.float32) for size in (3200, 9999, 30_000)]
    features = Features(study.SpeechData(framing=framing))
    ours = np.concatenate([features(wave).numpy() for wave in waves])
    peer = (per_file if framing == "utterance" else per_segment)(waves, features.data.floor)
    np.testing.assert_allclose(np.exp(ours), np.exp(np.concatenate(peer)), rtol=0, atol=1e-4)


@pytest.mark.parametrize("decimals", [12, 1])
def test_the_roc_peer_has_the_same_eer(decimals):
    from peers_metrics import roc_equal_error_rate

    from cmivae.evaluation.verification import equal_error_rate

    rng = np.random.default_rng(0)
    is_target = rng.random(20_000) < 0.05
    scores = np.round(rng.normal(size=20_000) + is_target, decimals)
    ours = equal_error_rate(scores[is_target], scores[~is_target])
    assert ours == pytest.approx(roc_equal_error_rate(is_target, scores), abs=1e-9)
