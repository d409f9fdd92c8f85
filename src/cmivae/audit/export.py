"""``cmivae export``: a release archive in which ``audit`` and ``verify`` work without git, DVC or the network.

It holds tables, cells, figures, every run's record and metrics, the code and parameters that made them, and
``SHA256SUMS``, which ``sha256sum -c`` reads. Weights and raw data stay out; their digests are in the records.
"""

import contextlib
import gzip
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cmivae import __version__
from cmivae.audit.book import ARCHIVE, Book
from cmivae.audit.hashes import SUMS
from cmivae.audit.places import OUTSIDE, forget_places, refuse_places
from cmivae.audit.verify import verify
from cmivae.errors import UserError
from cmivae.provenance.code import SOURCE
from cmivae.provenance.environment import REPOSITORY, git_state
from cmivae.provenance.io import atomic_path, sha256_file, write_json, write_text
from cmivae.provenance.ledger import RECORD, recorded

FORMAT = 1
BESIDE = ("params.yaml", "dvc.yaml", "dvc.lock", "Snakefile")  # of the workspace, where there are any
OF_CODE = ("requirements.lock", "pyproject.toml", "LICENSE", "CITATION.cff")
README = """# Release archive of the {label} workspace

Numbers, the records of all runs that made them, and the code. Nothing here needs git, DVC or the network:

    sha256sum -c SHA256SUMS
    pip install --require-hashes -r requirements.lock     # once; or any Python with numpy, pydantic and PyYAML
    PYTHONPATH=src python -m cmivae audit ADDRESS         # e.g. {example}
    PYTHONPATH=src python -m cmivae verify --level {level}

Weights, raw data{left} are not here; their SHA-256 stand in each `run.json` and in `ARCHIVE.json`.
{outside}"""
AUDIO = """
Data that lay outside of the workspace are named `{folder}/NAME` here, wherever that was.
"""


def export(
    book: Book, target: str, with_embeddings: bool = False, ro_crate: bool = False, by: str | None = None
) -> str:
    """Verify everything to L2, then write the archive: ``FILE.tar.gz``, or else a new folder.

    Args:
        by: who ran the study, for the RO-Crate.

    Returns: one line on what was written.

    Raises:
        UserError: something does not hold, the target is there already, or the RO-Crate library is not.
    """
    path = Path(target)
    packed = path.name.endswith(".tar.gz")
    if path.exists():
        raise UserError("the target is there already", where=target, fix="remove it, or give another name")
    report = verify(book, None, "L2")
    if report.findings:
        first = report.findings[0]
        raise UserError(
            f"not exported: {len(report.findings)} findings", where=first.path, why=first.what, fix=first.fix
        )
    with tempfile.TemporaryDirectory(dir=_parent(path), prefix=".cmivae-export-") as name:
        root = Path(name) / path.name.removesuffix(".tar.gz")
        root.mkdir()
        left = _fill(book, root, with_embeddings)
        if ro_crate:
            from cmivae.audit.crate import describe

            describe(book, root, by)
        refuse_places(book, root)
        files = sorted(str(each.relative_to(root)) for each in root.rglob("*") if each.is_file())
        write_text(root / SUMS, "".join(f"{sha256_file(root / each)}  {each}\n" for each in files))
        if packed:
            _pack(root, path)
        else:
            root.rename(path)
    return f"{path}: {len(files)} files, {left} left out; check with sha256sum -c {SUMS}, cmivae -C FOLDER verify"


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def _fill(book: Book, root: Path, with_embeddings: bool) -> int:
    """Copy what belongs into an archive; returns how many recorded files stay out."""
    left: dict[str, str] = {}
    for folder in book.study.artefacts:
        record = recorded(book.workspace, folder)
        _copy(record.path, root / folder / RECORD)
        for name, entry in record.files().items():
            if _belongs(folder, name, with_embeddings):
                _copy(record.path.parent / name, root / folder / name)
            else:
                left[f"{folder}/{name}"] = entry["sha256"]
    for source, name in _others(book.workspace):
        _copy(source, root / name)
    elsewhere = forget_places(book, root)
    label, cells = book.study.params.label, book.cells()
    about = {"format": FORMAT, "label": label, "cmivae": __version__, "git": git_state()}
    write_json(root / ARCHIVE, about | {"with_embeddings": with_embeddings, "left_out": left, "elsewhere": elsewhere})
    text = README.format(
        label=label,
        example=repr(cells[0].address) if cells else "T4[cmi,0.3].aolr",
        level="L3" if with_embeddings else "L2",
        left="" if with_embeddings else ", prepared data and embeddings",
        outside=AUDIO.format(folder=OUTSIDE) if elsewhere else "",
    )
    write_text(root / "README.md", text)
    return len(left)


def _belongs(folder: str, name: str, with_embeddings: bool) -> bool:
    if folder.startswith("results/"):
        return True
    if folder.startswith(("runs/embed/", "data/prepared/")):
        return with_embeddings
    return folder.startswith("runs/") and name.endswith(".json")  # metrics, and how a run failed


def _others(workspace: Path) -> Iterator[tuple[Path, str]]:
    """Parameters, what DVC recorded, and the code."""
    for name in BESIDE:
        if (workspace / name).is_file():
            yield workspace / name, name
    for name in OF_CODE:
        if (REPOSITORY / name).is_file():
            yield REPOSITORY / name, name
    for path in sorted(SOURCE.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path, f"src/{SOURCE.name}/{path.relative_to(SOURCE)}"
    rules = workspace / "workflow"
    for path in sorted(rules.rglob("*")) if rules.is_dir() else []:
        if path.is_file():
            yield path, f"workflow/{path.relative_to(rules)}"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _pack(root: Path, path: Path) -> None:
    """A tar.gz whose bytes depend on the content only."""
    with atomic_path(path) as temporary, contextlib.ExitStack() as stack:
        raw = stack.enter_context(temporary.open("wb"))
        zipped = stack.enter_context(gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0))
        with tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for each in sorted(root.rglob("*")):
                if each.is_file():
                    archive.add(each, arcname=str(each.relative_to(root.parent)), filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o644
    return entry
