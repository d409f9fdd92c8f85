"""A very small study, built in this process and once a test module: true runs, true records, no DVC, no Snakemake."""

import os
import shutil
from pathlib import Path

from workspace import SMALL

from cmivae.audit.book import Book
from cmivae.audit.findings import Report
from cmivae.audit.verify import verify
from cmivae.provenance.specs import Study
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

TEXT = SMALL.replace("seeds: [0]", "seeds: [0, 1]")
CELL = "X4[cmi,0.3].aolr"


def build_all(folder: Path) -> Path:
    """Write params and make every artefact."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(TEXT)
    study = Study(load_params(folder / "params.yaml"))
    for artefact in study.artefacts.values():
        build(folder, study, artefact)
    return folder


def copy(space: Path, folder: Path) -> Path:
    """Another workspace with the same content, free to be damaged."""
    shutil.copytree(space, folder)
    return folder


def verified(space: Path, level: str = "L2", address: str | None = None, study: Study | None = None) -> Report:
    """Verify with a book of its own, so that nothing read before is believed."""
    book = Book(space)
    if study is not None:
        book.study = study
    return verify(book, address, level)


def artefact_files(space: Path) -> list[Path]:
    """All files of all artefacts."""
    tops = (space / name for name in ("data", "runs", "results"))
    return sorted(path for top in tops for path in top.rglob("*") if path.is_file())


def overwrite(path: Path, content: bytes) -> None:
    """New content under the old modification time and mode."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.chmod(before.st_mode)
