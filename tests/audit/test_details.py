"""What the audit says where a question is odd: points with a column, numbers that are none, locks, clocks, archives."""

import json
import os
import time

import numpy as np
import pytest
from built import CELL, copy
from safetensors.numpy import save_file

from cmivae.audit import live
from cmivae.audit.remake import compare_files
from cmivae.cli import main

POINT, PANEL = "X3[cmi,0.3]", "X5[cmi,0.3]"


@pytest.fixture
def say(space, capsys):
    """Run a command in a workspace; returns all that it says."""

    def call(*arguments, at=space, code=0):
        assert main(["-C", str(at), *arguments]) == code
        return "".join(capsys.readouterr())

    return call


@pytest.mark.parametrize("command", ["audit", "verify", "why"])
@pytest.mark.parametrize("address", [f"{POINT}.nonsense", f"{POINT}.value", "x3.cmi.g0.3.se", f"{PANEL}.value"])
def test_a_point_has_no_columns(command, address, say):
    assert "a point of a figure has no" in say(command, address, code=2)


@pytest.mark.parametrize("address", [POINT, PANEL])
def test_a_point_is_verified_whole(address, say):
    assert "All holds." in say("verify", address, "--level", "L1")


def test_diff_says_why_there_is_no_test(say):
    assert "no test: the cells are of other columns" in say("diff", CELL, "X4[cmi,0.3].nelbo")
    assert "no shared seeds" in say("diff", "X4[cmi,0.3].mcas", "X4[real20].mcas")
    assert "all 2 seeds differ by the same: no test" in say("diff", CELL, CELL)


@pytest.mark.parametrize("name", ["data/raw/digits", "data/prepared", "results/tables", POINT])
def test_diff_compares_runs_only(name, say):
    text = say("diff", name, "digits-cmi-g030/s0", code=2)
    assert "only runs can be compared" in text
    assert name in text
    assert "not made yet" not in text


@pytest.mark.parametrize("about", ["{}", "[]", "5", '{"left_out": []}', '{"left_out": {"a": 5}}'])
def test_a_damaged_list_of_an_archive_is_named(about, space, tmp_path, say):
    fake = copy(space, tmp_path / "fake")
    (fake / "ARCHIVE.json").write_text(about)
    (fake / "runs/embed/digits-cmi-g030/s0/latents.safetensors").unlink()
    text = say("verify", at=fake, code=2)
    assert "the archive's list is damaged" in text
    assert "ARCHIVE.json" in text


# --- numbers that are none --------------------------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")


def arrays(folder, new, old):
    for name, values in (("new", new), ("old", old)):
        save_file({"z": np.array(values, dtype=np.float32)}, folder / f"{name}.safetensors")
    return compare_files(folder / "new.safetensors", folder / "old.safetensors")


def texts(folder, new, old):
    for name, values in (("new", new), ("old", old)):
        (folder / f"{name}.json").write_text(json.dumps(values))
    return compare_files(folder / "new.json", folder / "old.json")


@pytest.mark.parametrize("compared", [arrays, texts])
@pytest.mark.parametrize(
    ("new", "old"),
    [([1.0, NAN], [1.5, 1.0]), ([1.5, 1.0], [1.0, NAN]), ([NAN, 9.0], [1.0, 1.0]), ([1.0, INF], [9.0, 1.0]),
     ([1.0, 1.0], [9.0, INF]), ([1.0, -INF], [9.0, INF]), ([INF, NAN], [INF, 1.0])],
)  # fmt: skip
def test_what_is_no_number_on_one_side_is_the_largest_difference(new, old, compared, tmp_path):
    where, made, there, difference = compared(tmp_path, new, old)
    assert difference == INF
    at = next(i for i in (0, 1) if not np.isfinite([new[i], old[i]]).all() and new[i] != old[i])
    np.testing.assert_equal((made, there), (new[at], old[at]))
    assert where in ("z", f"/{at}")


@pytest.mark.parametrize("compared", [arrays, texts])
def test_what_is_no_number_on_both_sides_is_the_same(compared, tmp_path):
    assert compared(tmp_path, [NAN, INF, 1.5], [NAN, INF, 1.0])[1:] == (1.5, 1.0, 0.5)
    assert compared(tmp_path, [NAN, INF], [NAN, INF])[3] == 0.0  # the same bytes


# --- who is at work, and for how long ---------------------------------------------------------------------------------


@pytest.fixture
def summer_in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    monkeypatch.setattr(live.time, "time", lambda: 1_783_000_000.0)  # a day in July 2026
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("summer_in_berlin")
def test_the_time_to_go_knows_no_summer_time():
    start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 600))
    assert live._eta([{"start": start, "stop": None}], 0.25) == pytest.approx(1800)


def test_a_lock_is_of_its_own_device_or_of_a_process_that_has_it_open(tmp_path):
    path = tmp_path / "x.lock"
    assert live._holder(path, {}) is None
    path.touch()
    about = path.stat()
    own = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}"
    assert live._holder(path, {about.st_ino: [("ff:ff", 7), (own, 8)]}) == 8
    elsewhere = {about.st_ino: [("ff:ff", os.getpid())]}
    assert live._holder(path, elsewhere) is None
    with path.open():
        assert live._holder(path, elsewhere) == os.getpid()


@pytest.mark.parametrize("segments", ["5", "{}", "[5]", '[{"start": 5}]', "["])
@pytest.mark.parametrize("curve", ["5\n", "[]\n", '{"kind": "valid", "epoch": 1, "step": 4, "loss": 2.5}\n7\n'])
def test_damaged_resume_state_is_no_progress_that_can_be_told(curve, segments, space, tmp_path, say):
    from cmivae.audit.book import Book
    from cmivae.provenance.context import scratch

    fake = copy(space, tmp_path / "fake")
    (fake / "runs/train/digits-cmi-g030/s0/run.json").unlink()
    folder = scratch(fake, Book(fake).study["runs/train/digits-cmi-g030/s0"])
    folder.mkdir(parents=True)
    (folder / "curve.jsonl").write_text(curve)
    (folder / "segments.json").write_text(segments)
    assert json.loads(say("status", "--json", at=fake))["jobs"] == []
