"""LibriSpeech (OpenSLR 12), the open corpus: one part to train, one to test, the sex of readers from SPEAKERS.TXT."""

import logging
import shutil
from pathlib import Path
from typing import Any

from cmivae.data.archive import fetch_archive, unpack
from cmivae.data.corpus import Utterance
from cmivae.data.indexing import Listed, index_listed, some
from cmivae.errors import UserError
from cmivae.provenance.io import disk_error, read_json
from cmivae.study.params import SpeechData

log = logging.getLogger(__name__)

NAME, SPEAKERS = "LibriSpeech", "SPEAKERS.TXT"
UNPACKED = 2  # times the largest archive: FLAC does not compress


def catalogue() -> dict[str, Any]:
    """Mirrors and pinned archives, by part."""
    return read_json(Path(__file__).with_name("corpora.json"))["librispeech"]


class LibriSpeech:
    """Reader ``librispeech``: ``source`` is the folder ``LibriSpeech`` or the one above it (docs/speech-data.md).

    Args:
        params: ``parts`` names the part to train on and the part to test on.
    """

    def __init__(self, params: SpeechData):
        self.parts = params.parts

    def obtain(self, folder: Path) -> Path:
        """Download and unpack the two parts below ``folder``; a part appears there when it is whole.

        Raises:
            UserError: the part has no pinned archive, no mirror gave it, or it cannot be unpacked.
        """
        root, known = Path(folder) / NAME, catalogue()
        unknown = [part for part in self.parts if part not in known["parts"]]
        if unknown:
            fix = f"use two of: {', '.join(sorted(known['parts']))}"
            raise UserError(
                f"LibriSpeech has no part '{unknown[0]}'", where="params.yaml:datasets.*.data.parts", fix=fix
            )
        for part in self.parts:
            if not ((root / part).is_dir() and (root / SPEAKERS).is_file()):
                _bring(Path(folder), part, known["mirrors"], known["parts"][part])
        return root

    def index(self, root: Path) -> list[Utterance]:
        """All utterances of the two parts that are below ``root``; all of test is core.

        Raises:
            UserError: SPEAKERS.TXT or a part is missing, a reader is not in it, or a file cannot be used.
        """
        root = Path(root)
        home = next((each for each in (root, root / NAME) if (each / SPEAKERS).is_file()), None)
        if home is None:
            fix = f"name the folder {NAME} (or the one above) as `source` in params.yaml"
            raise UserError(f"{SPEAKERS} is missing", where=str(root), why="it says the sex of readers", fix=fix)
        sexes, listed = _sexes(home / SPEAKERS), []
        for name, part in zip(self.parts, ("train", "test"), strict=True):
            listed += _listed(root, home / name, part, sexes)
        return index_listed(listed, root)


def _listed(root: Path, folder: Path, part: str, sexes: dict[str, str]) -> list[Listed]:
    files = sorted(file for file in folder.glob("*/*/*.flac") if not file.name.startswith("."))
    readers = {file.parts[-3] for file in files}
    if not files:
        fix = "bring the part, or name others as `parts` in params.yaml"
        raise UserError("a part of LibriSpeech has no READER/CHAPTER/*.flac", where=str(folder), fix=fix)
    unknown = readers - sexes.keys()
    if unknown:
        fix = f"bring the {SPEAKERS} of the whole corpus"
        raise UserError(f"{SPEAKERS} does not know {some(unknown, 'reader', 'readers')}", where=str(folder), fix=fix)
    log.info("%s: %d utterances of %d readers to %s", folder, len(files), len(readers), part)
    return [
        Listed(file.relative_to(root).as_posix(), reader, sexes[reader], part, part == "test", file.stem)
        for file in files
        for reader in [file.parts[-3]]
    ]


def _sexes(path: Path) -> dict[str, str]:
    """Reader -> F or M, of lines such as ``14   | F | train-clean-360  | 25.03 | Kristin LeMoine``."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        if not line.strip() or line.startswith(";"):
            continue
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) < 3 or not cells[0].isdecimal() or cells[1] not in ("F", "M"):
            fix = "bring the file of the corpus as it was"
            raise UserError("a line is not `READER | F or M | part | …`", where=f"{path}:{number}", fix=fix)
        found[cells[0]] = cells[1]
    return found


def _bring(folder: Path, part: str, mirrors: list[str], pinned: dict[str, Any]) -> None:
    archive, fresh, root = folder / f"{part}.tar.gz", folder / f".{part}.part", folder / NAME
    fetch_archive(archive, mirrors, pinned["sha256"], pinned["limit"])
    log.info("%s: unpacking", archive)
    shutil.rmtree(fresh, ignore_errors=True)
    unpack(archive, fresh, UNPACKED * pinned["limit"])
    try:
        root.mkdir(exist_ok=True)
        for text in (fresh / NAME).glob("*.TXT"):
            text.replace(root / text.name)
        if (root / part).exists():
            shutil.rmtree(root / part)
        (fresh / NAME / part).replace(root / part)
        shutil.rmtree(fresh)
        archive.unlink()
    except OSError as error:
        raise disk_error(root / part, error) from error
