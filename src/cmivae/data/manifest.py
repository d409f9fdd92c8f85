"""Any corpus as a CSV file of path, speaker, gender and split."""

import csv
import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from cmivae.data.corpus import Utterance
from cmivae.data.indexing import Listed, index_listed
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

log = logging.getLogger(__name__)

COLUMNS = ("path", "speaker", "gender", "split")
GENDERS = {"m": "M", "male": "M", "f": "F", "female": "F"}
DEFAULT = {name: name for name in ("train", "valid", "test", "core")}


class Manifest:
    """Reader ``manifest``: ``source`` is the CSV file, its paths count from its folder (docs/speech-data.md).

    Args:
        params: ``splits`` says what the file's split names mean.
    """

    def __init__(self, params: SpeechData):
        self.splits = DEFAULT | params.splits

    def obtain(self, folder: Path) -> Path:
        """Refuse: a manifest is the user's own.

        Raises:
            UserError: always.
        """
        what = "the reader 'manifest' needs a CSV file of the corpus"
        fix = f"name it as `source` in params.yaml; its columns are {', '.join(COLUMNS)}"
        raise UserError(what, where="params.yaml:datasets.*.data.source", fix=fix)

    def index(self, root: Path) -> list[Utterance]:
        """All utterances that the CSV file ``root`` lists and does not skip, paths relative to its folder.

        Raises:
            UserError: the CSV file or one of its lines is wrong (named by line), an unknown split, or a file that
                cannot be used.
        """
        table = Path(root)
        rows = _rows(table)
        self._check_splits(rows, table)
        read = [_listed(row, f"{table}:{line}", self.splits[row["split"]], table.parent) for line, row in rows]
        listed = [each for each in read if each is not None]
        if not any(each.core for each in listed):
            listed = [replace(each, core=each.part == "test") for each in listed]
        return index_listed(_named(listed), table.parent)

    def _check_splits(self, rows: list[tuple[int, dict[str, str]]], table: Path) -> None:
        counts = Counter(row["split"] for _, row in rows)
        unknown = [f"'{name}' ({count} rows)" for name, count in sorted(counts.items()) if name not in self.splits]
        if unknown:
            why = f"{', '.join(unknown)}; known are {', '.join(sorted(self.splits))}"
            fix = "say in `splits` of params.yaml what each means: train, valid, test, core or skip"
            raise UserError("the manifest has unknown split names", where=f"{table}:split", why=why, fix=fix)
        for name in sorted(counts):
            log.info("%s: %d rows of split '%s' are %s", table.name, counts[name], name, self.splits[name])


def _rows(table: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and the four columns, stripped, of each row."""
    fix = f"write it as UTF-8 with the columns {', '.join(COLUMNS)}"
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                why = f"no column {', '.join(missing)}"
                raise UserError("the manifest lacks columns", where=f"{table}:1", why=why, fix=fix)
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        fix = "name a CSV file as `source` in params.yaml"
        raise UserError("the manifest cannot be read", where=str(table), why=str(error), fix=fix) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError("the manifest is no CSV file", where=str(table), why=str(error), fix=fix) from None
    for line, row in rows:
        empty = [column for column in COLUMNS if not (row[column] or "").strip()]
        if empty or None in row:
            why = f"no {', '.join(empty)}" if empty else "more cells than columns"
            raise UserError("a row of the manifest is wrong", where=f"{table}:{line}", why=why, fix="correct the row")
    return [(line, {column: row[column].strip() for column in COLUMNS}) for line, row in rows]


def _listed(row: dict[str, str], where: str, split: str, folder: Path) -> Listed | None:
    """One row, or nothing if it is to be skipped."""
    gender = GENDERS.get(row["gender"].lower())
    if gender is None:
        raise UserError(f"gender '{row['gender']}' is unknown", where=where, fix="write M, F, male or female")
    path = PurePosixPath(row["path"])
    if path.is_absolute() or ".." in path.parts or "\\" in row["path"] or "\0" in row["path"]:
        why = "paths count from the manifest's folder and stay inside it, with /"
        raise UserError(f"path '{row['path']}' is refused", where=where, why=why, fix="move the manifest or the audio")
    if "/" in row["speaker"]:
        raise UserError(f"speaker '{row['speaker']}' has a slash", where=where, fix="write another name")
    if split == "skip":
        return None
    if not (folder / path).is_file():
        raise UserError(f"'{row['path']}' is missing", where=where, fix="correct the path or bring the file")
    part = "test" if split == "core" else split
    return Listed(str(path), row["speaker"], gender, part, split == "core", path.stem)


def _named(listed: list[Listed]) -> list[Listed]:
    """Where a speaker has a file name in two folders, the whole path names the sentence."""
    counts = Counter((each.speaker, each.sentence) for each in listed)
    return [
        replace(each, sentence=str(PurePosixPath(each.path).with_suffix("")).replace("/", "-"))
        if counts[each.speaker, each.sentence] > 1
        else each
        for each in listed
    ]
