"""Files are whole or not there; one value has one spelling."""

import errno
import hashlib
import json
import math
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmivae.errors import EXIT_USER, UserError
from cmivae.provenance import io
from cmivae.provenance.io import (
    atomic_path,
    canonical,
    digest,
    read_json,
    sha256_file,
    write_bytes,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_write_replaces_and_makes_folders(tmp_path):
    path = tmp_path / "a/b/file.txt"
    write_text(path, "old")
    write_text(path, "γ = 0.3")
    assert path.read_bytes() == "γ = 0.3".encode()
    assert names(path.parent) == ["file.txt"]


def fail_halfway(path):
    with atomic_path(path) as temporary:
        temporary.write_bytes(b"half")
        assert names(path.parent) == sorted([path.name, temporary.name])
        raise RuntimeError


def test_exception_leaves_the_old_file_and_no_part(tmp_path):
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError):
        fail_halfway(path)
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_full_disk_is_said_and_the_old_file_stays(number, tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(io.os, "fsync", full)
    with pytest.raises(UserError, match="no space left") as caught:
        write_bytes(path, b"new")
    assert caught.value.code == EXIT_USER
    assert caught.value.where == str(path)
    assert "still whole" in caught.value.why
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_folder_that_is_a_file_is_said(tmp_path):
    write_bytes(tmp_path / "file", b"old")
    with pytest.raises(UserError, match="cannot be read or written") as caught:
        write_bytes(tmp_path / "file/inner", b"new")
    assert "may be read and written" in caught.value.fix


def test_nothing_written_is_an_error(tmp_path):
    with pytest.raises(UserError, match="cannot be read or written"), atomic_path(tmp_path / "file"):
        pass
    assert names(tmp_path) == []


def test_a_name_too_long_is_said_and_not_what_cleaning_up_says(tmp_path):
    with pytest.raises(UserError, match="cannot be read or written") as caught:
        write_bytes(tmp_path / ("x" * 250), b"new")
    assert caught.value.where.endswith("x" * 250)
    assert names(tmp_path) == []


@given(value=JSON)
def test_canonical_round_trips_and_is_one_spelling(value):
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text
    assert "\n" not in text


@given(value=st.dictionaries(st.text(), JSON, min_size=2, max_size=5))
def test_canonical_does_not_see_the_order_of_keys(value):
    turned = dict(reversed(value.items()))
    assert canonical(turned) == canonical(value)
    assert digest(turned) == digest(value)


@given(first=JSON, second=JSON)
def test_digest_tells_values_apart(first, second):
    assert (digest(first) == digest(second)) == (canonical(first) == canonical(second))


def test_digest_is_known():
    assert digest({"b": 1, "a": [1.0, None]}) == hashlib.sha256(b'{"a":[1.0,null],"b":1}').hexdigest()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_json_has_no_word_for_is_refused(value, tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": [value]})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", value)
    assert names(tmp_path) == []


@given(value=JSON)
def test_json_file_round_trips(value, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"\xff\xfe", b"{'a': 1}", b"[" * 100_000])
def test_bad_json_is_named(content, tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not readable JSON") as caught:
        read_json(path)
    assert caught.value.where == str(path)


def test_missing_json_is_named(tmp_path):
    with pytest.raises(UserError, match="missing") as caught:
        read_json(tmp_path / "x.json")
    assert "run the stage" in caught.value.fix


def test_file_hash_is_known(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert sha256_file(path) == hashlib.sha256(b"abc").hexdigest()
