"""A release archive proves itself: without git, DVC, the network or this repository's code."""

import json
import shutil
import subprocess
import sys
import tarfile

import pytest
from built import CELL, copy, overwrite

from cmivae.audit.book import Book
from cmivae.audit.export import export
from cmivae.cli import main
from cmivae.errors import UserError


@pytest.fixture
def archive(space, tmp_path):
    """An archive, unpacked, that knows nothing of where it comes from."""
    export(Book(space), str(tmp_path / "release.tar.gz"))
    with tarfile.open(tmp_path / "release.tar.gz") as file:
        file.extractall(tmp_path / "there", filter="data")
    return tmp_path / "there/release"


def inside(folder, *arguments):
    """Run the archive's own code in it, with no other program on PATH."""
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": str(folder), "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cmivae", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def sums(folder):
    return subprocess.run([shutil.which("sha256sum"), "-c", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True,
                          text=True, check=False)  # fmt: skip


def test_audit_and_verify_work_in_an_archive(archive, space):
    assert sums(archive).returncode == 0
    assert not [path for path in archive.rglob("*") if path.suffix == ".safetensors"]
    found = json.loads(inside(archive, "audit", CELL, "--json").stdout)
    assert found["value"] == Book(space).cells(CELL)[0].value
    assert found["code"]["changed_since"] == []
    assert inside(archive, "audit", CELL).stdout.startswith(CELL)
    done = inside(archive, "verify", "--level", "L2")
    assert "All holds." in done.stdout, done.stderr
    assert "left out of this archive on purpose" in done.stdout
    refused = inside(archive, "verify", "--level", "L3")
    assert refused.returncode == 2
    assert "made with --with-embeddings" in refused.stderr


@pytest.mark.parametrize(
    "name",
    ["results/tables/X4.md", "runs/evaluate/digits-vanilla/s1/metrics.json", "runs/train/digits-cmi-g030/s0/run.json",
     "src/cmivae/results/stats.py", "ARCHIVE.json", "params.yaml"],
)  # fmt: skip
def test_damage_to_an_archive_is_found_by_both(name, archive):
    path = archive / name
    content = bytearray(path.read_bytes())
    at = content.rindex(b"e")
    content[at : at + 1] = b"E"
    overwrite(path, bytes(content))
    assert name in sums(archive).stdout
    assert main(["-C", str(archive), "verify"]) == 2


def test_embeddings_take_an_archive_to_l3(space, tmp_path):
    folder = tmp_path / "whole"
    export(Book(space), str(folder), with_embeddings=True)
    assert sums(folder).returncode == 0
    done = inside(folder, "verify", "--level", "L3")
    assert "L3 ok" in done.stdout, done.stderr
    assert not list(folder.glob("runs/train/**/*.safetensors"))


def test_archives_of_one_workspace_are_the_same_bytes(space, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        export(Book(space), str(tmp_path / name / "release.tar.gz"))
    first, second = (tmp_path / name / "release.tar.gz" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_export_refuses_what_does_not_hold(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    (fake / "results/tables/X4.csv").write_text("label\n")
    with pytest.raises(UserError, match="not exported"):
        export(Book(fake), str(tmp_path / "release.tar.gz"))
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="there already"):
        export(Book(space), str(tmp_path / "there"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fake", "there"]


def test_no_path_of_this_machine_goes_into_an_archive(archive, space):
    for path in archive.rglob("*"):
        if path.is_file():
            assert str(space).encode() not in path.read_bytes(), path


def test_the_ro_crate_needs_its_library_and_says_so(space, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rocrate", None)
    monkeypatch.setitem(sys.modules, "rocrate.rocrate", None)
    with pytest.raises(UserError, match="ro-crate-py is not installed"):
        export(Book(space), str(tmp_path / "crate"), ro_crate=True)
    assert list(tmp_path.iterdir()) == []
