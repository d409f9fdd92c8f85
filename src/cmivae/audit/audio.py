"""Audio that a study reads where the user keeps it: in no record's own list of files, but in the index of a record."""

import csv
from pathlib import Path

from cmivae.audit.book import Book
from cmivae.data.corpus import INDEX
from cmivae.provenance.io import sha256_file
from cmivae.provenance.ledger import Record

BRING = "put the corpus there, or say in params.yaml:datasets.{name}.data.source where it is; or verify --level L3"
FIX = "bring the file back from your copy of the corpus, or cmivae fetch it with --force and make all again"


def audio_of(book: Book, folder: str, record: Record) -> tuple[dict[str, str], str]:
    """Audio files outside of a fetched data set's folder, with their SHA-256; or where they should lie and do not.

    Returns: digest by path (relative to the workspace where it lies within it), and the folder that is not there, else
        an empty string.
    """
    index, own = book.workspace / folder / INDEX, record.files().get(INDEX)
    recorded = record.values.get("source")
    if recorded is None or own is None or not index.is_file() or sha256_file(index) != own["sha256"]:
        return {}, ""  # a damaged index is a finding of its own
    block = book.study.params.datasets.get(folder.rpartition("/")[2])
    source = (block.data.source if block else None) or recorded  # where params say that it lies now, or where it lay
    root = Path(source).expanduser()
    root = root.parent if (book.workspace / root).is_file() else root  # a manifest
    rows = csv.DictReader(index.read_text(encoding="utf-8").splitlines())
    found = {str(root / row["path"]): row["sha256"] for row in rows}
    found = {path: sha256 for path, sha256 in found.items() if path.removeprefix(f"{folder}/") not in record.files()}
    if found and not (book.workspace / root).is_dir():
        return {}, str(root)
    return found, ""
