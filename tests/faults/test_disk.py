"""A full disk, folders that may not be written, and folders that are not there any more: said clearly, harm nothing."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import mounts
import pytest
import studies
from faultbook import times
from hooks import as_nobody, no_file_above, vanish_at

IMAGES, SPEECH = "digits-cmi-g030", "voices-cmi-g080"
POINTS = (  # stage, its argument, the artefact
    ("train", IMAGES, f"runs/train/{IMAGES}/s0"),
    ("prepare", "digits", "data/prepared/digits"),
    ("embed", IMAGES, f"runs/embed/{IMAGES}/s0"),
    ("train", SPEECH, f"runs/train/{SPEECH}/s0"),
    ("evaluate", IMAGES, f"runs/evaluate/{IMAGES}/s0"),
    ("prepare", "voices", "data/prepared/voices"),
    ("embed", SPEECH, f"runs/embed/{SPEECH}/s0"),
)
TRAIN = POINTS[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, prepared):
    folder = studies.copy(prepared, tmp_path_factory.mktemp("disk") / "whole")
    return studies.built(folder, IMAGES, SPEECH)


def lacking(whole, folder, artefact: str):
    """A workspace with everything that comes before an artefact, but not the artefact."""
    shutil.copytree(whole, folder, dirs_exist_ok=True)
    shutil.rmtree(folder / artefact)
    return folder


def files(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}


def mended(space, whole, point) -> None:
    """Now the same command goes through, with the same bytes."""
    stage, name, artefact = point
    studies.run(space, stage, name, log=whole.parent / "said.txt").must(0)
    studies.same(files(space / artefact), files(whole / artefact))


def refused(space, whole, point, hook=None) -> str:
    """The stage ends with one message and leaves no artefact."""
    stage, name, artefact = point
    said = studies.run(space, stage, name, log=whole.parent / "said.txt", hook=hook).must(2)
    assert "fix" in said, said
    assert not os.path.lexists(space / artefact / "run.json")
    return said


@pytest.mark.row(
    "disk full",
    "a file system of 40 MB filled but for a random rest (where one may be mounted), and a limit on the size of a "
    "file, in turn, while data is prepared, a run trains, is embedded and evaluated",
    "`no space left` with the path, exit code 2, no artefact; with space again the same command ends with the same "
    "bytes",
)
@times(short=2, full=14)
def test_a_full_disk(count, tmp_path, whole, chance, row):
    mountable = mounts.can_mount()
    if not mountable:
        row.how = "a limit on the size of a file, while data is prepared, a run trains, is embedded and evaluated"
    for number in range(count):
        point = POINTS[number // 2 % len(POINTS)]
        largest = max(len(content) for content in files(whole / point[2]).values())
        free = chance.randrange(1500, max(largest // 2, 1501))  # not less: the message must fit
        with row.case(f"{point} {free}"), contextlib.ExitStack() as stack:
            if mountable and number % 2 == 0:
                disk = stack.enter_context(mounts.small_disk(tmp_path / f"disk{number}", 40))
                space = lacking(whole, disk / "space", point[2])
                with mounts.full(disk, free):
                    said = refused(space, whole, point)
                assert "no space left" in said or "free some space" in said, said
            else:
                space = lacking(whole, tmp_path / str(number), point[2])
                said = refused(space, whole, point, hook=(no_file_above, (free,)))
                assert "no space left" in said, said
            mended(space, whole, point)


@contextlib.contextmanager
def shut(path: Path, mode: int):
    """Take permissions away for a while."""
    before = path.stat().st_mode
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)


@contextlib.contextmanager
def of_nobody(whole, artefact: str):
    """A workspace that belongs to nobody where we are root, whom permissions do not bind; else to us."""
    folder = Path(tempfile.mkdtemp(prefix="cmivae-faults-"))
    try:
        space = lacking(whole, folder / "space", artefact)
        if os.geteuid() == 0:
            for path in (folder, space, *space.rglob("*")):
                os.chown(path, 65534, 65534)
        yield space
    finally:
        shutil.rmtree(folder)


@pytest.mark.row(
    "read-only folders",
    "the workspace, runs, the resume state, the lock folder without permission to write, params and data without "
    "permission to read (as user nobody where root runs the suite), and a read-only mount where one may be made",
    "one message with the path and what to do, exit code 2; permitted again, the same command ends with the same bytes",
)
@times(short=2, full=7)
def test_read_only_folders(count, tmp_path, whole, row):
    hook = (as_nobody, ()) if os.geteuid() == 0 else None
    places = {"runs": 0o555, "data/prepared/digits/images.safetensors": 0, "": 0o555, ".cmivae/locks": 0o555,
              ".cmivae/scratch": 0o555, "params.yaml": 0}  # fmt: skip
    for place, mode in list(places.items())[:count]:
        with row.case(place or "workspace"), of_nobody(whole, TRAIN[2]) as space:
            if place.startswith(".cmivae/"):  # made anew: what is in it already could still be opened
                shutil.rmtree(space / place, ignore_errors=True)
                (space / place).mkdir()
            shutil.rmtree(space / ("runs/train" if place == "runs" else ".cmivae/building"))
            if not place:
                shutil.rmtree(space / ".cmivae")
            with shut(space / place, mode):
                said = refused(space, whole, TRAIN, hook)
            assert place.rpartition("/")[2] in said
            mended(space, whole, TRAIN)
    if count > len(places) and mounts.can_mount():
        with row.case("read-only mount"):
            space = lacking(whole, tmp_path / "mounted", TRAIN[2])
            with mounts.read_only(space):
                assert "ead-only file system" in refused(space, whole, TRAIN)
            mended(space, whole, TRAIN)


@pytest.mark.row(
    "vanished folders",
    "a file where a folder should be, prepared data and the workspace gone, resume state and workspace removed in "
    "the middle of a training, the folder that is being built removed",
    "one message with the path and what to do, exit code 2, or a right result; put back, the same command ends with "
    "the same bytes",
)
@times(short=2, full=7)
def test_vanished_folders(count, tmp_path, whole, row):
    def file_at(space, path):
        shutil.rmtree(space / path)
        (space / path).write_text("not a folder")
        assert Path(path).name in refused(space, whole, TRAIN)
        (space / path).unlink()

    def gone(space, path):
        (space / path).rename(tmp_path / "kept")
        said = refused(space, whole, TRAIN)
        assert (path or "params.yaml") in said
        (tmp_path / "kept").rename(space / path)

    def removed(space, path):
        said = refused(space, whole, TRAIN, hook=(vanish_at, (3, str(space / path))))
        assert path in said
        lacking(whole, space, TRAIN[2])

    def rebuilt(space, path):
        studies.run(space, *TRAIN[:2], hook=(vanish_at, (3, str(space / path)))).must(0)
        studies.same(files(space / TRAIN[2]), files(whole / TRAIN[2]))
        shutil.rmtree(space / TRAIN[2])

    cases = [
        (removed, ".cmivae/scratch"),
        (file_at, "runs/train"),
        (file_at, ".cmivae"),
        (gone, "data/prepared/digits"),
        (gone, ""),
        (removed, ""),
        (rebuilt, ".cmivae/building"),
    ]
    for number, (act, path) in enumerate(cases[:count]):
        with row.case(f"{act.__name__} {path or 'workspace'}"):
            space = lacking(whole, tmp_path / str(number), TRAIN[2])
            act(space, path)
            mended(space, whole, TRAIN)
