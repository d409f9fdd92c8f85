"""Trainings killed without warning, again and again, end with the same bytes."""

import shutil
import signal
import subprocess
import sys
import time

import pytest
import studies
from faultbook import times

from cmivae.provenance.io import read_json

ROW = pytest.mark.row(
    "SIGKILL of a training",
    "at a random moment of its run time, over four objectives on images and on speech; a tenth of them at the command "
    "line, the others forked from a process with the libraries loaded",
    "weights, curve and metrics have the bytes of an uninterrupted run",
)


def start_for_true(folder, config: str) -> subprocess.Popen:
    """The command as a user types it."""
    command = [sys.executable, "-m", "cmivae", "-C", str(folder), "train", config, "0"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def begun(folder, config: str) -> bool:
    """Whether its first state is written."""
    return any((folder / ".cmivae/scratch/train" / config).rglob("state.json"))


def kill_for_true(folder, config: str) -> None:
    process = start_for_true(folder, config)
    before = time.monotonic()
    while not begun(folder, config) and time.monotonic() - before < 60:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def kill_forked(folder, config: str, after: float) -> bool:
    """Whether it was killed before it was done."""
    child = studies.run(folder, "train", config)
    time.sleep(after)
    child.send(signal.SIGKILL)
    return child.wait() == -signal.SIGKILL


def train_only(folder, config: str) -> dict[str, bytes]:
    """What a training alone makes."""
    return {name: value for name, value in studies.outcome(folder, config).items() if name != "metrics.json"}


def share(count: int, parts: int) -> list[int]:
    """``count`` in so many parts, as even as they can be."""
    return [count // parts + (number < count % parts) for number in range(parts)]


@ROW
@times(short=3, full=50)
def test_killed_and_started_again_ends_with_the_same_bytes(count, tmp_path, prepared, chance, row):
    pairs = studies.PAIRS if count > 8 else ("digits-cmi-g030", "voices-cmi-g080")
    whole, cut = (studies.copy(prepared, tmp_path / name, minutes=0.0005) for name in ("whole", "cut"))
    for config, kills in zip(pairs, share(count, len(pairs)), strict=True):
        begin = time.monotonic()
        studies.built(whole, config, stages=("train",))
        lasts = time.monotonic() - begin
        studies.built(whole, config, stages=("embed", "evaluate"))
        with row.case(config, of=kills):
            if config == pairs[0]:
                for _ in range(true := max(1, count // 10)):
                    kill_for_true(cut, config)
                kills -= true
            for _ in range(kills):
                while not kill_forked(cut, config, chance.uniform(0.05, lasts)):  # it was faster than its killer
                    studies.same(studies.outcome(cut, config), train_only(whole, config))
                    shutil.rmtree(cut / "runs/train" / config)
            studies.built(cut, config)
            studies.same(studies.outcome(cut, config), studies.outcome(whole, config))


def test_a_second_process_on_the_same_run_stops_at_once_and_harms_nothing(tmp_path, prepared):
    config = "digits-cmi-g030"
    whole, two = (studies.copy(prepared, tmp_path / name) for name in ("whole", "two"))
    studies.built(whole, config, stages=("train",))
    first = studies.run(two, "train", config)
    first.until(lambda: begun(two, config))
    second = studies.run(two, "train", config, log=two / "second.txt")
    assert "another process is making this" in second.must(75)
    first.must(0)
    studies.same(studies.outcome(two, config), studies.outcome(whole, config))
    (segment,) = read_json(two / "runs/train" / config / "s0/run.json")["segments"]
    assert segment["end"] == "finished"
