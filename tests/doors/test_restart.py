"""Snakemake killed without warning while a training is at work, and two at once in one folder: with real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from workspace import SMALL, Workspace

RUN = "runs/train/digits-vanilla/s0"
TARGET = f"{RUN}/run.json"


@pytest.fixture
def space(tmp_path) -> Workspace:
    made = Workspace.create(tmp_path / "work space")
    (made.folder / "params.yaml").write_text(SMALL.replace("epochs: 1,", "epochs: 3,"))
    for stage in ("fetch", "prepare"):
        made.run("cmivae", "-q", stage, "digits")
    return made


def start(space: Workspace, **environment: str) -> subprocess.Popen:
    command = ("snakemake", "--cores", "2", "--", TARGET)
    kept = {name: value for name, value in os.environ.items() if name != "CMIVAE_JOB"}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept |= {"PATH": path, "PYTHONPATH": str(space.folder / "src"), "OMP_NUM_THREADS": "1"} | environment
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, cwd=space.folder, env=kept, text=True, **pipes)
    started.append(process)
    return process


started: list[subprocess.Popen] = []


@pytest.fixture(autouse=True)
def ended(space):
    """Nothing that a test started outlives it, even where it fails."""
    yield
    for pid in at_work(space):
        os.kill(pid, signal.SIGKILL)  # even where it is stopped
    for process in started:
        process.kill()
        process.wait()
        process.stderr.close()
    started.clear()


def at_work(space: Workspace) -> list[int]:
    """Trainings in this folder, by process id."""
    done = subprocess.run(["pgrep", "-f", f"{sys.executable} .*cmivae train digits-vanilla 0"],
                          capture_output=True, text=True, check=False)  # fmt: skip
    pids = [int(line) for line in done.stdout.split()]
    return [pid for pid in pids if Path(f"/proc/{pid}/cwd").resolve() == space.folder]


def wait_for(found, process: subprocess.Popen):
    while not (value := found()):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return value


@pytest.mark.timeout(300)
def test_a_killed_snakemake_is_followed_without_unlocking_and_never_by_a_second_writer(space):
    first = start(space)
    (training,) = wait_for(lambda: at_work(space), first)
    wait_for((space.folder / ".cmivae/building" / RUN).is_dir, first)  # it holds the lock of its run by now
    os.kill(training, signal.SIGSTOP)  # a long one
    wait_for(lambda: list((space.folder / ".snakemake/locks").glob("*")), first)

    second = space.snakemake("--", TARGET, ok=False)
    assert second.returncode == 75
    assert f"another Snakemake works in this folder: pid {first.pid} on" in second.stderr
    assert "Traceback" not in second.stderr
    assert space.snakemake("--dry-run", "--", TARGET).returncode == 0  # a plan harms nobody

    patient = start(space, DVC_STAGE="train")  # as in a `dvc repro` after one that was killed
    wait_for(lambda: "waiting for it to end" in patient.stderr.readline(), patient)
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_for(lambda: f"lock that a killed Snakemake left (pid {first.pid}" in patient.stderr.readline(), patient)
    log = space.folder / "logs/train/digits-vanilla/s0.log"
    wait_for(
        lambda: f"another process is making {RUN}: waiting for it to end" in (log.read_text() if log.is_file() else ""),
        patient,
    )
    os.kill(training, signal.SIGCONT)
    _, said = patient.communicate()
    assert patient.returncode == 0, said
    assert f"{RUN} is current" in log.read_text()  # the training of the killed one ended well, and was not made twice
    assert not list((space.folder / ".snakemake/locks").glob("*"))
    assert not (space.folder / ".cmivae/orchestrator.json").exists()
