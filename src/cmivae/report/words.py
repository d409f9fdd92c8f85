"""Words for numbers and claims, and how they look; ``results.agreement`` and ``results.verdicts`` decide them."""

from dataclasses import dataclass

from cmivae.results import verdicts
from cmivae.results.agreement import (
    CONSISTENT,
    DIFFERS,
    NOT_PRINTED,
    NOT_RUN,
    OTHER,
    QUOTED,
    UNRESOLVED,
    agreement,
)
from cmivae.results.record import Cell
from cmivae.study.params import Params

FAILED = "failed"
# Word: how it looks, and what it means, in the order of the page's legend.
WORDS = {
    CONSISTENT: ("good", "0 lies in the 95 % interval of ours minus the paper's, and the interval is narrow"),
    DIFFERS: ("bad", "0 lies outside that interval; of many numbers one in twenty does so by chance"),
    UNRESOLVED: ("open", "so few seeds that the interval is missing, or too wide to tell anything"),
    OTHER: ("scaled", "made-up or other data, or a smaller training: it says nothing of the paper's number"),
    NOT_PRINTED: ("plain", "ours alone: the paper prints no such number"),
    QUOTED: ("plain", "of other authors, quoted by the paper and trained by neither"),
    FAILED: ("lost", "a training diverged, and nothing is averaged over what is left"),
    NOT_RUN: ("none", "no value of ours yet"),
}
CLAIMS = {  # the word for a claim: how it looks, and what it means
    word: (tone, verdicts.WORDS[word])
    for word, tone in {
        verdicts.SUPPORTED: "good",
        verdicts.AS_CLAIMED: "plain",
        verdicts.NOT_AS_CLAIMED: "open",
        verdicts.MIXED: "open",
        verdicts.CONTRADICTED: "bad",
        verdicts.UNRESOLVED: "open",
        verdicts.NOT_RUN: "none",
        verdicts.NOT_PRINTED: "plain",
    }.items()
}


@dataclass(frozen=True)
class Judged:
    """A number beside the paper's: difference, its interval, the word for it and the reason."""

    word: str
    why: str
    paper_se: float | None
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def tone(self) -> str:
        """How the word looks."""
        return WORDS[self.word][0]


def judge(cell: Cell, params: Params) -> Judged:
    """The verdict on one cell: a number of another scale is called so, printed or not."""
    found = agreement(cell, params.tables[cell.table].paper)
    word, why = found.word, found.why
    if cell.value is None and word in (NOT_RUN, NOT_PRINTED):
        word, why = (FAILED if cell.failed else NOT_RUN), f"no value of ours: {cell.problem}"
    elif word == NOT_PRINTED and cell.label != "paper":
        word, why = OTHER, f"the {cell.label} workspace, not the paper's scale; {why}"
    return Judged(word, why, found.paper_se, found.difference, found.interval)
