"""The page on determinism: its rows are the script's, and the measure of distance sees a difference."""

import importlib
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny
from safetensors.numpy import save_file

DOCS = tiny.REPOSITORY / "docs"


@pytest.fixture(scope="module", autouse=True)
def beside():
    """The scripts import each other, as they do when they are run."""
    sys.path.insert(0, str(DOCS))
    yield
    sys.path.remove(str(DOCS))


@pytest.fixture
def made():
    return importlib.import_module("make_determinism")


def test_the_page_has_a_line_for_each_row(made):
    text = (DOCS / "determinism.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| two ways")]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [row.text for row in made.ROWS]
    for row, line in zip(made.ROWS, lines, strict=True):
        if row.must_be_equal and "not measured" not in line:
            assert re.fullmatch(r"same bits \(\d+ files\)", line.split(" | ")[1]), line
    assert "commit " in text
    assert ", with changes" not in text  # of the code that it was measured with


def test_the_study_of_the_page_has_both_models_and_all_objectives(made):
    lab = importlib.import_module("lab")
    params = tiny.params(base=lab.values({}))
    runs = {(params.datasets[config.dataset].model.name, config.objective) for config in params.configs.values()}
    assert len(runs) == 8
    tiny.params(base=lab.values(lab.WIDE | lab.FEW))


def workspace(folder: Path, shift: float) -> Path:
    run = folder / "runs/train/digits-a/s0"
    run.mkdir(parents=True)
    trained, seen = np.array([0.0, 2.0 + shift], np.float32), np.array([5.0 + 9 * shift], np.float32)
    save_file({"a.w": trained, "a.running_var": seen}, run / "model.safetensors")
    save_file({"w": trained * 2 + 6 * shift}, run / "critic_zs.safetensors")
    run = folder / "runs/evaluate/digits-a/s0"
    run.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps({"a": {"b": [4.0 + shift, True]}, "c": 0.5}))
    (run / "run.json").write_text(str(folder))
    (folder / "results/tables").mkdir(parents=True)
    rows = f"| γ | m |\n|--:|--:|\n| 0.3 | {2 + shift:.2f} ± 0.10 |\n"
    (folder / "results/tables/X4.md").write_text(rows)
    return folder


def test_no_distance_between_the_same_bytes(made, tmp_path):
    a, b = workspace(tmp_path / "a", 0.0), workspace(tmp_path / "b", 0.0)
    found = made.distance(a, b, "digits", ("X4",))
    assert (found.is_none, found.files, found.of) == (True, 4, 3)
    assert made.told(found) == "same bits (4 files)"


def test_a_difference_is_seen_in_weights_metrics_and_tables(made, tmp_path):
    a, b = workspace(tmp_path / "a", 0.0), workspace(tmp_path / "b", 0.5)
    found = made.distance(a, b, "digits", ("X4",))
    assert (found.is_none, found.same, found.vae, found.critics) == (False, 0, 0.25, 1.25)
    assert (found.metrics, found.printed) == (0.125, 1)
    assert made.told(found) == "VAE 2e-01, critics 1e+00, metrics 1e-01, 1 of 3 printed numbers"


def test_a_missing_file_is_no_comparison(made, tmp_path):
    a, b = workspace(tmp_path / "a", 0.0), workspace(tmp_path / "b", 0.0)
    with pytest.raises(ValueError, match="do not hold the same files"):
        made.distance(a, b, "voices", ("X1",))
    (b / "results/tables/X4.md").unlink()
    with pytest.raises(ValueError, match="do not hold the same files"):
        made.distance(a, b, "digits", ("X4",))


def test_a_broken_promise_stops_the_script(made, tmp_path):
    a, b = workspace(tmp_path / "a", 0.0), workspace(tmp_path / "b", 0.5)
    row = made.Row("x", lambda lab: a, lambda lab: b)
    made.MODELS, kept = {"M": ("digits", ("X4",))}, made.MODELS
    try:
        with pytest.raises(SystemExit, match="not the same bits: x"):
            made.measure(None, row)
    finally:
        made.MODELS = kept


def test_what_cannot_be_measured_says_why(made, monkeypatch):
    monkeypatch.setattr(made.torch.cuda, "is_available", lambda: False)
    row = made.Row("x", None, None, needs="cuda")
    assert made.measure(None, row) == "| x | not measured: torch sees no CUDA device on this machine | – |"
    monkeypatch.setattr(made, "Train", tiny.Params)
    assert "no such option" in made.measure(None, made.Row("y", None, None, needs="compile"))
