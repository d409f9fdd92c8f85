"""What a record says of the device, and when a stage made again must give the same bits."""

import os
import stat
from types import SimpleNamespace

import pytest
import torch

from cmivae.audit.remake import same_environment
from cmivae.provenance.environment import environment, gpu_names, torch_environment
from cmivae.study.params import Compute


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine whose nvidia-smi knows two GPUs of a kind, and whose CUDA breaks when it is started."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\ncase "$1" in *name*) echo H9; echo H9;; *) echo 999.1; echo 999.1;; esac\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    def start(*_):
        raise AssertionError("a job without a GPU started CUDA")

    for name in ("is_available", "get_device_name", "device_count", "current_device"):
        monkeypatch.setattr(torch.cuda, name, start)


@pytest.mark.usefixtures("machine")
def test_a_job_that_used_no_gpu_starts_none_to_say_so():
    found = torch_environment()
    assert (found["device"], found["cuda"], found["flags"]["tf32"]) == ("cpu", None, False)
    assert "gpu" not in found


@pytest.mark.usefixtures("machine")
def test_a_job_that_used_a_gpu_says_which(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H9")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    found = torch_environment()
    assert (found["device"], found["gpu"], found["driver"]) == ("cuda", "H9", "999.1")


@pytest.mark.usefixtures("machine")
@pytest.mark.parametrize(
    ("stage", "device", "recorded", "same"),
    [
        ("train", "auto", {"device": "cuda", "gpu": "H9"}, True),
        ("train", "auto", {"device": "cuda", "gpu": "A1"}, False),
        ("train", "auto", {"device": "cpu"}, False),  # it would run on the GPU now
        ("train", "cpu", {"device": "cpu"}, True),
        ("train", "cpu", {"device": "cuda", "gpu": "H9"}, False),
        ("evaluate", "auto", {"device": "cpu"}, True),
        ("evaluate", "auto", {}, True),
    ],
)
def test_the_bits_are_the_same_on_the_same_device_alone(stage, device, recorded, same):
    assert gpu_names() == ["H9", "H9"]
    record = SimpleNamespace(values={"environment": environment() | {"torch": recorded or None}})
    assert same_environment(record, stage, Compute(device=device)) is same
    threads = SimpleNamespace(values={"environment": environment() | {"torch": recorded | {"threads": 7}}})
    assert same_environment(threads, stage, Compute(device=device)) is False
