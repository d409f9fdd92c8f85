"""Raw files, each with pinned content: from a mirror, from the user's own copy, or from scikit-learn.

The hashes are of the *uncompressed* content and the folder holds it uncompressed, so that every mirror and
every recompressed copy gives the same bytes.
"""

import hashlib
import logging
from importlib import resources
from pathlib import Path
from typing import Any

from cmivae.data.download import MirrorError, download
from cmivae.data.idx import read_gzip
from cmivae.errors import UserError
from cmivae.provenance.io import read_json, sha256_file, write_bytes

log = logging.getLogger(__name__)

GZIP_SLACK = 1 << 16  # bytes that gzip may add to content that does not compress


def catalogue() -> dict[str, Any]:
    """``checksums.json``: mirrors and pinned files of each data set."""
    return read_json(Path(__file__).with_name("checksums.json"))


def expected_content(name: str) -> dict[str, str]:
    """File name -> SHA-256 of its uncompressed content; needs no data.

    Raises:
        UserError: no such data set.
    """
    return {file: facts["sha256"] for file, facts in _entry(name)["files"].items()}


def fetch(name: str, folder: Path, source: str | None = None, mirrors: list[str] | None = None) -> list[Path]:
    """Bring the raw files of a data set into ``folder``; what lies there and is right is kept.

    Args:
        name: ``mnist``, ``fashion-mnist`` or ``digits``.
        folder: ends with the files of ``expected_content``, uncompressed; a right ``FILE.gz`` is unpacked.
        source: a folder with the files, packed or not, to copy instead of downloading.
        mirrors: base URLs to use instead of those in ``checksums.json``.

    Raises:
        UserError: a file there or in ``source`` is missing or wrong, or no mirror gave it.
    """
    entry, folder = _entry(name), Path(folder)
    missing = {file: facts for file, facts in entry["files"].items() if not _present(name, folder, file, facts)}
    if source is not None and not missing:
        log.warning("%s: all files are there and are the pinned ones; %s was not read", folder, source)
    if missing and source is not None:
        _copy(name, Path(source).expanduser(), folder, missing)
    elif missing and "package" in entry:
        _unpack(entry["package"], folder, missing)
    else:
        for file, facts in missing.items():
            _download(name, folder / file, facts, entry["mirrors"] if mirrors is None else mirrors)
    for file in entry["files"]:
        _part(folder / file).unlink(missing_ok=True)  # of a download given up for a copy
    return [folder / file for file in entry["files"]]


def _entry(name: str) -> dict[str, Any]:
    known = catalogue()
    if name not in known:
        fix = f"use one of: {', '.join(sorted(known))}"
        raise UserError(f"no pinned files are known for '{name}'", where="data/checksums.json", fix=fix)
    return known[name]


def _mismatch(content: bytes | Path, facts: dict[str, Any]) -> str:
    """Empty where ``content`` is the pinned one, else what was expected and what was found."""
    if isinstance(content, Path):
        found, size = sha256_file(content), content.stat().st_size
    else:
        found, size = hashlib.sha256(content).hexdigest(), len(content)
    if found == facts["sha256"]:
        return ""
    expected = f"expected content of {facts['size']:,} bytes with sha256 {facts['sha256']}"
    return f"{expected}, found {size:,} bytes with sha256 {found}"


def _present(name: str, folder: Path, file: str, facts: dict[str, Any]) -> bool:
    """Whether the right file lies in ``folder``; a right ``.gz`` brought by hand is unpacked in place."""
    plain, packed = folder / file, folder / f"{file}.gz"
    if plain.is_file():
        _refuse(name, plain, _mismatch(plain, facts))
        return True
    if not packed.is_file():
        return False
    content = read_gzip(packed, facts["size"])
    _refuse(name, packed, _mismatch(content, facts))
    write_bytes(plain, content)
    packed.unlink()
    log.info("%s: unpacked", packed)
    return True


def _refuse(name: str, path: Path, why: str) -> None:
    if why:
        fix = f"delete it and run `cmivae fetch {name}` again, or bring the right file in its place"
        raise UserError(f"{path.name} is not the pinned file", where=str(path), why=why, fix=fix)


def _copy(name: str, source: Path, folder: Path, missing: dict[str, Any]) -> None:
    if not source.is_dir():
        fix = f"give `cmivae fetch {name} --from` (or `source` in params.yaml) a folder that exists"
        raise UserError("the source of the raw files is not a folder", where=str(source), fix=fix)
    contents, problems = {}, []
    for file, facts in missing.items():
        path = next((path for path in (source / file, source / f"{file}.gz") if path.is_file()), None)
        if path is None:
            problems.append(f"{file}.gz: missing")
            continue
        try:
            contents[file] = read_gzip(path, facts["size"])
        except UserError as error:
            problems.append(f"{path.name}: {error.what}, {error.why}")
            continue
        problems += [f"{path.name}: {why}" for why in [_mismatch(contents[file], facts)] if why]
    if problems:
        what = f"the source does not hold the raw files of {name}"
        fix = "the names must be these, with or without .gz; download wrong files anew"
        raise UserError(what, where=str(source), why="; ".join(problems), fix=fix)
    for file, content in contents.items():
        write_bytes(folder / file, content)


def _unpack(package: str, folder: Path, missing: dict[str, Any]) -> None:
    for file, facts in missing.items():
        with resources.as_file(resources.files(package) / f"{file}.gz") as path:
            content = read_gzip(path, facts["size"])
            why = _mismatch(content, facts)
            if why:
                fix = "install the pinned scikit-learn: `pip install -r requirements.lock`"
                raise UserError("the installed package has another file", where=str(path), why=why, fix=fix)
        write_bytes(folder / file, content)


def _download(name: str, target: Path, facts: dict[str, Any], mirrors: list[str]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    said = []
    for mirror in mirrors:
        url = f"{mirror.rstrip('/')}/{target.name}.gz"
        if not url.startswith(("https://", "http://")):
            raise UserError("a mirror must be https or http", where=mirror, fix="correct the list of mirrors")
        try:
            return _try_mirror(url, target, facts)
        except MirrorError as error:
            said.append(f"{url}: {error}")
            log.warning("%s", said[-1])
    fix = (
        f"bring a copy: put {target.name}.gz into {target.parent}, or run "
        f"`cmivae fetch {name} --from FOLDER`, or name the folder as `source` in params.yaml"
    )
    raise UserError(f"no mirror gave {target.name}.gz", where=str(target), why="; ".join(said), fix=fix)


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.gz.part")


def _try_mirror(url: str, target: Path, facts: dict[str, Any]) -> None:
    part = _part(target)
    resumed = download(url, part, facts["size"] + GZIP_SLACK)
    try:
        content = read_gzip(part, facts["size"])
        why = _mismatch(content, facts)
    except UserError as error:
        why = f"{error.what}: {error.why}"
    if not why:
        write_bytes(target, content)
    part.unlink()
    if why and resumed:  # the first bytes may be another mirror's, packed in another way: once more, whole
        log.info("%s: the resumed file is wrong, starting again", url)
        return _try_mirror(url, target, facts)
    if why:
        raise MirrorError(why)
