"""Reading speech files that may be damaged: NIST SPHERE, RIFF (WAV) and FLAC, 16 kHz mono, decoded by libsndfile.

libsndfile gives a file that is cut short without a word, so each header is read here first and must fit the data.
"""

import hashlib
import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from cmivae.errors import UserError
from cmivae.provenance.io import disk_error

log = logging.getLogger(__name__)

RATE = 16000  # samples a second
LEAST = 400  # samples: one window of the features
MOST = 3600 * RATE  # samples; what is longer is no utterance
BRING = "bring a whole copy of the file"
SPHERE, SPHERE_HEADER, SPHERE_BYTES = b"NIST_1A", b"NIST_1A\n   1024\n", 1024  # libsndfile reads no other size
CHUNKS = 64  # that a RIFF file may have before its data
WAV_PCM, WAV_FLOAT, WAV_EXTENSIBLE = 1, 3, 0xFFFE
STREAMED = 0xFFFFFFFF  # data size of a RIFF file that was written into a pipe
KINDS = "NIST SPHERE, RIFF (WAV) and FLAC"
SPH2PIPE = (
    "convert the tree once with LDC's sph2pipe, `sph2pipe -f wav in.WAV out.wav` (recent ffmpeg may do it too; "
    "untested), and name the result as `source` in params.yaml"
)


@dataclass(frozen=True)
class AudioInfo:
    """What the header of a speech file says."""

    samples: int  # of one channel
    rate: int
    channels: int
    format: str  # NIST, WAV or FLAC
    range: tuple[int, int] | None = None  # SPHERE: smallest and largest sample, if stated


def probe(path: Path | str) -> AudioInfo:
    """The header of a file, checked against its size; no sample is read.

    Raises:
        UserError: the file is missing, no audio that can be read, compressed, damaged or cut short.
    """
    try:
        with Path(path).open("rb") as file:
            return _header(file, os.fstat(file.fileno()).st_size, path)
    except OSError as error:
        raise disk_error(path, error) from None


def read_audio(path: Path | str, sha256: str | None = None) -> np.ndarray:
    """The samples of a file, (N,) float32 in [-1, 1]; its bytes are read once.

    Args:
        path: of a 16 kHz mono file.
        sha256: what the bytes must hash to.

    Raises:
        UserError: the file changed since it was indexed, or cannot be used (see ``probe``; also another rate, not
            mono, shorter than one window).
    """
    content = _content(path)
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        why = f"its SHA-256 is no longer {sha256}"
        fix = "bring the old file back, or index again: `cmivae fetch NAME --force`"
        raise UserError("a speech file has changed since it was indexed", where=str(path), why=why, fix=fix)
    return _decode(content, path)[0]


def index_file(path: Path | str) -> tuple[int, str]:
    """Number of samples and SHA-256 of a file that ``read_audio`` can read; its bytes are read once.

    Raises:
        UserError: as ``read_audio``.
    """
    content = _content(path)
    samples, info = _decode(content, path)
    if info.range is not None:
        found = tuple(round(float(each) * 2**15) for each in (samples.min(), samples.max()))
        if found != info.range:  # how a CR/LF conversion that keeps the length shows
            log.warning("%s: samples in %s where its header says %s; is it damaged?", path, found, info.range)
    return len(samples), hashlib.sha256(content).hexdigest()


