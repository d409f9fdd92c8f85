"""Speech files of every kind, whole and damaged: what is read is equal, what is wrong is named."""

import contextlib
import hashlib
import io
import logging
import tempfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_files import put, riff, sphere, tone

from cmivae.data.audio import AudioInfo, index_file, probe, read_audio
from cmivae.errors import UserError

SAMPLES = tone()


def flac(samples: np.ndarray = SAMPLES, rate: int = 16000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


# --- what is read ---

WHOLE = {
    "TIMIT's own": (sphere(SAMPLES), "NIST"),
    "big-endian": (sphere(SAMPLES, order="10", sample_coding="pcm"), "NIST"),
    "no count": (sphere(SAMPLES, sample_count=None, sample_coding="pcm"), "NIST"),
    "more than counted": (sphere(SAMPLES) + bytes(100), "NIST"),
    "RIFF": (riff(SAMPLES), "WAV"),
    "RIFF with a list": (riff(SAMPLES, before=b"LIST\x05\x00\x00\x00abcde\x00"), "WAV"),
    "RIFF from a pipe": (riff(SAMPLES, size=0xFFFFFFFF), "WAV"),
    "FLAC": (flac(), "FLAC"),
}


@pytest.mark.parametrize(("content", "kind"), WHOLE.values(), ids=WHOLE.keys())
@pytest.mark.parametrize("name", ["SA1.WAV", "SA1.WAV.wav", "sa1.sph"])
def test_the_content_counts_and_not_the_suffix(tmp_path, content, kind, name):
    path = put(tmp_path / name, content)
    info = probe(path)
    assert (info.samples, info.rate, info.channels, info.format) == (800, 16000, 1, kind)
    assert index_file(path) == (800, hashlib.sha256(content).hexdigest())
    read = read_audio(path, hashlib.sha256(content).hexdigest())
    assert read.dtype == np.float32
    assert np.array_equal(read * 32768, SAMPLES)


def test_float_samples(tmp_path):
    wave = (SAMPLES / 32768).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav"), wave)
    for bad in (np.nan, 1.5):
        soundfile.write(tmp_path / "b.wav", np.where(np.arange(800) == 7, bad, wave), 16000, subtype="FLOAT")
        with pytest.raises(UserError, match="wrong samples") as caught:
            read_audio(tmp_path / "b.wav")
        assert "16-bit PCM" in caught.value.fix


# --- what is refused ---

CRLF = sphere(SAMPLES).replace(b"\n", b"\r\n")
STATED = int.from_bytes(flac()[18:26], "big") - len(SAMPLES)
LONG = flac()[:18] + (STATED + 7200 * 16000).to_bytes(8, "big") + flac()[26:]
MANY = flac(tone(20_000))  # some FLAC blocks
REFUSED = {
    "empty": (b"", "is empty", ""),
    "text": (b"<html>not here</html>", "not a speech file", "SPHERE, RIFF"),
    "ogg": (b"OggS" + bytes(4000), "not a speech file", "OggS"),
    "three bytes": (b"NIS", "not a speech file", "begins with"),
    "shorten": (sphere(SAMPLES, sample_coding="pcm,embedded-shorten-v2.00"), "compressed", "shorten-compressed"),
    "wavpack": (sphere(SAMPLES, sample_coding="pcm,embedded-wavpack"), "compressed", "wavpack-compressed"),
    "u-law": (sphere(SAMPLES, sample_coding="ulaw", sample_n_bytes=1), "not linear PCM", "'ulaw'"),
    "RIFF u-law": (riff(SAMPLES, tag=7), "not linear PCM", "code is 7"),
    "SPHERE cut": (sphere(SAMPLES)[:-2], "cut short", "1,600 bytes of audio and 1,598"),
    "RIFF cut": (riff(SAMPLES)[:-2], "cut short", "1,600 bytes of audio and 1,598"),
    "FLAC cut": (flac()[:-200], "decoded|damaged", ""),
    "FLAC cut between blocks": (MANY[: len(MANY) // 2], "decoded|damaged", ""),
    "SPHERE header cut": (sphere(SAMPLES)[:300].replace(b"end_head", b""), "header", "end"),
    "RIFF header cut": (riff(SAMPLES)[:30], "header", "cut short"),
    "RIFF without data": (riff(SAMPLES)[:36], "header", "no data"),
    "RIFF without format": (riff(SAMPLES).replace(b"fmt ", b"junk"), "header", "no format"),
    "FLAC header cut": (flac()[:30], "header", "FLAC"),
    "CR/LF": (CRLF, "header", "CR/LF"),
    "no rate": (sphere(SAMPLES, sample_rate=None), "header", "sample_rate is 'missing'"),
    "odd rate": (sphere(SAMPLES, sample_rate="16k"), "header", "sample_rate is '16k'"),
    "odd width": (sphere(SAMPLES, sample_n_bytes=0), "header", "0 bytes a sample"),
    "8 kHz": (sphere(SAMPLES, sample_rate=8000), "another sampling rate", "8000 Hz where 16000"),
    "44.1 kHz": (flac(rate=44100), "another sampling rate", "44100 Hz"),
    "stereo": (riff(SAMPLES, channels=2), "not mono", "2 channels"),
    "SPHERE stereo": (sphere(SAMPLES, channel_count=2, sample_count=400), "not mono", "2 channels"),
    "two hours": (LONG, "too long", "115,200,000 samples"),
    "399 samples": (sphere(SAMPLES[:399]), "too short", "399 samples where one window needs 400"),
}


@pytest.mark.parametrize(("content", "what", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_file_is_named(tmp_path, content, what, why):
    path = put(tmp_path / "SX9.WAV", content)
    for read in (index_file, read_audio):
        with pytest.raises(UserError, match=what) as caught:
            read(path)
        assert why in caught.value.why
        assert caught.value.where == str(path)
        assert caught.value.fix


def test_the_least_length_is_one_window(tmp_path):
    assert index_file(put(tmp_path / "a.wav", riff(SAMPLES[:400])))[0] == 400


def test_shorten_says_how_to_convert(tmp_path):
    path = put(tmp_path / "a.wav", sphere(SAMPLES, sample_coding="pcm,embedded-shorten-v1.09"))
    with pytest.raises(UserError, match="compressed") as caught:
        probe(path)
    assert "sph2pipe -f wav" in caught.value.fix


def test_a_changed_file_is_refused(tmp_path):
    path = put(tmp_path / "a.wav", riff(SAMPLES))
    _, sha256 = index_file(path)
    path.write_bytes(riff(tone(seed=1)))
    with pytest.raises(UserError, match="changed since it was indexed") as caught:
        read_audio(path, sha256)
    assert "cmivae fetch NAME --force" in caught.value.fix


def test_a_missing_file_is_named(tmp_path):
    for read in (probe, index_file, read_audio):
        with pytest.raises(UserError) as caught:
            read(tmp_path / "gone.wav")
        assert "gone.wav" in caught.value.where


def test_damage_that_keeps_the_length_is_warned_about(tmp_path, caplog):
    index_file(put(tmp_path / "whole.wav", sphere(SAMPLES)))
    assert not caplog.records
    loud = np.where(np.arange(800) == 5, -32768, SAMPLES).astype(np.int16)
    index_file(put(tmp_path / "a.wav", sphere(loud, sample_min=int(SAMPLES.min()))))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "-32768" in caplog.text


def test_probe_reads_no_samples(tmp_path):
    """A header that promises what the samples break is found by decoding only."""
    path = put(tmp_path / "a.flac", flac()[:60] + bytes(len(flac()) - 60))
    assert probe(path) == AudioInfo(800, 16000, 1, "FLAC")
    with pytest.raises(UserError):
        read_audio(path)


# --- rubbish ---

SEEDS = [content for content, _ in WHOLE.values()]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_rubbish_is_read_or_named_and_never_crashes(data):
    content = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, min(len(content), 1200) - 1))
        content[at] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))]
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "a", bytes(content))
        with contextlib.suppress(UserError):
            probe(path)
        with contextlib.suppress(UserError):
            samples = read_audio(path)
            assert samples.shape == (index_file(path)[0],)
            assert np.all(np.abs(samples) <= 1)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([b"NIST_1A\n   1024\n", b"RIFF\x00\x00\x00\x00WAVE", b"fLaC"]), st.binary(max_size=1500))
def test_rubbish_after_the_first_bytes(start, rest):
    with tempfile.TemporaryDirectory() as folder:
        path = put(Path(folder) / "a", start + rest)
        with pytest.raises(UserError):
            index_file(path)
