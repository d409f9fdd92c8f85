"""A release archive as a Provenance Run RO-Crate: the Snakefile, one action for the study and one for each artefact.

Made with ro-crate-py (extra ``[rocrate]``). An artefact is a ``CreateAction`` (``audit/crate_run.py``) from its inputs'
records to its own files; a cell is a ``PropertyValue`` of the tables that names the runs it is made of.
"""

import re
from pathlib import Path
from typing import Any

import yaml

from cmivae.audit.book import CELLS, TABLES, Book
from cmivae.audit.crate_run import add_actions, add_workflow, one_or_all, span
from cmivae.errors import UserError
from cmivae.provenance.ledger import RECORD

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate"),
)
LICENSE = "https://spdx.org/licenses/MIT"
CITATION = "CITATION.cff"
ORCID, NUMBER = "https://orcid.org/", r"\d{4}-\d{4}-\d{4}-\d{3}[\dX]"


def describe(book: Book, root: Path, by: str | None = None) -> None:
    """Write ``ro-crate-metadata.json`` into an archive's folder.

    Args:
        by: who ran the study: an author of ``CITATION.cff`` by name, or anyone as ``NAME`` or ``NAME, ORCID``; without
            it the actions name no agent.

    Raises:
        UserError: ro-crate-py is not installed, the workspace has no Snakefile, or a name cannot be read.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        fix = "pip install 'cmivae[rocrate]', or leave out --ro-crate"
        raise UserError("ro-crate-py is not installed", why="only the RO-Crate needs it", fix=fix) from None
    if not (root / "Snakefile").is_file():
        raise UserError("there is no Snakefile to describe", where=str(book.workspace), fix="link the repository's")
    crate = ROCrate(version="1.1")  # the version that the profiles build on
    records = [record for folder in book.study.artefacts if (record := book.record(folder)) is not None]
    citation = _citation(root)
    authors = [_author(crate, author) for author in citation.get("authors", ())]
    known = {author["name"]: author for author in authors}
    agent = None if by is None else known.get(by) or _person(crate, by)
    _root(crate, book, span(records)[1], authors, agent)
    files = _files(crate, root)
    workflow = add_workflow(crate, root, LICENSE, citation.get("repository-code"))
    add_actions(crate, book, workflow, files, records, agent)
    _cells(crate, book, files)
    crate.metadata.write(root)


def _citation(root: Path) -> dict[str, Any]:
    path = root / CITATION
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{CITATION} cannot be read", where=CITATION, why=str(error), fix="mend it") from None
    if not isinstance(found, dict):
        raise UserError(
            f"{CITATION} is not a citation", where=CITATION, fix="see https://citation-file-format.github.io"
        )
    return found


def _root(crate: Any, book: Book, end: str | None, authors: list[Any], agent: Any) -> None:
    from rocrate.model.contextentity import ContextEntity

    params = book.study.params
    crate.name = f"cmivae: results of the {params.label} workspace"
    crate.description = params.note or "Tables, figures and run records of the CMI-VAE reproduction."
    crate.license = crate.add(ContextEntity(crate, LICENSE, {"@type": "CreativeWork", "name": "MIT License"}))
    crate.root_dataset["datePublished"] = end or "1970-01-01"
    profiles = []
    for url, name in PROFILES:
        about = {"@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]}
        profiles.append(crate.add(ContextEntity(crate, url, about)))
    crate.root_dataset["conformsTo"] = profiles
    if agent or authors:
        crate.root_dataset["author"] = one_or_all([agent] if agent else authors)
    houses = [author for author in authors if author.type == "Organization"]
    if houses:
        crate.root_dataset["publisher"] = houses[0]


def _author(crate: Any, author: dict[str, Any]) -> Any:
    """A person or, where it has only a name, a group of ``CITATION.cff``."""
    from rocrate.model.contextentity import ContextEntity

    if "name" not in author:
        name = f"{author.get('given-names', '')} {author.get('family-names', '')}".strip()
        return _person(crate, ", ".join(filter(None, [name, author.get("orcid")])))
    url = author.get("website")
    about = {"@type": "Organization", "name": author["name"]} | ({"url": url} if url else {})
    return crate.add(ContextEntity(crate, url or f"#{_slug(author['name'])}", about))


def _person(crate: Any, text: str) -> Any:
    """A ``Person`` from ``NAME`` or ``NAME, ORCID``; the ORCID may be a URL or the bare number."""
    from rocrate.model.person import Person

    name, comma, orcid = (part.strip() for part in text.partition(","))
    if not name or (comma and not re.fullmatch(NUMBER, orcid.removeprefix(ORCID))):
        example = "--by 'Jane Doe, 0000-0002-1825-0097'"
        raise UserError(f"{text!r} is not NAME or NAME, ORCID", where=f"--by, or {CITATION}", fix=f"e.g. {example}")
    identity = ORCID + orcid.removeprefix(ORCID) if orcid else f"#{_slug(name)}"
    return crate.add(Person(crate, identity, {"name": name}))


def _slug(name: str) -> str:
    return "-".join(name.lower().split())


def _files(crate: Any, root: Path) -> dict[str, Any]:
    """A ``File`` entity for each file of the archive but the sums and the workflow."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and name != "Snakefile":
            about = {"name": name, "contentSize": str(path.stat().st_size), "encodingFormat": _format(path)}
            found[name] = crate.add_file(path, name, properties=about)
    found["README.md"]["about"] = crate.root_dataset
    return found


def _format(path: Path) -> str:
    kinds = {".json": "application/json", ".jsonl": "application/jsonl", ".csv": "text/csv", ".png": "image/png",
             ".pdf": "application/pdf", ".md": "text/markdown", ".tex": "application/x-tex", ".py": "text/x-python",
             ".yaml": "application/yaml", ".wav": "audio/x-wav", ".html": "text/html",
             ".safetensors": "application/octet-stream"}  # fmt: skip
    return kinds.get(path.suffix, "text/plain")


def _cells(crate: Any, book: Book, files: dict[str, Any]) -> None:
    """Each printed number, with the records of the runs that it is made of."""
    from rocrate.model.contextentity import ContextEntity

    values = []
    for cell in book.cells():
        if cell.value is not None:
            about = {"@type": "PropertyValue", "name": cell.address, "value": cell.value,
                     "description": f"{cell.aggregate} over {cell.n} runs of {cell.dataset}",
                     "isBasedOn": one_or_all([files[f"{run.run}/{RECORD}"] for run in cell.runs])}  # fmt: skip
            values.append(crate.add(ContextEntity(crate, f"#{cell.address}", about)))
    files[CELLS]["variableMeasured"] = values
    files[CELLS]["name"] = f"all cells of {TABLES}"
