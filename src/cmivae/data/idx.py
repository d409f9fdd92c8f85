"""Reading files that may be damaged: bounded gzip and the IDX format of MNIST."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from cmivae.errors import UserError

GZIP_MAGIC = b"\x1f\x8b"
UNSIGNED_BYTE = 8  # IDX type code
MOST_ITEMS = 2**30  # far above the largest real file (47 million)
FETCH_AGAIN = "delete it and run `cmivae fetch` again, or bring a whole copy of it"


def read_gzip(path: Path | str, limit: int) -> bytes:
    """The content of a file, gzip-compressed or plain, of at most ``limit`` bytes.

    Raises:
        UserError: the file is missing, unreadable, damaged, cut short, or holds more than ``limit`` bytes.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path) if packed else path.open("rb") as file:
            content = file.read(limit + 1)  # one byte too many shows a bomb without unpacking it
    except FileNotFoundError:
        raise UserError("a data file is missing", where=str(path), fix="run `cmivae fetch` first") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError("a gzip file is damaged", where=str(path), why=str(error), fix=FETCH_AGAIN) from None
    except OSError as error:
        raise UserError(
            "cannot read a data file", where=str(path), why=str(error), fix="let your user read it"
        ) from None
    if len(content) > limit:
        why = f"it holds more than the {limit:,} bytes expected"
        raise UserError("a data file is too large", where=str(path), why=why, fix=FETCH_AGAIN)
    return content


def read_idx(content: bytes, where: Path | str) -> np.ndarray:
    """The array in an IDX file of unsigned bytes: labels (N,) or images (N, H, W), uint8.

    Raises:
        UserError: ``where`` is named; wrong magic number, absurd counts, bytes missing or left over.
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or content[3] not in (1, 3):
        raise _damaged(where, f"its magic number is {content[:4].hex() or 'missing'}, not 00000801 or 00000803")
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise _damaged(where, f"its header needs {start} bytes and the file has {len(content)}")
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    items = math.prod(shape)
    if not 0 < items <= MOST_ITEMS:
        raise _damaged(where, f"its header states absurd counts, {shape}")
    if len(content) - start != items:
        what = "bytes are missing" if len(content) - start < items else "bytes are left over"
        raise _damaged(where, f"{what}: {len(content) - start:,} where {shape} needs {items:,}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()


def _damaged(where: Path | str, why: str) -> UserError:
    return UserError("not a whole IDX file", where=str(where), why=why, fix=FETCH_AGAIN)
