"""Speech files written by hand, byte by byte, so that the reader is tested against the formats and not itself."""

import struct
from pathlib import Path

import numpy as np

RATE = 16000


def tone(count: int = 800, seed: int = 0) -> np.ndarray:
    """Some int16 samples, all different from one seed to the next."""
    noise = np.random.default_rng(seed).integers(-300, 300, count)
    return (8000 * np.sin(np.arange(count) * 0.05) + noise).astype(np.int16)


def sphere(samples: np.ndarray, *, order: str = "01", end: str = "\n", **fields: object) -> bytes:
    """NIST SPHERE as on TIMIT's disc; ``fields`` replace header fields, None leaves one out."""
    header = {"database_id": "TIMIT", "channel_count": 1, "sample_count": len(samples), "sample_rate": RATE}
    header |= {"sample_min": int(samples.min()), "sample_max": int(samples.max()), "sample_n_bytes": 2}
    header |= {"sample_byte_format": order, "sample_sig_bits": 16} | fields
    lines = ["NIST_1A", "   1024"]
    for name, value in header.items():
        kind = "-i" if isinstance(value, int) else f"-s{len(str(value))}"
        lines += [] if value is None else [f"{name} {kind} {value}"]
    text = end.join([*lines, "end_head", ""]).encode("latin-1")
    return text.ljust(1024) + samples.astype("<i2" if order == "01" else ">i2").tobytes()


def riff(
    samples: np.ndarray,
    *,
    rate: int = RATE,
    channels: int = 1,
    tag: int = 1,
    before: bytes = b"",
    size: int | None = None,
) -> bytes:
    """RIFF (WAV) of int16 samples; ``before`` goes between format and data, ``size`` is what the data claims to be."""
    data = samples.astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, rate, 2 * rate * channels, 2 * channels, 16)
    body = form + before + struct.pack("<4sI", b"data", len(data) if size is None else size) + data
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def put(path: Path, content: bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
