"""Snakemake and DVC killed in the middle of their work, two of them at once, and fresh clones with shuffled times.

The default suite has one of each in tests/doors; these are the numbers.
"""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from itertools import groupby
from pathlib import Path

import pytest
import studies
from workspace import SMALL, Workspace

CONFIG = "digits-cmi-g030"
SNAKEMAKE = ("snakemake", "--cores", "2", "--", f"train_{CONFIG}")
DVC = ("dvc", "repro", f"train@{CONFIG}")
LOOP = "src/cmivae/training/loop.py"
UPDATE = "        self.launch(self.update, self.job.train[index])\n"
NOTE = """\
        with open("writers.log", "a") as file:
            file.write(f"{self.job.name} {__import__('os').getpid()} {self.step}\\n")
"""
BUSY = ("another Snakemake works in this folder", "Unable to acquire lock", "is busy")
UNLOCK = ("--unlock", "IncompleteFilesException", "Traceback")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Workspace:
    """A repository with prepared data, in which each training step notes who makes it."""
    made = Workspace.create(tmp_path_factory.mktemp("orchestrators") / "base")
    text = SMALL.replace("seeds: [0]", "seeds: [0]\ncompute: {checkpoint_minutes: 0.0, device: cpu}")
    (made.folder / "params.yaml").write_text(text.replace("epochs: 1, batch", "epochs: 6, batch"))
    made.edit(LOOP, UPDATE, NOTE + UPDATE)
    made.run("dvc", "repro", "prepare")
    made.commit("prepared")
    return made


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory) -> tuple[Path, float]:
    """The trainings never disturbed, and how long they take."""
    space = copied(base, tmp_path_factory.mktemp("orchestrators") / "whole")
    begin = time.monotonic()
    space.run(*SNAKEMAKE)
    return space.folder, time.monotonic() - begin


def copied(base: Workspace, folder: Path) -> Workspace:
    shutil.copytree(base.folder, folder, symlinks=True)
    return Workspace(folder)


