"""Archives, lists and records that lead out of their folder are refused, and nothing is written outside it."""

import json
import os
from pathlib import Path

import hostile
import pytest
import studies
from faultbook import times
from speech_files import put, riff, tone

from cmivae.data.archive import unpack
from cmivae.data.manifest import Manifest
from cmivae.errors import UserError
from cmivae.provenance.io import digest
from cmivae.provenance.ledger import read_record, seal
from cmivae.study.params import SpeechData

ALL = len(hostile.kinds(Path()))


def tree(folder) -> dict[str, tuple]:
    """Everything below a folder: kind, size and content."""
    return {
        str(path.relative_to(folder)): (os.lstat(path).st_mode, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def refused(tmp_path, content: bytes, number: int) -> str:
    """Unpacking is refused and touches nothing but its own folder; returns the reason."""
    place, outside = tmp_path / str(number), tmp_path / str(number) / "outside"
    put(outside / "kept", b"mine")
    archive = put(place / "a.tar.gz", content)
    before = tree(place)
    with pytest.raises(UserError) as caught:
        unpack(archive, place / "target", hostile.LIMIT, hostile.MEMBERS)
    after = {name: value for name, value in tree(place).items() if name.split("/")[0] != "target"}
    assert after == before
    target = tree(place / "target")
    assert sum(len(content) for _, content in target.values()) <= hostile.LIMIT
    assert not any((place / "target" / name).is_symlink() for name in target)
    assert caught.value.fix
    return f"{caught.value.what}: {caught.value.why}"


@pytest.mark.row(
    "hostile tar archives",
    "every kind: `..`, absolute, backslash, links and files through them, devices, a pipe, a bomb, too many entries, "
    "case clash, a name twice, 300 characters, a file used as a folder, no name",
    "refused, no byte and no link outside the target folder",
)
@times(short=ALL, full=ALL)
def test_hostile_tar_archives(count, tmp_path, row):
    for number, name in enumerate(hostile.kinds(Path())):
        with row.case(name):
            entries = hostile.kinds(tmp_path / str(number) / "outside")[name]
            assert "archive is refused" in refused(tmp_path, hostile.tar_gz(entries), number)
    assert row.tried == count


@pytest.mark.row(
    "zip archives",
    "the same kinds as zip, in the place of a downloaded archive",
    "refused as no tar archive, no byte outside: zip is not read at all",
)
@times(short=ALL, full=ALL)
def test_zip_archives(count, tmp_path, row):
    for number, name in enumerate(hostile.kinds(Path())):
        with row.case(name):
            entries = hostile.kinds(tmp_path / str(number) / "outside")[name]
            assert "archive is damaged" in refused(tmp_path, hostile.zipped(entries), number)
    assert row.tried == count


def manifest(folder, path: str) -> None:
    put(folder / "outside/a.wav", riff(tone()))
    table = f"path,speaker,gender,split\n{path},ann,F,train\n".encode()
    Manifest(SpeechData()).index(put(folder / "corpus/list.csv", table))


def forged(folder, change) -> None:
    """The record of a training, changed and sealed again, then used."""
    path = folder / "runs/train/digits-vanilla/s0/run.json"
    values = json.loads(path.read_text())
    change(values)
    values["content"] = digest(values["files"])
    values.pop("seal")
    path.write_text(json.dumps(values | {"seal": seal(values)}))
    assert read_record(folder, "runs/train/digits-vanilla/s0") is None
    studies.run(folder, "embed", "digits-vanilla").must(2)


@pytest.mark.row(
    "hostile paths in lists and records",
    "`..`, absolute, backslash and NUL in a list of utterances; `..` and absolute in the files and inputs of a run "
    "record with a right seal, and in the list of checkpoints",
    "refused, nothing outside is read or copied",
)
@times(short=9, full=9)
def test_hostile_paths_in_lists_and_records(count, tmp_path, prepared, row):
    for path in ("../outside/a.wav", str(tmp_path / "outside/a.wav"), "..\\outside\\a.wav", "a\0.wav"):
        with row.case(path), pytest.raises(UserError):
            manifest(tmp_path, path)
    outside = put(tmp_path / "secret", b"secret")
    entry = {"size": 6, "sha256": "0" * 64}
    made = studies.built(studies.copy(prepared, tmp_path / "made", epochs=1), "digits-vanilla", stages=("train",))
    for number, name in enumerate(("../../../../../secret", str(outside))):
        with row.case(f"files {name}"):
            space = studies.copy(made, tmp_path / f"files{number}", epochs=1)
            forged(space, lambda values, name=name: values["files"].update({name: entry}))
    with row.case("inputs"):
        space = studies.copy(made, tmp_path / "inputs", epochs=1)
        forged(space, lambda values: values["inputs"].update({"../made/data/raw/digits": {"spec": "", "content": ""}}))
    for number, name in enumerate(("../../../elsewhere.pt", str(outside))):
        with row.case(f"checkpoint {name}"):
            space = studies.copy(prepared, tmp_path / f"state{number}", epochs=2)
            stopped(space)
            (path,) = space.rglob("state.json")
            listed = json.loads(path.read_text())
            listed["generations"] = [listed["generations"][0] | {"file": name}]
            path.write_text(json.dumps(listed))
            assert "damaged" in studies.run(space, "train", "digits-vanilla").must(2)
    assert row.tried == count


def stopped(space) -> None:
    """A training that stopped after its third step."""
    from signal import SIGTERM

    from hooks import signal_at

    studies.run(space, "train", "digits-vanilla", hook=(signal_at, (3, SIGTERM, "after"))).must(85)
