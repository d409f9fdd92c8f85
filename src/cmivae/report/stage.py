"""Stage report: one page on all that the workspace made, with the record of every number embedded."""

from cmivae.audit.book import Book
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_text
from cmivae.report.page import State, render
from cmivae.stages.tables import views

PAGE = "report.html"


def make(context: Context) -> None:
    """Write ``report.html``; everything that it tells of is current, or the runner would have refused."""
    book = Book(context.workspace)
    book.study = context.study
    others = len(context.study.artefacts) - 1
    state = State({}, (), others, spec=context.artefact.spec)
    write_text(context.folder / PAGE, render(book, views(context.params, book.cells()), state))
