"""One verdict word for each number, that a reader may trust: it never says more than scale, n and interval allow."""

from dataclasses import dataclass

from cmivae.audit.verdict import against_paper
from cmivae.results.record import Cell
from cmivae.study.params import Params

# Word: how it looks, and what it means, in the order of the page's legend.
WORDS = {
    "consistent": ("good", "the paper's number lies in the 95 % interval of the difference"),
    "differs": ("bad", "the paper's number lies outside the 95 % interval of the difference"),
    "not resolvable": ("open", "too few seeds: no interval, so this n can tell nothing"),
    "synthetic": ("scaled", "made-up data, so it says nothing of the paper's numbers"),
    "reduced": ("scaled", "other data, fewer of them or a shorter training, so it says nothing of the paper's numbers"),
    "not printed": ("plain", "ours alone: the paper prints no such number"),
    "quoted": ("plain", "of other authors, quoted by the paper and trained by neither"),
    "failed": ("bad", "a training diverged; nothing is averaged over what is left"),
    "not run": ("none", "no value of ours yet"),
}
CLAIMS = {  # what becomes of a claim: tone
    "supported": "good",
    "contradicted": "bad",
    "mixed": "open",
    "not resolved": "open",
    "not run": "none",
}


@dataclass(frozen=True)
class Judged:
    """A number beside the paper's: difference, its interval over seeds, and the word for it."""

    word: str
    says: str
    difference: float | None
    interval: tuple[float, float] | None

    @property
    def tone(self) -> str:
        return WORDS[self.word][0]


def judge(cell: Cell, params: Params) -> Judged:
    """The verdict on one cell."""
    found = against_paper(cell)
    interval = tuple(found["interval"]) if found["interval"] else None
    return Judged(_word(cell, params, interval), found["verdict"], found["difference"], interval)


def _word(cell: Cell, params: Params, interval: tuple[float, float] | None) -> str:
    if cell.aggregate == "quoted":
        return "quoted"
    if cell.value is None:
        return "failed" if cell.failed else "not run"
    if params.label != "paper":
        return "synthetic" if params.datasets[cell.dataset].reader == "synth" else "reduced"
    if cell.paper is None:
        return "not printed"
    if interval is None:
        return "not resolvable"
    return "consistent" if interval[0] <= 0 <= interval[1] else "differs"
