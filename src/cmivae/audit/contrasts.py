"""``cmivae compare``: CMI-VAE against its rivals in a workspace, beside what the paper's own numbers say."""

import dataclasses
from typing import Any

from cmivae.audit.book import Book
from cmivae.audit.ledger import workspace_line
from cmivae.audit.render import line, table
from cmivae.errors import UserError
from cmivae.results.contrast_words import across, at_equal_kl, seeds, title, word
from cmivae.results.contrasts import Contrast, comparison, printed_comparison

NOTES = (
    (
        "tests",
        "paired t over seeds, two-sided; Holm over the γ of one column; under 3 seeds nothing is resolved",
    ),
    ("", "the sign test takes γ as tosses of a coin, though they share seeds: its p is too small (docs/statistics.md)"),
    (
        "seeds",
        "how many would show a gap of the size found with 80 % power at Holm's first step (0.05 over the number of γ):",
    ),
    ("", "rough, as the gap and the spread found are"),
)


def compare_objectives(book: Book, dataset: str | None = None, column: str | None = None) -> dict[str, Any]:
    """All contrasts of all data sets, or of one of them, or of one column; the paper's beside each.

    Raises:
        UserError: there is no such data set, or no claim is on such a column.
    """
    params = book.study.params
    if dataset is not None and dataset not in params.datasets:
        raise UserError(
            f"no data set {dataset!r}", where="params.yaml:datasets", fix=f"known: {', '.join(params.datasets)}"
        )
    cells = book.cells()
    found = []
    for name in [dataset] if dataset else list(params.datasets):
        printed = {_key(each): each for t in params.tables.values() if t.dataset == name and t.paper
                   for each in reversed(printed_comparison(t.paper))}  # fmt: skip
        for ours in comparison(cells, name):
            if column in (None, ours.column):
                found.append({"ours": ours, "paper": printed.get(_key(ours))})
    if column is not None and not found:
        known = sorted({ours.column for name in params.datasets for ours in comparison(cells, name)})
        raise UserError(f"no claim is on a column {column!r} here", fix=f"compared here: {', '.join(known) or 'none'}")
    about = {"label": params.label, "note": params.note}
    return about | {"contrasts": found}


def to_json(found: dict[str, Any]) -> dict[str, Any]:
    """Records as plain values."""
    pairs = [{side: each and _plain(each) for side, each in pair.items()} for pair in found["contrasts"]]
    return found | {"contrasts": pairs}


def contrasts_text(found: dict[str, Any]) -> str:
    """A table for each column and rival, and three lines under it."""
    if not found["contrasts"]:
        return f"{workspace_line(found['label'], found['note'])}\n\nno two objectives that a claim compares are in it"
    lines = [workspace_line(found["label"], found["note"])]
    for pair in found["contrasts"]:
        lines += ["", *_lines(pair["ours"], pair["paper"])]
    return "\n".join([*lines, "", *(line(*note) for note in NOTES)])


def _lines(ours: Contrast, paper: Contrast | None) -> list[str]:
    rows = [["γ", ours.ours, ours.rival, "difference", "95 % CI", "p", "Holm", "n", "seeds", ""]]
    for at in ours.gammas:
        values = [_value(each, ours.digits) for each in (at.ours, at.rival)]
        rows.append([f"{at.gamma:g}", *values, *_tested(at, ours.digits), seeds(at), word(at, ours)])
    lines = [f"{title(ours)}: {ours.dataset}, table {ours.table}", *table(rows)]
    lines += [line("all γ", across(ours)), line("same KL", at_equal_kl(ours))]
    if paper is not None:
        lines += [line("paper", across(paper)), line("", f"at the same KL(z) {at_equal_kl(paper)}")]
    return lines


def _tested(at: Any, digits: int) -> list[str]:
    d = at.difference
    if d is None:
        return ["–"] * 5
    interval = "{:+.{n}f} to {:+.{n}f}".format(*d.interval, n=digits) if d.interval else "–"
    ps = [f"{p:.2g}" if p is not None else "–" for p in (d.p, at.holm)]
    return [f"{d.value:+.{digits}f}", interval, *ps, str(at.n)]


def _value(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _key(found: Contrast) -> tuple[str, str, str]:
    return found.column, found.ours, found.rival


def _plain(found: Contrast) -> dict[str, Any]:
    counts = {"resolved": found.resolved, "compared": found.compared}
    words = {"title": title(found), "across": across(found), "at_equal_kl": at_equal_kl(found)}
    return dataclasses.asdict(found) | counts | {"words": words}
