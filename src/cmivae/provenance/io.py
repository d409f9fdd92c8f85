"""Files that are whole or not there: atomic writes, hashing, canonical JSON."""

import contextlib
import errno
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cmivae.errors import UserError

REMAKE = "delete it and make it again: snakemake or dvc repro, where it is a file of the study"


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it replaces ``path``, on failure it is removed.

    The order is write, fsync, rename, fsync of the folder, so that a crash leaves the old file or the new one.

    Raises:
        UserError: no space is left, or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _fsync(temporary)
        temporary.replace(path)
        _fsync(path.parent)
    except OSError as error:
        raise disk_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # what went wrong before is what counts
            temporary.unlink()


def sweep(folder: Path) -> None:
    """Remove what processes that were killed in ``atomic_path`` left in a folder; only who has it locked may."""
    for leftover in folder.rglob(".*.part"):
        leftover.unlink(missing_ok=True)


def write_bytes(path: Path | str, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path | str, content: str) -> None:
    """Write ``content`` to ``path`` atomically, as UTF-8."""
    write_bytes(path, content.encode())


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` as readable JSON with sorted keys; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("a file is missing", where=str(path), fix="run the stage that makes it") from None
    except (ValueError, OSError, RecursionError) as error:
        raise UserError("a file is not readable JSON", where=str(path), why=str(error), fix=REMAKE) from None


def canonical(value: Any) -> str:
    """One spelling of ``value``: JSON with sorted keys and no spaces; NaN and infinity are refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of ``value``, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def sha256_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def disk_error(path: Path | str, error: OSError) -> UserError:
    """What to tell the user about an error of the file system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return UserError(
            "no space left to write a file",
            where=str(path),
            why=f"{error.strerror}; whatever was whole before is still whole",
            fix="free some space and start the same command again: it goes on where it was",
        )
    fix = "check that it is there and may be read and written"
    return UserError("a file cannot be read or written", where=str(path), why=str(error), fix=fix)
