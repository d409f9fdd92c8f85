"""A look at a study that is not finished: the same page, from the runs that are current now, saying what is not."""

from pathlib import Path

from cmivae.audit.book import Book
from cmivae.provenance.io import write_text
from cmivae.provenance.ledger import read_record, state
from cmivae.provenance.specs import Study
from cmivae.report.costs import HERE
from cmivae.report.page import State, render
from cmivae.stages.overview import live_cells
from cmivae.stages.tables import views


def write_live(workspace: Path, study: Study, target: Path) -> State:
    """Write the page to ``target``; nothing else is touched, and nothing stale is among its numbers.

    Raises:
        UserError: a record is damaged, or the file cannot be written.
    """
    cells = live_cells(workspace, study)
    book = Book(workspace, cells)
    book.study = study
    stale, missing = {}, []
    for folder, artefact in study.artefacts.items():
        reason = state(workspace, artefact) if artefact.stage != HERE else None
        if reason is not None and read_record(workspace, folder) is None:
            missing.append(folder)
        elif reason is not None:
            stale[folder] = reason
    found = State(stale, tuple(missing), len(study.artefacts) - 1)
    write_text(target, render(book, views(study.params, cells), found))
    return found
