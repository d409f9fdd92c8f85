"""Damaged and random bytes in every format that is read: our error or a right result, and bounded memory."""

import gzip
import json
import random
import resource
import struct
from pathlib import Path

import numpy as np
import pytest
import tiny
import yaml
from faultbook import times
from speech_files import put, riff, sphere, tone
from workspace import with_speech

from cmivae.data.audio import index_file, probe, read_audio
from cmivae.data.idx import read_gzip, read_idx
from cmivae.data.manifest import Manifest
from cmivae.errors import UserError
from cmivae.provenance.io import digest
from cmivae.provenance.ledger import Record, read_record
from cmivae.study.loading import load_params
from cmivae.study.params import Params, SpeechData

MORE = 500_000_000  # bytes of address space that the readers may take beyond what the process has
IMAGES = struct.pack(">4I", 0x803, 20, 28, 28) + np.random.default_rng(0).bytes(20 * 784)
TOKENS = [
    b"\0", b"\xff" * 4, b"\xff\xff\xff\x7f", b"99999999999", b"-1", b"\n", b'"', b"{", b"[", b"!!python/none ",
    b"&a *a", b"\xef\xbb\xbf", b"\r\n", b"NaN", b"1e999", b"../", b"'", b",,,", b": ", b"\t", b"\xed\xa0\x80",
]  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, cut, repeated, swapped or put in; one in twenty is random altogether."""
    if chance.random() < 0.05:
        return chance.randbytes(chance.randrange(2000))
    made = bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 4, 16])):
        if not made:
            break
        at = chance.randrange(min(len(made), chance.choice([48, 1100, len(made)])))
        kind = chance.randrange(6)
        if kind == 0:
            made[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            made[at] = chance.randrange(256)
        elif kind == 2:
            del made[at : at + chance.randrange(1, 40)]
        elif kind == 3:
            made[at:at] = chance.choice(TOKENS)
        elif kind == 4:
            made[at:at] = made[at : at + chance.randrange(1, 200)]
        else:
            del made[at:]
    return bytes(made)


def idx(content: bytes, path: Path) -> None:
    array = read_idx(content, path)
    assert array.dtype == np.uint8
    assert array.tobytes() == content[-array.size :]


def packed(content: bytes, path: Path) -> None:
    read = read_gzip(put(path, content), 10 * len(IMAGES))
    assert read in (IMAGES, content) or gzip.decompress(content) == read


def speech(content: bytes, path: Path) -> None:
    put(path, content)
    count, _ = index_file(path)
    samples = read_audio(path)
    assert samples.shape == (count,) == (probe(path).samples,)
    assert np.all(np.abs(samples) <= 1)


def params(content: bytes, path: Path) -> None:
    found = load_params(put(path, content))
    assert isinstance(found, Params)
    assert load_params(path) == found


def table(content: bytes, path: Path) -> None:
    put(path.parent / "a/1.wav", riff(tone()))
    put(path.parent / "b/1.wav", riff(tone(seed=1)))
    for each in Manifest(SpeechData()).index(put(path, content)):
        assert (path.parent / each.path).resolve().is_relative_to(path.parent.resolve())
        assert each.samples == 800


def record(content: bytes, path: Path) -> None:
    found = read_record(put(path, content).parents[1], "a")
    assert found is None or (isinstance(found, Record) and found.status)
    if found is None:
        raise UserError("no record")


def cases() -> dict[str, tuple]:
    """Format to a right content of it, the file's name and what reads it."""
    values = {"format": 1, "stage": "train", "folder": "a", "status": "complete", "spec": "b", "params": {"a": 1}}
    files = {"x": {"size": 1, "sha256": "0"}}
    machine = {"python": "3", "processor": "x", "host": "y", "libraries": {}, "lock_sha256": None, "torch": None}
    values |= {"inputs": {}, "code": {}, "files": files, "content": digest(files), "environment": machine}
    rows = b"path,speaker,gender,split\na/1.wav,ann,F,train\nb/1.wav,bob,male,test\n"
    return {
        "IDX": (IMAGES, "images", idx),
        "gzip": (gzip.compress(IMAGES, mtime=0), "images.gz", packed),
        "SPHERE": (sphere(tone()), "a.sph", speech),
        "WAV": (riff(tone()), "a.wav", speech),
        "YAML": (with_speech(tiny.TEXT).encode(), "params.yaml", params),
        "CSV": (rows, "list.csv", table),
        "JSON": (json.dumps(values).encode(), "a/run.json", record),
    }


@pytest.fixture
def bounded():
    """No more than so much memory beyond what the process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MORE, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.row(
    "damaged and random inputs",
    "bits flipped, bytes cut, repeated, put in and random, in IDX, gzip, SPHERE, WAV, YAML, CSV and JSON in turn, "
    "with 500 MB more of address space allowed",
    "our own error, or a result that is right; no other exception and no more memory",
)
@times(short=140, full=2002)
def test_rubbish(count, tmp_path, chance, bounded, row):
    found = cases()
    for content, name, read in found.values():
        read(content, tmp_path / "whole" / name)  # the unharmed one is read
    refused = dict.fromkeys(found, 0)
    for number in range(count):
        kind = list(found)[number % len(found)]
        content, name, read = found[kind]
        changed = mutated(content, chance)
        with row.case(f"{kind} {number} of {chance}"):
            path = tmp_path / kind / name
            error = tiny.mistake(lambda read=read, path=path, changed=changed: read(changed, path))  # others go through
            refused[kind] += error is not None
    assert min(refused.values()) > count / len(found) / 5, refused


def test_the_yaml_of_the_suite_is_what_pyyaml_reads():
    assert yaml.safe_load(with_speech(tiny.TEXT))["label"] == "tiny"