def _content(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise disk_error(path, error) from None


def _decode(content: bytes, path: Path | str) -> tuple[np.ndarray, AudioInfo]:
    info = _header(io.BytesIO(content), len(content), path)
    _usable(info, path)
    try:
        samples, rate = soundfile.read(io.BytesIO(content), frames=info.samples, dtype="float32")
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        why = " ".join(str(getattr(error, "error_string", error)).split())
        raise UserError("a speech file cannot be decoded", where=str(path), why=why, fix=BRING) from None
    if samples.shape != (info.samples,) or rate != info.rate:
        why = f"{samples.shape} samples at {rate} Hz where its header says {info.samples:,} at {info.rate} Hz"
        raise UserError("a speech file is damaged", where=str(path), why=why, fix=BRING)
    if not np.all(np.abs(samples) <= 1):  # so that NaN fails too
        why = "samples of floating point must be finite and in [-1, 1]"
        raise UserError("a speech file holds wrong samples", where=str(path), why=why, fix="write it as 16-bit PCM")
    return samples, info


def _usable(info: AudioInfo, path: Path | str) -> None:
    convert = "convert the corpus once, for example with `sox IN -r 16000 -c 1 -b 16 OUT`"
    if info.rate != RATE:
        why = f"{info.rate} Hz where {RATE} Hz is needed; nothing is resampled silently"
        raise UserError("a speech file has another sampling rate", where=str(path), why=why, fix=convert)
    if info.channels != 1:
        why = f"it has {info.channels} channels"
        raise UserError("a speech file is not mono", where=str(path), why=why, fix=convert)
    if info.samples < LEAST:
        why = f"{info.samples} samples where one window needs {LEAST}"
        raise UserError("a speech file is too short", where=str(path), why=why, fix="leave it out of the corpus")
    if info.samples > MOST:
        why = f"{info.samples:,} samples: more than an hour is no utterance"
        raise UserError("a speech file is too long", where=str(path), why=why, fix="cut it into utterances")


def _header(file: BinaryIO, size: int, path: Path | str) -> AudioInfo:
    start = file.read(16)
    if not size:
        raise UserError("a speech file is empty", where=str(path), fix=BRING)
    if start.startswith(SPHERE):
        return _sphere(start + file.read(SPHERE_BYTES - len(start)), size, path)
    if start.startswith(b"RIFF") and start[8:12] == b"WAVE":
        file.seek(12)
        return _riff(file, size, path)
    if start.startswith(b"fLaC"):
        return _flac(start + file.read(42 - len(start)), path)
    why = f"it begins with {start[:8]!r}; {KINDS} are read, whatever the suffix"
    raise UserError("not a speech file that can be read", where=str(path), why=why, fix="convert it to one of these")


def _damaged(path: Path | str, why: str) -> UserError:
    return UserError("the header of a speech file is damaged", where=str(path), why=why, fix=BRING)


def _whole(path: Path | str, needed: int, there: int) -> None:
    if there < needed:
        why = f"its header states {needed:,} bytes of audio and {there:,} are there"
        raise UserError("a speech file is cut short", where=str(path), why=why, fix=BRING)


def _sphere(header: bytes, size: int, path: Path | str) -> AudioInfo:
    if b"\r" in header[: len(SPHERE_HEADER)]:
        why = "its line ends were converted (CR/LF), as by a text-mode transfer, and the audio with them"
        raise _damaged(path, why)
    if not header.startswith(SPHERE_HEADER) or b"end_head" not in header:
        raise _damaged(path, f"no SPHERE header of {SPHERE_BYTES} bytes with an end")
    fields = {}
    for line in header.split(b"end_head")[0].decode("latin-1").splitlines()[2:]:
        name, _, rest = line.strip().partition(" ")
        fields[name] = rest.strip().partition(" ")[2].strip()  # after the type, e.g. -i
    coding = fields.get("sample_coding", "pcm")
    if coding != "pcm":
        _refuse_coding(coding, path)
    rate, channels = _number(fields, "sample_rate", path), _number(fields, "channel_count", path)
    width, there = _number(fields, "sample_n_bytes", path), size - SPHERE_BYTES
    if width not in (1, 2, 3, 4) or not channels:
        raise _damaged(path, f"{channels} channels of {width} bytes a sample")
    samples = there // (width * channels)
    if "sample_count" in fields:
        samples = _number(fields, "sample_count", path)
        _whole(path, samples * width * channels, there)
    span = None
    if width == 2 and {"sample_min", "sample_max"} <= fields.keys():
        span = (_number(fields, "sample_min", path), _number(fields, "sample_max", path))
    return AudioInfo(samples, rate, channels, "NIST", span)


def _number(fields: dict[str, str], name: str, path: Path | str) -> int:
    text = fields.get(name, "missing")
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
        raise _damaged(path, f"its {name} is {text[:40]!r}")
    return int(text)


def _refuse_coding(coding: str, path: Path | str) -> None:
    if "shorten" in coding or "wavpack" in coding or "embedded" in coding:
        kind = "wavpack" if "wavpack" in coding else "shorten"
        why = f"it is NIST SPHERE with sample_coding '{coding}' ({kind}-compressed), which libsndfile cannot decode"
        raise UserError("a speech file is compressed", where=str(path), why=why, fix=SPH2PIPE)
    why = f"its sample_coding is '{coding}' where 'pcm' is needed; 8-bit codes lose too much"
    raise UserError("a speech file is not linear PCM", where=str(path), why=why, fix="bring the corpus as 16-bit PCM")


def _riff(file: BinaryIO, size: int, path: Path | str) -> AudioInfo:
    tag = channels = rate = align = 0
    for _ in range(CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        name, length = head[:4], int.from_bytes(head[4:], "little")
        if name == b"data":
            if not (align and channels):
                raise _damaged(path, "no format before the data")
            there = size - file.tell()
            length = there if length == STREAMED else length
            _whole(path, length, there)
            return AudioInfo(length // align, rate, channels, "WAV")
        after = file.tell() + length + length % 2
        if name == b"fmt ":
            block = file.read(16)
            if len(block) < 16:
                raise _damaged(path, "its format chunk is cut short")
            tag, channels = (int.from_bytes(block[at : at + 2], "little") for at in (0, 2))
            rate, align = int.from_bytes(block[4:8], "little"), int.from_bytes(block[12:14], "little")
            if tag not in (WAV_PCM, WAV_FLOAT, WAV_EXTENSIBLE):
                why = f"its RIFF format code is {tag}"
                fix = "bring the corpus as 16-bit PCM"
                raise UserError("a speech file is not linear PCM", where=str(path), why=why, fix=fix)
        file.seek(after)
    raise _damaged(path, f"no data among the first {CHUNKS} RIFF chunks")


def _flac(header: bytes, path: Path | str) -> AudioInfo:
    if len(header) < 42 or header[4] & 0x7F or int.from_bytes(header[5:8], "big") != 34:
        raise _damaged(path, "it does not begin with FLAC stream facts")
    packed = int.from_bytes(header[18:26], "big")  # rate 20 bits, channels - 1 3, bits - 1 5, samples 36
    rate, channels, samples = packed >> 44, (packed >> 41 & 7) + 1, packed & (1 << 36) - 1
    if not samples:
        raise _damaged(path, "it does not state how many samples it has, as when written into a pipe")
    return AudioInfo(samples, rate, channels, "FLAC")
