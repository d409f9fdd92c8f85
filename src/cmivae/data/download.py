"""One URL into one file: http(s) only, bounded, resumed where the server can, with progress."""

import contextlib
import http.client
import logging
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from tqdm import tqdm

from cmivae.errors import UserError

log = logging.getLogger(__name__)

TIMEOUT = 30.0  # seconds without an answer
CHUNK = 1 << 16  # bytes
LOG_EVERY = 10.0  # seconds between log lines where there is no terminal


class MirrorError(Exception):
    """A mirror did not give the file; the message is one line."""


def download(url: str, part: Path, limit: int, timeout: float = TIMEOUT) -> bool:
    """Bring ``url`` into ``part``, going on after the bytes that lie there; at most ``limit`` bytes in all.

    An interrupted transfer leaves its bytes in ``part`` for the next try.

    Returns:
        Whether earlier bytes were kept (the server answered 206).

    Raises:
        MirrorError: the server cannot be reached, refuses, stops early or sends too much.
        UserError: ``part`` cannot be written.
    """
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "cmivae", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with _opener().open(request, timeout=timeout) as response:
            return _receive(response, part, have, limit)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            part.unlink()
            return download(url, part, limit, timeout)
        raise MirrorError(f"HTTP {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        said = str(getattr(error, "reason", error)) or repr(error)
        raise MirrorError(" ".join(said.split())) from None


def _opener() -> urllib.request.OpenerDirector:
    # Built by hand: the default opener has handlers for file: and ftp: that a redirect could reach.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _receive(response: http.client.HTTPResponse, part: Path, have: int, limit: int) -> bool:
    resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
    if resumed and not re.match(rf"bytes {have}-", response.headers.get("Content-Range", "")):
        with _disk(part):
            part.unlink(missing_ok=True)
        raise MirrorError("sent another range than the one asked for")
    done = have if resumed else 0
    length = response.headers.get("Content-Length", "")
    total = done + int(length) if length.isdecimal() else None
    label = part.name.removesuffix(".part")
    with _disk(part):
        file = part.open("ab" if resumed else "wb")
    with file, _progress(label, total, done) as advance:
        for chunk in iter(lambda: response.read(CHUNK), b""):
            done += len(chunk)
            if done > limit:
                break
            _write(file, part, chunk)
            advance(len(chunk))
    if done > limit:
        part.unlink()
        raise MirrorError(f"sends more than {limit:,} bytes")
    if total is not None and done < total:
        raise MirrorError(f"the connection ended after {done:,} of {total:,} bytes")
    return resumed


def _write(file: BinaryIO, part: Path, chunk: bytes) -> None:
    with _disk(part):
        file.write(chunk)
        file.flush()  # so that a full disk shows here and not at close, as if the mirror had failed


@contextlib.contextmanager
def _disk(part: Path) -> Iterator[None]:
    """A full or read-only disk is the user's to mend, not a reason to try another mirror."""
    try:
        yield
    except OSError as error:
        fix = "check free space and permissions, then start again: it goes on where it was"
        raise UserError("cannot write a download", where=str(part), why=str(error), fix=fix) from error


@contextlib.contextmanager
def _progress(label: str, total: int | None, start: int) -> Iterator[Callable[[int], object]]:
    """Yield a function to call with each number of bytes: a bar with ETA on a terminal, else log lines."""
    if sys.stderr.isatty():
        with tqdm(total=total, initial=start, unit="B", unit_scale=True, desc=label) as bar:
            yield bar.update
        return
    size = f"{total:,} bytes" if total is not None else "size unknown"
    log.info("%s: downloading, %s%s", label, size, f", going on at {start:,}" if start else "")
    done, last = start, time.monotonic()

    def advance(count: int) -> None:
        nonlocal done, last
        done += count
        if time.monotonic() - last > LOG_EVERY:
            last = time.monotonic()
            log.info("%s: %s of %s", label, f"{done:,}", size)

    yield advance
    log.info("%s: received %s bytes", label, f"{done:,}")
