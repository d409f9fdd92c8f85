"""CMI-VAE against its rivals, column by column: what ``cmivae compare`` says, with the addresses of the numbers."""

from collections.abc import Container
from dataclasses import dataclass

from cmivae.audit.book import Book
from cmivae.audit.contrasts import compare_objectives
from cmivae.results.contrast_words import across, at_equal_kl, seeds, title, word
from cmivae.results.contrasts import RESOLVED, SAME, UNRESOLVED, AtGamma, Contrast
from cmivae.results.record import gamma_text

TONES = {RESOLVED: "good", SAME: "good", UNRESOLVED: "open"}


@dataclass(frozen=True)
class Step:
    """One gamma of a contrast, in words."""

    gamma: str
    ours: tuple[str, str]  # address, or empty where there is no such cell; and value
    rival: tuple[str, str]
    difference: str
    interval: str
    p: str
    holm: str
    n: str
    seeds: str
    word: str
    tone: str


@dataclass(frozen=True)
class Compared:
    """One column and rival: all gammas together, at the same KL(z), and each gamma."""

    title: str
    table: str
    across: str
    same_kl: str
    paper: str
    paper_same_kl: str
    names: tuple[str, str]
    steps: tuple[Step, ...]


def compared(book: Book, known: Container[str]) -> dict[str, list[Compared]]:
    """All contrasts by data set.

    Args:
        known: addresses that have a record.
    """
    found: dict[str, list[Compared]] = {}
    for pair in compare_objectives(book)["contrasts"]:
        ours, paper = pair["ours"], pair["paper"]
        found.setdefault(ours.dataset, []).append(
            Compared(
                title(ours), ours.table, across(ours), at_equal_kl(ours), across(paper) if paper else "",
                at_equal_kl(paper) if paper and paper.matched else "", (ours.ours, ours.rival),
                tuple(_step(at, ours, known) for at in ours.gammas),
            )
        )  # fmt: skip
    return found


def _step(at: AtGamma, found: Contrast, known: Container[str]) -> Step:
    d, digits = at.difference, found.digits
    interval = "{:+.{n}f} to {:+.{n}f}".format(*d.interval, n=digits) if d and d.interval else ""
    return Step(
        gamma_text(at.gamma), _side(at.ours, found.ours, at, found, known),
        _side(at.rival, found.rival, at, found, known), f"{d.value:+.{digits}f}" if d else "", interval,
        _p(d.p) if d else "", _p(at.holm), "" if at.n is None else str(at.n), seeds(at), word(at, found),
        TONES.get(at.word, "none"),
    )  # fmt: skip


def _side(value: float | None, objective: str, at: AtGamma, found: Contrast, known: Container[str]) -> tuple[str, str]:
    address = f"{found.table}[{objective},{gamma_text(at.gamma)}].{found.column}"
    return (address if address in known else ""), ("–" if value is None else f"{value:.{found.digits}f}")


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"
