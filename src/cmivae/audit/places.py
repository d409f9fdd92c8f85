"""Where audio and raw files lie on a machine: a workspace's records may say so, an archive must not.

No digest of a run covers where its data lay, so only the spelling of three kinds of files changes: ``params.yaml``,
``dvc.lock``, and the records of fetched data, which are sealed anew.
"""

import re
from pathlib import Path

from cmivae.audit.book import Book
from cmivae.errors import UserError
from cmivae.provenance.io import read_json, write_json, write_text
from cmivae.provenance.ledger import RECORD, seal

OUTSIDE = "outside"  # what an archive says instead of the folders above


def forget_places(book: Book, root: Path) -> dict[str, str]:
    """Give data that lay elsewhere by ``outside/NAME`` in an archive's folder, instead of the path on this machine.

    Returns: the record of each data set whose place was taken out, and what stands there now.
    """
    found, names = {}, _names(book)
    for name in ("params.yaml", "dvc.lock"):
        path = root / name
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        new = text
        for place, instead in names.items():
            value = rf"""(\bsource:\s+)(["']?){re.escape(place)}\2(?=\s|[,}}]|$)"""
            literal = instead.replace("\\", r"\\")  # names may hold a backslash, which sub would read
            new = re.sub(value, rf"\g<1>\g<2>{literal}\g<2>", new)
        if new != text:
            write_text(path, new)
    for path in sorted(root.glob(f"data/raw/*/{RECORD}")):
        values = read_json(path)
        if values.get("source") in names:
            values["source"] = names[values["source"]]
            write_json(path, values | ({"seal": seal(values)} if "seal" in values else {}))
            found[str(path.relative_to(root))] = values["source"]
    return found


def _names(book: Book) -> dict[str, str]:
    """What an archive says instead of each place outside of the workspace that params or records name."""
    places = [block.data.source for block in book.study.params.datasets.values()]
    records = (book.record(artefact.folder) for artefact in book.study.of_stage("fetch"))
    places += [record.values.get("source") for record in records if record is not None]
    return {place: f"{OUTSIDE}/{Path(place).name}" for place in places if place and place.startswith(("/", "~"))}


def refuse_places(book: Book, root: Path) -> None:
    """Look for paths of this machine in all files of an archive's folder.

    Raises:
        UserError: naming the first file that holds the path of the workspace or of data that lay elsewhere.
    """
    own = {str(book.workspace.absolute()), str(book.workspace.resolve())}
    places = {place for place in own | set(_names(book)) if len(Path(place).parts) > 2}  # "/data" is no secret
    wanted = {place: b"".join(place.encode().split()) for place in places}
    for path in sorted(each for each in root.rglob("*") if each.is_file()):
        content = b"".join(path.read_bytes().split())  # a YAML writer may break a line at any space
        for place, bare in wanted.items():
            if bare in content:
                raise UserError(
                    "a path of this machine would go into the archive",
                    where=str(path.relative_to(root)),
                    why=f"it holds {place}",
                    fix="take it out of the notes and titles in params.yaml, make the tables again, then export",
                )
