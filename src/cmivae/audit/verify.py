"""``cmivae verify``: prove numbers, level by level, from links to training again."""

from cmivae.audit.address import parse
from cmivae.audit.book import FIGURES, TABLES, Book
from cmivae.audit.digits import check_digits
from cmivae.audit.findings import Lineage, Report
from cmivae.audit.hashes import Checker
from cmivae.audit.ledger import PREFIX, cells_of_claim, claim_of
from cmivae.audit.points import cells_of, figure_runs, whole_point
from cmivae.audit.remake import STAGES, check_stage
from cmivae.errors import UserError
from cmivae.results.record import Cell


def verify(book: Book, address: str | None, level: str) -> Report:
    """Verify what an address is made of, or everything, on all levels up to ``level``.

    Nothing is written but temporary folders.

    Raises:
        UserError: the address names nothing, or a level needs what is not here. What does not hold is in the report.
    """
    report = Report(address or "everything")
    cells, folders, figures = _scope(book, address)
    checker = Checker(book, report, Lineage(book, _all_cells(book)))
    checker.links(folders, cells)
    if level > "L0":
        checker.hashes(folders, cells)
    if level > "L1":
        check_digits(checker, cells, figures)
    for each in STAGES:
        if level >= each:
            check_stage(checker, folders, each)
    return report


def _scope(book: Book, address: str | None) -> tuple[list[Cell], list[str], list[str]]:
    """Cells, artefact folders (upstream first) and figures that are asked about."""
    params = book.study.params
    if address is None:
        return _all_cells(book), list(book.study.artefacts), list(params.figures)
    figures, runs = [], []
    if address.startswith(PREFIX):
        return _made(book, cells_of_claim(book, claim_of(address)), [], [])
    wanted = parse(address, book.names)
    if wanted.name in params.figures:
        figures = [wanted.name]
        is_panel = bool(whole_point(book, wanted).configs)
        cells = [] if is_panel else cells_of(book, wanted.name, wanted.row)
        runs = figure_runs(book, wanted) if is_panel else []
        if not (cells or runs):
            raise UserError(
                f"figure {wanted.name} draws no {wanted.row}", where=address, fix="cmivae show names the rows"
            )
    elif wanted.rest:
        cells = [book.cell(wanted)[0]]
    else:
        cells = book.row(wanted)
    return _made(book, cells, runs, figures)


def _made(
    book: Book, cells: list[Cell], runs: list[str], figures: list[str]
) -> tuple[list[Cell], list[str], list[str]]:
    """These, and all that cells and runs are made of."""
    runs = [*runs, *book.run_folders(cells)]
    made = {name for run in runs for name in book.closure(run)} | {TABLES} | ({FIGURES} if figures else set())
    order = {folder: number for number, folder in enumerate(book.study.artefacts)}
    return cells, sorted(made, key=lambda folder: order.get(folder, -1)), figures


def _all_cells(book: Book) -> list[Cell]:
    """All cells, or none where they cannot be read: the file is then a finding of its own."""
    try:
        return book.cells()
    except UserError:
        return []
