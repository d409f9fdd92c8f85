"""A tar archive with pinned content: downloaded from mirrors, resumed, and unpacked without trusting its names."""

import logging
import os
import tarfile
import unicodedata
import zlib
from pathlib import Path, PurePosixPath

from cmivae.data.download import MirrorError, download
from cmivae.errors import UserError
from cmivae.provenance.io import disk_error, sha256_file

log = logging.getLogger(__name__)

MOST_MEMBERS = 500_000
LONGEST_NAME = 255  # bytes that file systems take


def fetch_archive(archive: Path, mirrors: list[str], sha256: str, limit: int) -> None:
    """Bring the pinned file ``archive``; one that lies there, brought by hand or before, is checked and kept.

    Raises:
        UserError: the file there is another one, or no mirror gave it.
    """
    if archive.is_file():
        if sha256_file(archive) != sha256:
            why = f"its SHA-256 is not {sha256}"
            fix = "delete it and start again, or bring the right one in its place"
            raise UserError(f"{archive.name} is not the pinned file", where=str(archive), why=why, fix=fix)
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    said = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{archive.name}"
        try:
            return _try_mirror(url, archive, sha256, limit)
        except MirrorError as error:
            said.append(f"{url}: {error}")
            log.warning("%s", said[-1])
    fix = f"start again (it goes on where it was), or put {archive.name} into {archive.parent} by hand"
    raise UserError(f"no mirror gave {archive.name}", where=str(archive), why="; ".join(said), fix=fix)


def _try_mirror(url: str, archive: Path, sha256: str, limit: int) -> None:
    part = archive.with_name(f"{archive.name}.part")
    resumed = download(url, part, limit)
    found = sha256_file(part)
    if found == sha256:
        part.replace(archive)
        return
    part.unlink()
    if resumed:  # the first bytes may have been another file's: once more, whole
        log.info("%s: the resumed file is wrong, starting again", url)
        return _try_mirror(url, archive, sha256, limit)
    raise MirrorError(f"expected sha256 {sha256}, found {found}")


def unpack(archive: Path, folder: Path, limit: int, members: int = MOST_MEMBERS) -> None:
    """Unpack files and folders into ``folder``, at most ``limit`` bytes and ``members`` entries.

    Raises:
        UserError: the archive is damaged, too large, or has an entry that is not a plain file or folder inside it;
            or the disk is full.
    """
    total = 0
    seen: set[str] = set()
    try:
        with tarfile.open(archive, "r|gz") as tar:
            for count, member in enumerate(tar, start=1):
                total += member.size
                why = _refused(member) or _too_much(count, members, "entries") or _too_much(total, limit, "bytes")
                why = why or _clash(member, seen)
                if why:
                    fix = "do not use this archive; delete it and download it again"
                    raise UserError("an archive is refused", where=str(archive), why=why, fix=fix)
                tar.extract(member, folder, set_attrs=False, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        fix = "delete it and start again"
        raise UserError("an archive is damaged", where=str(archive), why=str(error), fix=fix) from None
    except OSError as error:
        raise disk_error(folder, error) from error


def _refused(member: tarfile.TarInfo) -> str:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or "\\" in member.name:
        return f"'{member.name}' leads out of its folder"
    if not (member.isreg() or member.isdir()):
        return f"'{member.name}' is a link or a device"
    if not path.parts or max(len(os.fsencode(part)) for part in path.parts) > LONGEST_NAME:
        return f"'{member.name[:40]}…' is no name of a file" if path.parts else "an entry has no name"
    return ""


def _clash(member: tarfile.TarInfo, seen: set[str]) -> str:
    """Why an entry would replace another one: the same name, also where upper and lower case are not told apart."""
    path = PurePosixPath(member.name)
    name = unicodedata.normalize("NFC", str(path)).casefold()
    above = [unicodedata.normalize("NFC", str(each)).casefold() for each in path.parents]
    if name in seen or any(each in seen for each in above):
        return f"'{member.name}' is there twice, or as a file and as a folder"
    if not member.isdir():
        seen.add(name)
    return ""


def _too_much(found: int, limit: int, what: str) -> str:
    return f"more than {limit:,} {what}" if found > limit else ""
