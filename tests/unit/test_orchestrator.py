"""One Snakemake a workspace: who may start, who must wait, and whose lock may be removed."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cmivae.errors import EXIT_BUSY, UserError
from cmivae.provenance import orchestrator

HOLD = """
import sys, time
from pathlib import Path
from cmivae.provenance.orchestrator import claim
claim(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def claim(tmp_path):
    """``claim`` in this process, in ``tmp_path``; what it says; what it holds is given back at the end."""
    said = []

    def call(**options):
        orchestrator.claim(tmp_path, say=said.append, **options)
        return said

    yield call
    orchestrator.release()


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``tmp_path``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def left_by_snakemake(folder: Path) -> Path:
    """What a killed Snakemake leaves: its lock, and one job that it had sent to Slurm."""
    lock = folder / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.write_text("runs/train/digits-vanilla/s0/run.json\n")
    started = folder / ".snakemake/incomplete/cnVucw=="
    started.parent.mkdir()
    started.write_text(json.dumps({"external_jobid": "17"}))
    started.with_name("aGFsZg==").write_text("{")
    return lock


def test_a_second_one_is_told_who_is_at_work_and_harms_nothing(tmp_path, claim, other):
    lock = left_by_snakemake(tmp_path)
    with pytest.raises(UserError) as caught:
        claim()
    assert caught.value.code == EXIT_BUSY
    assert caught.value.where == orchestrator.OWNER
    assert f"pid {other.pid} on {platform.node()} since 20" in str(caught.value)
    assert f"kill {other.pid}" in str(caught.value)
    assert lock.is_file()
    assert json.loads((tmp_path / orchestrator.OWNER).read_text())["pid"] == other.pid


def test_after_a_clean_end_nothing_is_left_to_clear(tmp_path, claim, other):
    lock = left_by_snakemake(tmp_path)  # a lock that nobody known left: Snakemake's own message is right then
    other.communicate("")
    assert not (tmp_path / orchestrator.OWNER).exists()
    assert claim() == []
    assert lock.is_file()


def test_the_lock_of_a_killed_one_is_removed_and_its_cluster_jobs_are_named(tmp_path, claim, other):
    lock = left_by_snakemake(tmp_path)
    other.send_signal(signal.SIGKILL)
    other.wait()
    said = "\n".join(claim())
    assert f"removed the lock that a killed Snakemake left (pid {other.pid} on" in said
    assert "scancel 17" in said
    assert not lock.exists()
    assert json.loads((tmp_path / orchestrator.OWNER).read_text())["pid"] == os.getpid()


def test_one_that_may_wait_waits_until_the_other_has_gone(claim, other, monkeypatch):
    monkeypatch.setattr(orchestrator.time, "sleep", lambda _: (other.kill(), other.wait()))
    assert "waiting for it to end" in claim(wait=True)[0]


@pytest.mark.parametrize(
    ("host", "boot", "free"), [("far", "f00", False), ("far", "", False), ("container", None, True)]
)
def test_another_machine_s_is_left_alone(tmp_path, claim, host, boot, free):
    lock = left_by_snakemake(tmp_path)
    boot = orchestrator._boot() if boot is None else boot
    owner = tmp_path / orchestrator.OWNER
    owner.parent.mkdir()
    owner.write_text(json.dumps({"host": host, "boot": boot, "pid": 5, "since": "then"}))
    if free:  # another container on this machine, whose lock would be seen
        claim()
        assert not lock.exists()
        return
    for _ in range(2):
        with pytest.raises(UserError, match=f"pid 5 on {host} since then") as caught:
            claim()
        assert f"remove {orchestrator.OWNER}" in caught.value.fix
    assert lock.is_file()
    owner.unlink()
    claim()


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_an_unreadable_owner_is_nobody(tmp_path, claim, text):
    (tmp_path / ".cmivae").mkdir()
    (tmp_path / orchestrator.OWNER).write_text(text)
    assert claim() == []


@pytest.mark.parametrize(
    ("arguments", "looks"),
    [("-np", True), ("--cores 2 --summary", True), ("--lint", True), ("--cores 2 --dry-run all", True),
     ("--dag dot", True), ("--cores 2", False), ("--unlock", False), ("--cores 1 --touch", False),
     ("--report r.html", True), ("--cores 1 --report r.html --report-after-run", False)],
)  # fmt: skip
@pytest.mark.parametrize("command", ["bin/snakemake", "lib/snakemake/__main__.py"])
def test_who_only_looks_claims_nothing(command, arguments, looks, monkeypatch):
    import snakemake.cli  # noqa: F401

    monkeypatch.setattr(sys, "argv", [command, *arguments.split()])
    assert orchestrator.only_looks() is looks


def test_other_programs_do_not_look(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["pytest", "-np"])
    assert orchestrator.only_looks() is False
