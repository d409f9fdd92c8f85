"""The real thing: a training process killed without warning, again and again, ends with the same bytes."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workspace import SMALL

from cmivae.cli import main
from cmivae.provenance.io import read_json

TRAIN = ("train", "digits-cmi-g030", "0")
RUN = "runs/train/digits-cmi-g030/s0"


def workspace(folder: Path) -> Path:
    folder.mkdir()
    often = SMALL.replace("seeds: [0]", "seeds: [0]\ncompute: {checkpoint_minutes: 0.0}")  # a save at every step
    (folder / "params.yaml").write_text(often.replace("epochs: 1,", "epochs: 12,"))
    for stage in ("fetch", "prepare"):
        assert main(["-q", "-C", str(folder), stage, "digits"]) == 0
    return folder


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "cmivae", "-C", str(folder), *TRAIN]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(folder: Path) -> None:
    process = start(folder)
    _, said = process.communicate()
    assert process.returncode == 0, said


def wait_for_state(folder: Path, process: subprocess.Popen) -> None:
    """Until the process has written something of its own, or is done."""
    before = time.time()
    while process.poll() is None:
        states = list((folder / ".cmivae/scratch").rglob("state.json"))
        if states and states[0].stat().st_mtime > before:
            return
        time.sleep(0.01)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / RUN).iterdir() if path.name != "run.json"}


def kill_until_done(folder: Path, kills: int, number: int, seed: int = 0) -> int:
    chance, done = random.Random(seed), 0
    for _ in range(kills):
        process = start(folder)
        wait_for_state(folder, process)
        time.sleep(chance.uniform(0, 0.15))
        process.send_signal(number)
        process.communicate()
        done += process.returncode != 0
    finish(folder)
    return done


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, bytes]:
    folder = workspace(tmp_path_factory.mktemp("kill") / "whole")
    assert main(["-q", "-C", str(folder), *TRAIN]) == 0
    return files(folder)


@pytest.mark.parametrize("kills", [3, pytest.param(25, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_killed_and_started_again_is_byte_identical(tmp_path, whole, kills):
    folder = workspace(tmp_path / "cut")
    done = kill_until_done(folder, kills, signal.SIGKILL)
    assert files(folder) == whole
    segments = read_json(folder / RUN / "run.json")["segments"]
    assert [segment["end"] for segment in segments] == ["killed"] * done + ["finished"]


def test_asked_to_stop_it_saves_says_so_and_goes_on(tmp_path, whole):
    folder = workspace(tmp_path / "cut")
    process = start(folder)
    wait_for_state(folder, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 85
    assert "saved" in said
    assert "Traceback" not in said
    finish(folder)
    assert files(folder) == whole


def test_a_second_process_on_the_same_run_stops_at_once_and_harms_nothing(tmp_path, whole):
    folder = workspace(tmp_path / "two")
    first = start(folder)
    wait_for_state(folder, first)
    second = start(folder)
    _, said = second.communicate()
    first.communicate()
    assert second.returncode == 75
    assert "another process is making this" in said
    assert "Traceback" not in said
    assert first.returncode == 0
    assert files(folder) == whole
