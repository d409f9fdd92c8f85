"""Archives that want to write where they must not, or more than they may: tar and zip of every kind."""

import gzip
import io
import stat
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

LIMIT, MEMBERS = 100_000, 50  # bytes and entries that an archive may have
CONTENT = b"hostile"


@dataclass(frozen=True)
class Entry:
    """One member; ``target`` of a link, ``size`` of what a file claims to hold."""

    name: str
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    content: bytes = CONTENT


def kinds(outside: Path) -> dict[str, list[Entry]]:
    """Name of a kind to the members of its archive; ``outside`` is a folder that must stay as it is."""
    link = tarfile.SYMTYPE
    return {
        "dot dot": [Entry("../outside/evil")],
        "dot dot inside": [Entry("a/../../outside/evil")],
        "absolute": [Entry(f"{outside}/evil")],
        "backslash": [Entry("a\\..\\..\\outside\\evil")],
        "symbolic link": [Entry("link", link, str(outside))],
        "file through a symbolic link": [Entry("link", link, "../outside"), Entry("link/evil")],
        "hard link": [Entry("link", tarfile.LNKTYPE, "../outside/kept")],
        "absolute hard link": [Entry("link", tarfile.LNKTYPE, f"{outside}/kept"), Entry("link")],
        "character device": [Entry("device", tarfile.CHRTYPE)],
        "block device": [Entry("device", tarfile.BLKTYPE)],
        "pipe": [Entry("pipe", tarfile.FIFOTYPE)],
        "bomb": [Entry("bomb", content=bytes(20_000_000))],
        "too many entries": [Entry(f"a{number}", content=b"") for number in range(MEMBERS + 1)],
        "case clash": [Entry("a/File"), Entry("a/file")],
        "same name twice": [Entry("a/file"), Entry("a/file", content=b"other")],
        "name of 300 characters": [Entry("x" * 300)],
        "file as a folder": [Entry("a"), Entry("a/evil")],
        "empty name": [Entry("./")],
    }


def tar_gz(entries: list[Entry]) -> bytes:
    """A compressed tar of these members, after a harmless one."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in [Entry("harmless"), *entries]:
            made = tarfile.TarInfo(entry.name)
            made.type, made.linkname = entry.kind, entry.target
            plain = entry.kind == tarfile.REGTYPE
            made.size = len(entry.content) if plain else 0
            archive.addfile(made, io.BytesIO(entry.content) if plain else None)
    return gzip.compress(raw.getvalue(), mtime=0)


def zipped(entries: list[Entry]) -> bytes:
    """A zip of the same members; links and devices as their Unix modes."""
    modes = {tarfile.SYMTYPE: stat.S_IFLNK, tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK,
             tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.LNKTYPE: stat.S_IFLNK}  # fmt: skip
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, entry in enumerate([Entry("harmless"), *entries]):
            made = zipfile.ZipInfo(entry.name)
            made.external_attr = (modes.get(entry.kind, stat.S_IFREG) | 0o644) << 16
            if entry.name in archive.namelist():
                made.filename = f"{entry.name}{number}"  # zipfile warns of a name twice
            archive.writestr(made, entry.target or entry.content)
    return raw.getvalue()
