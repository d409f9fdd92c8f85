"""The report: everything that a workspace has to say, collected from records and written as one page."""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cmivae.audit.book import CELLS, Book
from cmivae.audit.ledger import ledger
from cmivae.provenance.io import sha256_file
from cmivae.report.compared import compared
from cmivae.report.costs import costs, total
from cmivae.report.numbers import count, shown
from cmivae.report.pictures import pictures, voices
from cmivae.report.records import Records
from cmivae.report.training import HEIGHT, WIDTH, trainings
from cmivae.report.words import CLAIMS, WORDS
from cmivae.results.render import warning
from cmivae.results.tables import TableView
from cmivae.results.verdicts import LEGEND

ASSETS = "cmivae.report"


@dataclass(frozen=True)
class State:
    """What is current in a workspace; a page of the doors is made only where all is."""

    stale: dict[str, str]  # reason by folder, of what was made once
    missing: tuple[str, ...]  # never made
    total: int
    spec: str = ""  # of the report as an artefact; empty for a look at what there is now

    @property
    def current(self) -> int:
        """How many artefacts are as the study wants them."""
        return self.total - len(self.stale) - len(self.missing)


def render(book: Book, tables: list[TableView], state: State) -> str:
    """The page as HTML that needs no other file and no network; same records, same bytes.

    Raises:
        UserError: a run that a number is made of has no record.
    """
    params, cells = book.study.params, book.cells()
    drawn = not {"results/figures"} & {*state.stale, *state.missing}
    spent, records = costs(book), Records(book, cells).values
    about: dict[str, Any] = {
        "params": params,
        "stop": warning(params.label, params.note),
        "state": state,
        "claims": ledger(book)["claims"],
        "claim_words": CLAIMS,
        "claim_legend": LEGEND,
        "words": WORDS,
        "count": count(cells, params),
        "tables": [shown(view, params) for view in tables],
        "pictures": pictures(book, drawn),
        "voices": voices(book, drawn),
        "trainings": trainings(book, state.stale),
        "chart": {"width": WIDTH, "height": HEIGHT},
        "costs": spent,
        "total": total(spent),
        "runs": len(book.study.of_stage("train")),
        "cells_sha256": _cells_digest(book),
        "compared": compared(book, records["cells"]),
        "records": _json(records),
        "style": _asset("style.css"),
        "script": _asset("script.js"),
    }
    return _environment().get_template("page.html").render(about)


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader(ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"duration": duration, "size": size, "digits": _six}
    return made


def _asset(name: str) -> Markup:
    """A style or script of ours, which is no text from outside and must not be escaped."""
    return Markup((files(ASSETS) / "templates" / name).read_text(encoding="utf-8"))


def _json(value: Any) -> Markup:
    """JSON that no text in it can end the script element of."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _cells_digest(book: Book) -> str:
    path = book.workspace / CELLS
    return sha256_file(path) if path.is_file() else ""


def duration(seconds: float | None) -> str:
    """``12 s``, ``3.4 min``, ``5.1 h``; a dash where nobody knows."""
    if seconds is None:
        return "–"
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def size(count: float | None) -> str:
    """Bytes as ``3.4 MB``."""
    if count is None:
        return "–"
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count:.0f} B"


def _six(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}".replace("-", "−")
