"""Killed at each step of writing a checkpoint: at most the one that is being written is lost."""

import signal

import pytest
import studies
from faultbook import times
from hooks import kill_at_point, kill_in_write, list_points

from cmivae.provenance.io import read_json

CONFIG, SAVE = "digits-cmi-g030", 4  # the fourth save: both generations are there and one is replaced


def points(folder) -> list[str]:
    """All calls that reach the file system in one save, before and after each."""
    note = folder / "points.txt"
    studies.run(folder, "train", CONFIG, hook=(list_points, (SAVE, str(note)))).must(0)
    return note.read_text().splitlines()


def check(folder, hook, whole) -> None:
    """Killed in the fourth save, it goes on after step 3 or 4 and ends with the same bytes."""
    assert studies.run(folder, "train", CONFIG, hook=hook).wait() == -signal.SIGKILL
    said = studies.run(folder, "train", CONFIG).must(0)
    assert any(f"goes on after step {step}" in said for step in (SAVE - 1, SAVE)), said
    studies.same(studies.outcome(folder, CONFIG), whole)
    segments = read_json(folder / "runs/train" / CONFIG / "s0/run.json")["segments"]
    assert [segment["end"] for segment in segments] == ["killed", "finished"]


@pytest.mark.row(
    "SIGKILL inside the write of a checkpoint",
    "before and after every call that reaches the file system (mkdir, open, write, close, fsync, rename, unlink) of "
    "both files of a checkpoint, and with 0 to 100 % of their bytes on the disk",
    "at most one step (one generation) is lost, no state is unreadable, and the run ends with the same bytes",
)
@times(short=3, full=12)
def test_killed_at_each_step_of_a_checkpoint(count, tmp_path, prepared, row):
    begin = studies.copy(prepared, tmp_path / "listed", epochs=2)
    names = points(begin)
    whole = studies.outcome(begin, CONFIG)
    assert {name.split()[-1] for name in names} >= {"open", "write", "fsync"}
    hooks = [(name, (kill_at_point, (SAVE, number))) for number, name in enumerate(names, start=1)]
    parts = [(share / 5, manifest) for share in range(6) for manifest in (False, True)]
    cut = [(f"{share:.0%} of {manifest}", (kill_in_write, (SAVE, share, manifest))) for share, manifest in parts]
    if count < len(cut):  # the default suite
        hooks, cut = hooks[len(hooks) // 3 :: len(hooks) // 2], cut[5:6]
    for number, (name, hook) in enumerate([*hooks, *cut]):
        folder = studies.copy(prepared, tmp_path / str(number), epochs=2)
        with row.case(name):
            check(folder, hook, whole)
