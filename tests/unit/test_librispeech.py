"""LibriSpeech: its layout, and its archives from a server on this machine, unpacked with distrust."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import soundfile
from speech_files import put, tone
from test_fetch import local_server, serve  # noqa: F401 (a fixture)

from cmivae.data import librispeech
from cmivae.data.archive import unpack
from cmivae.data.librispeech import LibriSpeech
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

PARTS = ("train-clean-100", "test-clean")
TABLE = """\
;ID  |SEX| SUBSET           |MINUTES| NAME
103  | F | train-clean-100  | 25.03 | Karen Savage
211  | M | train-clean-100  | 25.03 | A | name with bars
61   | M | test-clean       | 8.08  | Paul-Gabriel Wiener
1089 | F | test-clean       | 8.08  | Peter Bobbe
"""
READERS = {"103": "train-clean-100", "211": "train-clean-100", "61": "test-clean", "1089": "test-clean"}


def flac(seed: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, tone(500 + seed, seed), 16000, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def files(part: str) -> dict[str, bytes]:
    """Content of the archive of a part."""
    found = {"LibriSpeech/SPEAKERS.TXT": TABLE.encode(), "LibriSpeech/LICENSE.TXT": b"CC BY 4.0\n"}
    for reader in (reader for reader, home in READERS.items() if home == part):
        for at in range(2):
            found[f"LibriSpeech/{part}/{reader}/7/{reader}-7-000{at}.flac"] = flac(at)
        found[f"LibriSpeech/{part}/{reader}/7/{reader}-7.trans.txt"] = b"WORDS\n"
    return found


def packed(content: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in more:
            tar.addfile(member)
    return file.getvalue()


ARCHIVES = {part: packed(files(part)) for part in PARTS}


@pytest.fixture
def tree(tmp_path) -> Path:
    for part in PARTS:
        for name, content in files(part).items():
            put(tmp_path / name, content)
    return tmp_path / "LibriSpeech"


def read(root, parts=PARTS):
    return LibriSpeech(SpeechData(parts=parts)).index(root)


# --- layout ---


def test_parts_become_train_and_test(tree):
    index = read(tree)
    assert [(each.name, each.part, each.gender, each.core) for each in index] == [
        ("103/103-7-0000", "train", "F", False), ("103/103-7-0001", "train", "F", False),
        ("211/211-7-0000", "train", "M", False), ("211/211-7-0001", "train", "M", False),
        ("1089/1089-7-0000", "test", "F", True), ("1089/1089-7-0001", "test", "F", True),
        ("61/61-7-0000", "test", "M", True), ("61/61-7-0001", "test", "M", True),
    ]  # fmt: skip
    assert (index[1].path, index[1].samples) == ("train-clean-100/103/7/103-7-0001.flac", 501)


def test_the_folder_above_does_too(tree):
    above = read(tree.parent)
    assert [each.path for each in above] == [f"LibriSpeech/{each.path}" for each in read(tree)]


def test_a_subset_is_read_and_counted(tree, caplog):
    (tree / "train-clean-100/103/7/103-7-0000.flac").unlink()
    put(tree / "train-clean-100/103/7/._103-7-0001.flac", b"macOS")
    caplog.set_level("INFO")
    assert len(read(tree)) == 7
    assert "3 utterances of 2 readers to train" in caplog.text
    assert "4 utterances of 2 readers to test" in caplog.text


def test_what_is_missing_is_named(tree):
    with pytest.raises(UserError, match="has no READER"):
        read(tree, ("train-clean-360", "test-clean"))
    (tree / "SPEAKERS.TXT").write_text(TABLE.replace("1089 |", "1090 |"))
    with pytest.raises(UserError, match=r"does not know 1 reader \(1089\)"):
        read(tree)
    (tree / "SPEAKERS.TXT").write_text(TABLE.replace("| M | test", "| X | test"))
    with pytest.raises(UserError, match="READER") as caught:
        read(tree)
    assert caught.value.where.endswith("SPEAKERS.TXT:4")
    (tree / "SPEAKERS.TXT").unlink()
    with pytest.raises(UserError, match=r"SPEAKERS\.TXT is missing"):
        read(tree)


def test_one_part_twice_is_refused(tree):
    with pytest.raises(UserError, match="in the test part and in another"):
        read(tree, ("test-clean", "test-clean"))


# --- archives ---


@pytest.fixture
def mirror(serve, monkeypatch):  # noqa: F811
    """Serve archives whose hashes are pinned: ``mirror(archives, mode) -> server``."""

    def start(served=ARCHIVES, mode="", pinned=ARCHIVES):
        base, server = serve({f"{part}.tar": content for part, content in served.items()}, mode)
        parts = {part: {"sha256": hashlib.sha256(data).hexdigest(), "limit": 10**6} for part, data in pinned.items()}
        monkeypatch.setattr(librispeech, "catalogue", lambda: {"mirrors": [base], "parts": parts})
        return server

    return start


def obtain(folder):
    return LibriSpeech(SpeechData(parts=PARTS)).obtain(folder)


@local_server
def test_download_unpack_and_keep(tmp_path, mirror):
    server = mirror()
    root = obtain(tmp_path)
    assert len(read(root)) == 8
    assert [path.name for path in tmp_path.iterdir()] == ["LibriSpeech"]  # no archive, nothing half done
    assert (root / "LICENSE.TXT").is_file()
    obtain(tmp_path)
    assert len(server.asked) == 2


@local_server
def test_an_interrupted_download_goes_on(tmp_path, mirror):
    server = mirror(mode="drop")
    with pytest.raises(UserError, match="no mirror gave train-clean-100"):
        obtain(tmp_path)
    half = (tmp_path / "train-clean-100.tar.gz.part").stat().st_size
    assert 0 < half < len(ARCHIVES["train-clean-100"])
    server.mode = ""
    assert len(read(obtain(tmp_path))) == 8
    assert f"bytes={half}-" in server.asked


@local_server
def test_the_rest_of_another_file_is_downloaded_anew(tmp_path, mirror):
    mirror()
    put(tmp_path / "test-clean.tar.gz.part", b"another mirror's first bytes")
    assert len(read(obtain(tmp_path))) == 8


@local_server
def test_an_interrupted_unpacking_begins_again(tmp_path, mirror, monkeypatch):
    server = mirror()
    with monkeypatch.context() as patch:
        patch.setattr(librispeech, "unpack", lambda *_: (_ for _ in ()).throw(UserError("stopped")))
        with pytest.raises(UserError, match="stopped"):
            obtain(tmp_path)
    put(tmp_path / ".train-clean-100.part/LibriSpeech/train-clean-100/9/9/9-9-0000.flac", b"half a file")
    assert len(read(obtain(tmp_path))) == 8
    assert len(server.asked) == 2  # the first archive is not asked for again


@local_server
def test_another_archive_is_refused(tmp_path, mirror):
    mirror(served=ARCHIVES | {"train-clean-100": packed({"LibriSpeech/x": b"x"})})
    with pytest.raises(UserError, match="no mirror gave") as caught:
        obtain(tmp_path)
    assert "expected sha256" in caught.value.why
    assert not list(tmp_path.iterdir())


@local_server
def test_an_archive_may_be_brought_by_hand(tmp_path, mirror):
    server = mirror(served={})
    for part, content in ARCHIVES.items():
        put(tmp_path / f"{part}.tar.gz", content)
    assert len(read(obtain(tmp_path))) == 8
    assert not server.asked
    put(tmp_path / "b/train-clean-100.tar.gz", b"another one")
    with pytest.raises(UserError, match="is not the pinned file"):
        obtain(tmp_path / "b")
    assert (tmp_path / "b/train-clean-100.tar.gz").read_bytes() == b"another one"


def test_an_unknown_part_is_named(tmp_path):
    with pytest.raises(UserError, match="no part 'train-clean'") as caught:
        LibriSpeech(SpeechData(parts=("train-clean", "test-clean"))).obtain(tmp_path)
    assert "train-clean-100" in caught.value.fix


def test_the_pinned_hashes_are_torchaudios():
    torchaudio = pytest.importorskip("torchaudio.datasets.librispeech")
    known = librispeech.catalogue()
    urls = {
        f"http://www.openslr.org/resources/12/{part}.tar.gz": each["sha256"] for part, each in known["parts"].items()
    }
    assert urls == torchaudio._CHECKSUMS
    assert len(set(known["mirrors"])) == len(known["mirrors"]) > 1


# --- unpacking ---


def test_size_and_number_are_bounded(tmp_path):
    archive = put(tmp_path / "a.tar.gz", packed({"a": bytes(600), "b": bytes(400)}))
    unpack(archive, tmp_path / "out", 1000, 2)
    assert (tmp_path / "out/b").read_bytes() == bytes(400)
    with pytest.raises(UserError, match="refused") as caught:
        unpack(archive, tmp_path / "bytes", 999)
    assert caught.value.why == "more than 999 bytes"
    assert not (tmp_path / "bytes/b").exists()
    with pytest.raises(UserError, match="refused") as caught:
        unpack(archive, tmp_path / "entries", 1000, 1)
    assert caught.value.why == "more than 1 entries"


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", ARCHIVES["test-clean"][:-400], gzip.compress(bytes(100)), gzip.compress(b"x" * 5000)],
    ids=["empty", "text", "cut", "zeros", "no tar"],
)
def test_damaged_archives_are_named(tmp_path, content):
    with pytest.raises(UserError, match="damaged"):
        unpack(put(tmp_path / "a.tar.gz", content), tmp_path / "out", 10**6)
