"""Jobs on a machine with several GPUs get distinct ones."""

import os
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

from cmivae.provenance import slots


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists two GPUs, x and y."""
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    for name in (slots.VISIBLE, "SLURM_JOB_ID", "SLURM_STEP_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("machine")
def test_two_jobs_get_two_devices_and_give_them_back():
    with slots.gpu_slot() as first:
        assert os.environ[slots.VISIBLE] == first == "x"
        os.environ.pop(slots.VISIBLE)  # as in another process
        with slots.gpu_slot() as second:
            assert second == "y"
    assert slots.VISIBLE not in os.environ
    with slots.gpu_slot() as again:
        assert again == "x"


@pytest.mark.usefixtures("machine")
def test_a_third_job_waits_for_a_free_one(monkeypatch):
    monkeypatch.setattr(slots, "WAIT", 0.01)
    _, lock = slots._take(["0"])
    timer = threading.Timer(0.2, lock.release)
    timer.start()
    name, other = slots._take(["0"])
    timer.join()
    assert name == "0"
    other.release()


def test_no_device_leaves_the_environment_alone(monkeypatch):
    monkeypatch.setenv(slots.VISIBLE, "")
    with slots.gpu_slot() as name:
        assert name is None
        assert os.environ[slots.VISIBLE] == ""


@pytest.mark.usefixtures("machine")
def test_more_jobs_share_a_device_when_asked(monkeypatch):
    monkeypatch.setenv(slots.VISIBLE, "3")
    with slots.gpu_slot(2) as first:
        monkeypatch.setenv(slots.VISIBLE, "3")
        with slots.gpu_slot(2) as second:
            assert first == second == "3"


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("given", "expected"), [("5,7", ["5", "7"]), (" 1", ["1"]), ("0,-1,1", ["0"]), ("-1", []), ("NoDevFiles", [])]
)
def test_what_a_scheduler_gave_is_all_there_is(monkeypatch, given, expected):
    monkeypatch.setenv(slots.VISIBLE, given)
    assert slots.devices() == expected


def test_parts_of_a_gpu_stand_in_its_place():
    listed = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
  MIG 3g.20gb     Device  0: (UUID: MIG-aaa0)
  MIG 3g.20gb     Device  1: (UUID: MIG-aaa1)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)
"""
    assert slots._uuids(listed.splitlines()) == ["MIG-aaa0", "MIG-aaa1", "GPU-bbbb"]


@pytest.mark.usefixtures("machine")
def test_a_process_in_which_cuda_is_at_work_keeps_its_device(monkeypatch):
    with slots.gpu_slot() as first:
        monkeypatch.setattr(slots, "WAIT", 0.01)
        monkeypatch.setattr(slots, "_given", [])  # another process takes the other device, and starts CUDA
        os.environ.pop(slots.VISIBLE)
        with slots.gpu_slot() as second:
            pass
        monkeypatch.setattr(slots, "_cuda_started", lambda: True)
    with slots.gpu_slot() as again:  # though x is free too, and comes first
        assert (first, second, again) == ("x", "y", "y")


JOB = """
import sys
from cmivae.provenance import slots
slots.WAIT = 0.02
with slots.gpu_slot() as name:
    print(name, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def jobs(machine, tmp_path):
    """Starts processes that hold a device until they are told to end."""
    started = []

    def start(**environment: str) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        environment = os.environ | {"TMPDIR": str(tmp_path)} | environment
        started.append(subprocess.Popen([sys.executable, "-c", JOB], env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_jobs_take_distinct_devices_and_a_killed_one_frees_its_own_for_who_waits(jobs):
    first, second = jobs(), jobs()
    taken = [each.stdout.readline().strip() for each in (first, second)]
    assert sorted(taken) == ["x", "y"]
    third = jobs()
    with pytest.raises(subprocess.TimeoutExpired):
        third.wait(0.5)
    first.kill()
    assert third.stdout.readline().strip() == taken[0]
    fourth = jobs()
    second.stdin.write("\n")
    second.stdin.flush()
    assert fourth.stdout.readline().strip() == taken[1]


def test_jobs_of_slurm_do_not_wait_for_each_other_and_trainings_in_one_allocation_do(jobs):
    given = {slots.VISIBLE: "0", "SLURM_STEP_ID": "0"}  # with cgroups each job counts its own devices from 0
    first, second = jobs(**given, SLURM_JOB_ID="7"), jobs(**given, SLURM_JOB_ID="8")
    assert [each.stdout.readline() for each in (first, second)] == ["0\n", "0\n"]
    other = jobs(**given, SLURM_JOB_ID="7")
    with pytest.raises(subprocess.TimeoutExpired):
        other.wait(0.5)
    first.kill()
    assert other.stdout.readline() == "0\n"
