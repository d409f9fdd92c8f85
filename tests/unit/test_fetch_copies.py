"""Fetching without a server: what is pinned, scikit-learn's digits, and copies that the user brings."""

import gzip
import hashlib
import re

import pytest

from cmivae.data import fetch as fetch_module
from cmivae.data.fetch import catalogue, expected_content, fetch
from cmivae.errors import UserError

CONTENT = {"images": bytes(range(256)) * 40, "labels": b"0123456789" * 30}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in CONTENT.items()}


@pytest.fixture(autouse=True)
def pinned(monkeypatch):
    """A catalogue with one made-up data set of two files, beside the real ones."""
    files = {
        name: {"role": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENT.items()
    }
    entry = {"mirrors": [], "files": files}
    known = catalogue() | {"toy": entry}
    monkeypatch.setattr(fetch_module, "catalogue", lambda: known)


def whole(folder) -> bool:
    return {path.name: path.read_bytes() for path in folder.iterdir()} == CONTENT


# --- the catalogue ---


def test_the_catalogue_pins_every_file():
    known = catalogue()
    assert set(known) == {"mnist", "fashion-mnist", "digits"}
    for entry in known.values():
        assert entry["mirrors"] or entry["package"]
        assert all(mirror.startswith(("https://", "http://")) for mirror in entry["mirrors"])
        for facts in entry["files"].values():
            assert re.fullmatch("[0-9a-f]{64}", facts["sha256"])
            assert facts["size"] > 0
    assert {facts["role"] for facts in known["mnist"]["files"].values()} == {
        "train_x", "train_y", "test_x", "test_y",
    }  # fmt: skip
    sizes = [facts["size"] for facts in known["mnist"]["files"].values()]
    assert sizes == [16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000]


def test_expected_content():
    assert expected_content("mnist")["train-images-idx3-ubyte"].startswith("ba891046e6505d7a")
    assert len(expected_content("fashion-mnist")) == 4
    with pytest.raises(UserError, match="'nmist'") as caught:
        expected_content("nmist")
    assert "mnist" in caught.value.fix


def test_digits_come_from_scikit_learn(tmp_path):
    (path,) = fetch("digits", tmp_path / "raw")
    assert path.read_bytes().count(b"\n") == 1797
    assert list(path.parent.iterdir()) == [path]


def test_another_scikit_learn_is_refused(tmp_path, monkeypatch):
    known = catalogue()
    known["digits"]["files"]["digits.csv"]["sha256"] = "0" * 64
    monkeypatch.setattr(fetch_module, "catalogue", lambda: known)
    with pytest.raises(UserError, match="installed package has another file"):
        fetch("digits", tmp_path)
    assert not list(tmp_path.iterdir())


# --- copies that the user brings ---


def refuse_download(monkeypatch):
    def refuse(*args):
        pytest.fail("asked a mirror")

    monkeypatch.setattr(fetch_module, "download", refuse)


@pytest.mark.parametrize("packed", [True, False])
def test_files_brought_by_hand_are_kept(tmp_path, monkeypatch, packed):
    refuse_download(monkeypatch)
    for name in CONTENT:
        (tmp_path / (f"{name}.gz" if packed else name)).write_bytes((PACKED if packed else CONTENT)[name])
    (tmp_path / "images.gz.part").write_bytes(b"given up")
    fetch("toy", tmp_path)
    assert whole(tmp_path)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("images", CONTENT["images"][:-1]),
        ("images.gz", PACKED["images"][:-9]),
        ("images.gz", gzip.compress(b"other")),
    ],
    ids=["truncated", "truncated gzip", "other"],
)
def test_a_wrong_file_in_the_folder_is_refused_and_left(tmp_path, monkeypatch, file, content):
    refuse_download(monkeypatch)
    (tmp_path / file).write_bytes(content)
    with pytest.raises(UserError) as caught:
        fetch("toy", tmp_path)
    assert caught.value.where == str(tmp_path / file)
    assert "cmivae fetch" in caught.value.fix
    assert (tmp_path / file).read_bytes() == content


def test_a_refusal_tells_both_hashes(tmp_path):
    (tmp_path / "labels").write_bytes(b"junk")
    with pytest.raises(UserError, match="labels is not the pinned file") as caught:
        fetch_module._present("toy", tmp_path, "labels", fetch_module.catalogue()["toy"]["files"]["labels"])
    assert hashlib.sha256(b"junk").hexdigest() in caught.value.why
    assert expected_content("toy")["labels"] in caught.value.why


def test_source_folder(tmp_path, monkeypatch):
    refuse_download(monkeypatch)
    own, folder = tmp_path / "own", tmp_path / "raw"
    own.mkdir()
    (own / "images.gz").write_bytes(gzip.compress(CONTENT["images"], 1))
    (own / "labels").write_bytes(CONTENT["labels"])
    monkeypatch.chdir(tmp_path)
    fetch("toy", folder, source="own")
    assert whole(folder)
    assert (own / "labels").exists()
    monkeypatch.setenv("HOME", str(tmp_path))
    fetch("toy", tmp_path / "again", source="~/own")
    assert whole(tmp_path / "again")


def test_source_with_missing_and_wrong_files_copies_nothing(tmp_path):
    own, folder = tmp_path / "own", tmp_path / "raw"
    own.mkdir()
    with pytest.raises(UserError) as caught:
        fetch("toy", folder, source=str(own))
    assert "images.gz: missing; labels.gz: missing" in caught.value.why
    (own / "images").write_bytes(CONTENT["images"])
    (own / "labels.gz").write_bytes(PACKED["labels"][:-9])
    with pytest.raises(UserError, match=r"labels\.gz: a gzip file is damaged"):
        fetch("toy", folder, source=str(own))
    (own / "labels.gz").write_bytes(gzip.compress(b"junk"))
    with pytest.raises(UserError, match=r"labels\.gz: expected content of 300 bytes"):
        fetch("toy", folder, source=str(own))
    assert not folder.exists()


def test_source_must_be_a_folder(tmp_path):
    with pytest.raises(UserError, match="not a folder"):
        fetch("toy", tmp_path / "raw", source=str(tmp_path / "nothing"))
