"""Very small studies, built in this process and once a process: true runs, true records, no DVC, no Snakemake.

Most tests ask the one of images, which is quick; the one of speech has every kind of table and figure of speech.
"""

import os
import shutil
from pathlib import Path

from workspace import PARTS, SMALL

from cmivae.audit.book import Book
from cmivae.audit.findings import Report
from cmivae.audit.verify import verify
from cmivae.provenance.specs import Study
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

TEXT = SMALL.replace("seeds: [0]", "seeds: [0, 1]")
CELL = "X4[cmi,0.3].aolr"
SPEECH = f"""
label: test
note: "speech for the tests of the audit"
seeds: [0, 1]
datasets:
{PARTS["configs"]}
configs:
  voices-beta-g080: {{dataset: voices, objective: beta, gamma: 0.8}}
  voices-cmi-g080: {{dataset: voices, objective: cmi, gamma: 0.8}}
tables:
  X1: {{title: "Test", dataset: voices, layout: eer, paper: table1}}
  X2: {{title: "Test", dataset: voices, layout: conversion, paper: table2}}
  X3: {{title: "Test", dataset: voices, layout: elbo, paper: table3}}
figures:
  F4: {{title: "Test", kind: curve, dataset: voices, table: X3, metric: i_zs, x: beta}}
  X7: {{title: "Test", kind: curve, dataset: voices, table: X2, metric: vc_mcas}}
  X6: {{title: "Test", kind: voices, dataset: voices, configs: [voices-cmi-g080]}}
style: {{dpi: 60, width: 4.0, height: 3.0}}
"""


def build_all(folder: Path, text: str = TEXT) -> Path:
    """Write params and make every artefact."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "params.yaml").write_text(text)
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