@contextlib.contextmanager
def started(space: Workspace, command: tuple[str, ...], name: str = "first"):
    """A command in a session of its own, of which nothing outlives the test."""
    kept = {key: value for key, value in os.environ.items() if key != "CMIVAE_JOB"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    more = {"PATH": path, "PYTHONPATH": str(space.folder / "src"), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    with (space.folder.parent / f"{name}.txt").open("w") as log:
        process = subprocess.Popen(command, cwd=space.folder, env=kept | more, stdout=log, stderr=log,
                                   start_new_session=True)  # fmt: skip
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def said(space: Workspace, name: str = "first") -> str:
    return (space.folder.parent / f"{name}.txt").read_text(errors="replace")


def one_writer(space: Workspace) -> None:
    """No process made a step of a run after another one had taken it over."""
    lines = (space.folder / "writers.log").read_text().splitlines()
    pids = [pid for pid, _ in groupby(line.split()[1] for line in lines)]
    assert len(pids) == len(set(pids)), pids


def same(space: Workspace, whole: Path) -> None:
    studies.same(studies.outcome(space.folder, CONFIG), studies.outcome(whole, CONFIG))
    one_writer(space)


def ended_by_itself(process: subprocess.Popen, seconds: float) -> bool:
    """Whether it was done before so many seconds."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        return True
    return False


def kill_and_restart(base, whole, command, row, chance, tmp_path) -> None:
    """Ten kills; where the command was faster than its killer, the same again, sooner."""
    lasts, number = whole[1], 0
    while number < 10:
        alone = number % 2 == 0
        space = copied(base, tmp_path / "space")
        with started(space, command) as first:
            if ended_by_itself(first, chance.uniform(0.1, 1.0) * lasts):
                lasts *= 0.8
            else:
                with row.case(f"{number} {'alone' if alone else 'with its jobs'}"):
                    first.kill() if alone else os.killpg(first.pid, signal.SIGKILL)
                    first.wait()
                    restart(space, command)
                    same(space, whole[0])
                number += 1
        shutil.rmtree(space.folder)


def restart(space: Workspace, command: tuple[str, ...]) -> None:
    """The same command at once, which ends well and asks for nothing."""
    with started(space, command, "second") as second:
        assert second.wait(300) == 0, said(space, "second")
    assert not [word for word in UNLOCK if word in said(space, "second")], said(space, "second")


HOW = "at a random moment, in turn alone (its jobs live on) and with all its jobs, and started again at once"
BAR = "the same command goes on without any unlocking, no run ever has two writers, and all bytes are the same"


@pytest.mark.row("SIGKILL of snakemake", HOW, BAR)
@pytest.mark.fault
@pytest.mark.timeout(3600)
def test_snakemake_killed_and_restarted(base, whole, tmp_path, chance, row):
    kill_and_restart(base, whole, SNAKEMAKE, row, chance, tmp_path)


@pytest.mark.row("SIGKILL of dvc repro", HOW, BAR)
@pytest.mark.fault
@pytest.mark.timeout(3600)
def test_dvc_killed_and_restarted(base, whole, tmp_path, chance, row):
    kill_and_restart(base, whole, DVC, row, chance, tmp_path)


@pytest.mark.row(
    "two orchestrators in one folder",
    "Snakemake twice, Snakemake and DVC in both orders, the second one at a random moment",
    "one does the work, the other waits or ends with one message; never two writers, and all bytes are the same",
)
@pytest.mark.fault
@pytest.mark.timeout(3600)
def test_two_at_once(base, whole, tmp_path, chance, row):
    pairs = [(SNAKEMAKE, SNAKEMAKE), (SNAKEMAKE, DVC), (DVC, SNAKEMAKE), (DVC, DVC)]
    for number in range(10):
        commands = pairs[number % len(pairs)]
        with row.case(f"{number} {commands[0][0]} {commands[1][0]}"):
            space = copied(base, tmp_path / str(number) / "space")
            with started(space, commands[0], "first") as first:
                time.sleep(chance.uniform(0, 0.7) * whole[1])
                with started(space, commands[1], "second") as second:
                    codes = [first.wait(300), second.wait(300)]
            outputs = [said(space, "first"), said(space, "second")]
            assert 0 in codes, (codes, outputs)
            for code, output in zip(codes, outputs, strict=True):
                assert code == 0 or any(word in output for word in BUSY), (code, output)
                assert "Traceback" not in output
            same(space, whole[0])
            shutil.rmtree(space.folder)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Workspace:
    """A repository in which everything is made, recorded, pushed to a local remote and committed."""
    made = Workspace.create(tmp_path_factory.mktemp("clones") / "published")
    (made.folder / "params.yaml").write_text(SMALL)
    made.snakemake()
    made.run("cmivae", "record")
    made.run("dvc", "remote", "add", "--quiet", "--default", "store", str(made.folder.parent / "store"))
    made.run("dvc", "push")
    made.commit("built")
    return made


def shuffle_times(folder: Path, chance: random.Random) -> None:
    """Every file gets a random time between 2001 and 2033."""
    for top in ("data", "runs", "results", "src", "workflow"):
        for path in (folder / top).rglob("*"):
            if path.is_file():
                os.utime(path, (when := chance.randrange(10**9, 2 * 10**9), when))
    for name in ("params.yaml", "dvc.yaml", "dvc.lock", "Snakefile"):
        os.utime(folder / name, (when := chance.randrange(10**9, 2 * 10**9), when))


@pytest.mark.row(
    "fresh clones with shuffled times",
    "git clone, dvc pull from a local remote, then every file of data, runs, results and code at a random time, past "
    "or future",
    "snakemake -n plans no job and dvc status finds no change",
)
@pytest.mark.fault
@pytest.mark.timeout(3600)
def test_fresh_clones_plan_nothing(published, tmp_path, chance, row):
    for number in range(20):
        with row.case(str(number)):
            clone = published.clone(tmp_path / str(number))
            clone.run("dvc", "pull", "--quiet")
            shuffle_times(clone.folder, chance)
            assert clone.planned() == {}
            assert "up to date" in clone.run("dvc", "status").stdout
            shutil.rmtree(clone.folder)
