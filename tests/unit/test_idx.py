"""The IDX reader and bounded gzip: whole files read exactly, damaged ones are named."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmivae.data import readers
from cmivae.data.idx import read_gzip, read_idx
from cmivae.data.readers import read_mnist
from cmivae.errors import UserError


def idx(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
LABELS = np.array([7, 0, 9], np.uint8)


@pytest.mark.parametrize("array", [IMAGES, LABELS])
def test_reads_what_was_written(array):
    read = read_idx(idx(array), "file")
    assert read.dtype == np.uint8
    assert read.flags.writeable
    np.testing.assert_array_equal(read, array)


def test_known_bytes():
    content = bytes.fromhex("00000803 00000001 00000002 00000003 010203040506".replace(" ", ""))
    assert read_idx(content, "file").tolist() == [[[1, 2, 3], [4, 5, 6]]]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "missing"),
        (b"\0\0\x08", "magic"),
        (b"\0\0\x0d\x03" + bytes(20), "magic number is 00000d03"),
        (b"\0\0\x08\x02" + bytes(20), "magic number is 00000802"),
        (b"\0\0\x08\x03" + bytes(11), "header needs 16 bytes"),
        (idx(IMAGES)[:-1], "bytes are missing: 23"),
        (idx(IMAGES) + b"\0", "bytes are left over: 25"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 28, 28), "absurd counts"),
        (b"\0\0\x08\x01" + struct.pack(">I", 0), "absurd counts"),
    ],
)
def test_damage_is_named(content, why):
    with pytest.raises(UserError) as caught:
        read_idx(content, "raw/labels")
    assert caught.value.where == "raw/labels"
    assert why in caught.value.why


@given(st.integers(0, 39))
def test_every_truncation_is_refused(length):
    with pytest.raises(UserError):
        read_idx(idx(IMAGES)[:length], "file")


@given(st.binary(max_size=60))
def test_any_bytes_give_an_array_or_a_user_error(content):
    try:
        size = read_idx(content, "file").size
    except UserError:
        return
    assert size > 0


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_gzip_and_plain_are_read_up_to_the_limit(tmp_path, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(b"x" * 1000))
    assert read_gzip(path, 1000) == b"x" * 1000
    with pytest.raises(UserError, match="too large") as caught:
        read_gzip(path, 999)
    assert caught.value.where == str(path)


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(20_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(UserError, match="too large"):
        read_gzip(path, 1000)


def damage(packed: bytes) -> dict[str, bytes]:
    middle = len(packed) // 2
    return {
        "cut": packed[:-9],
        "flipped": packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :],
        "tail": packed + b"junk",
        "header": packed[:2] + b"\xff" + packed[3:],
    }


@pytest.mark.parametrize("kind", ["cut", "flipped", "tail", "header"])
def test_a_damaged_gzip_is_named(tmp_path, kind):
    path = tmp_path / "file.gz"
    content = np.random.default_rng(0).bytes(500)
    path.write_bytes(damage(gzip.compress(content))[kind])
    with pytest.raises(UserError, match="damaged") as caught:
        read_gzip(path, 10_000)
    assert caught.value.where == str(path)
    assert caught.value.why


def test_missing_and_unreadable_files_are_named(tmp_path):
    with pytest.raises(UserError, match="missing"):
        read_gzip(tmp_path / "nothing", 1)
    with pytest.raises(UserError, match="cannot read"):
        read_gzip(tmp_path, 1)


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """A folder with three training and two test images, and the reader told to expect these counts."""
    monkeypatch.setattr(readers, "COUNTS", {"train": 3, "t10k": 2})
    rng = np.random.default_rng(0)
    for part, count in readers.COUNTS.items():
        images = rng.integers(0, 256, (count, 28, 28))
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(rng.integers(0, 10, count)))
    return tmp_path


def test_read_mnist(mnist):
    grey = read_mnist(mnist)
    assert grey.train_x.shape == (3, 28, 28)
    assert grey.test_x.shape == (2, 28, 28)
    assert grey.train_y.shape == (3,)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(grey.train_x, rng.integers(0, 256, (3, 28, 28)))
    np.testing.assert_array_equal(grey.train_y, rng.integers(0, 10, 3))


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        ("train-images-idx3-ubyte", np.zeros((2, 28, 28)), "expected \\(3, 28, 28\\)"),
        ("t10k-images-idx3-ubyte", np.zeros((2, 8, 8)), "expected \\(2, 28, 28\\)"),
        ("t10k-labels-idx1-ubyte", np.array([1, 10]), "a label is 10"),
    ],
)
def test_read_mnist_names_a_file_of_another_kind(mnist, name, array, why):
    (mnist / name).write_bytes(idx(array))
    with pytest.raises(UserError, match=why) as caught:
        read_mnist(mnist)
    assert caught.value.where == str(mnist / name)


def test_read_mnist_expects_the_official_counts(tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(np.zeros((59_999, 1, 1))))
    with pytest.raises(UserError, match="expected \\(60000, 28, 28\\)"):
        read_mnist(tmp_path)
