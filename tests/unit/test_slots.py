"""Jobs on a machine with several GPUs get distinct ones."""

import os
import stat
import tempfile
import threading

import pytest

from cmivae.provenance import slots


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists two GPUs."""
    tool = tmp_path / "bin/nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: A (UUID: x)'\necho 'GPU 1: A (UUID: y)'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(slots.VISIBLE, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("machine")
def test_two_jobs_get_two_devices_and_give_them_back():
    with slots.gpu_slot() as first:
        assert os.environ[slots.VISIBLE] == first == "0"
        os.environ.pop(slots.VISIBLE)  # as in another process
        with slots.gpu_slot() as second:
            assert second == "1"
    assert slots.VISIBLE not in os.environ
    with slots.gpu_slot() as again:
        assert again == "0"


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
def test_what_a_scheduler_gave_is_all_there_is(monkeypatch):
    monkeypatch.setenv(slots.VISIBLE, "5,7")
    assert slots.devices() == ["5", "7"]
