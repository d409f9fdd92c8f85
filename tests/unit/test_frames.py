"""The table of frames on disk: written and rescaled in pieces, and nothing half written."""

import itertools

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from cmivae.data import frames as frames_module
from cmivae.data.frames import read_frames, write_frames
from cmivae.errors import UserError

ROWS = {"train": 11, "valid": 3, "test": 6}


def table(seed: int = 0) -> dict[str, np.ndarray]:
    """Some values of each part.  {part: (L, 4) float32}"""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(count, 4)).astype(np.float32) for name, count in ROWS.items()}


def fill_with(parts: dict[str, np.ndarray], sizes=(1, 4, 2), change=None):
    """A ``fill`` that appends all parts in pieces of these sizes and rescales by ``change``."""

    def fill(writer):
        for values in parts.values():
            start, turns = 0, itertools.cycle(sizes)
            while start < len(values):
                stop = start + next(turns)
                writer.append(torch.from_numpy(values[start:stop]))
                start = stop
        if change is not None:
            writer.rescale(change)

    return fill


def test_frames_written_in_pieces_are_those_of_safetensors(tmp_path):
    parts = table()
    write_frames(tmp_path / "pieces", ROWS, 4, fill_with(parts))
    (tmp_path / "whole").write_bytes(to_bytes(parts))
    pieces, whole = (load_file(tmp_path / name) for name in ("pieces", "whole"))
    assert pieces.keys() == whole.keys() == parts.keys()
    for name in ROWS:
        assert pieces[name].dtype == whole[name].dtype == np.float32
        assert pieces[name].shape == whole[name].shape == (ROWS[name], 4)
        assert pieces[name].tobytes() == whole[name].tobytes() == parts[name].tobytes()
        assert read_frames(tmp_path / "pieces", name).numpy().tobytes() == parts[name].tobytes()
    with safe_open(tmp_path / "pieces", framework="np") as file:
        assert file.get_slice("valid")[1:2].tobytes() == parts["valid"][1:2].tobytes()
    assert (
        tmp_path / "pieces"
    ).stat().st_size % 8 == 0  # header padded as safetensors does, so that values are aligned


@pytest.mark.parametrize("rows", [1, 3, 7, 20, 100])
def test_rescale_reaches_every_frame_once_whatever_the_block(tmp_path, monkeypatch, rows):
    monkeypatch.setattr(frames_module, "ROWS", rows)
    parts, blocks = table(), []

    def change(values):
        blocks.append(len(values))
        return values * 2 + torch.arange(4)

    write_frames(tmp_path / "f", ROWS, 4, fill_with(parts, change=change))
    for name, values in parts.items():
        np.testing.assert_array_equal(read_frames(tmp_path / "f", name), values * 2 + np.arange(4, dtype=np.float32))
    assert sum(blocks) == sum(ROWS.values())
    assert max(blocks) <= rows
    assert len(blocks) == -(-20 // rows)


@pytest.mark.parametrize("count", [5, 7])
def test_another_number_of_frames_than_announced_is_an_error(tmp_path, count):
    parts = table() | {"test": np.zeros((count, 4), np.float32)}
    with pytest.raises(ValueError, match="announced"):
        write_frames(tmp_path / "f", ROWS, 4, fill_with(parts, change=lambda values: values))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("old", [None, b"what was there"])
def test_frames_that_were_not_finished_leave_what_was_there(tmp_path, old):
    if old is not None:
        (tmp_path / "f").write_bytes(old)

    def fill(writer):
        fill_with({"train": table()["train"]})(writer)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_frames(tmp_path / "f", ROWS, 4, fill)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({} if old is None else {"f": old})


def test_frames_that_are_missing_or_damaged_are_named(tmp_path):
    path = tmp_path / "f"
    with pytest.raises(UserError, match="missing") as caught:
        read_frames(path, "train")
    assert caught.value.where == str(path)
    write_frames(path, ROWS, 4, fill_with(table()))
    with pytest.raises(UserError, match="damaged"):
        read_frames(path, "other")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged") as caught:
        read_frames(path, "train")
    assert caught.value.fix
