"""What a claim's comparison rests on in one table: pairs at equal gamma or equal KL(z), and what of it was tested."""

from collections.abc import Mapping
from dataclasses import dataclass

from cmivae.results.differences import ALPHA, FEWEST, Difference, holm, paired, sign_test


@dataclass(frozen=True)
class Comparison:
    """Two objectives in one column, in some of the printed tables."""

    column: str
    better: str  # lower, higher or same
    quantifier: str  # all or most: at how many of the gammas the paper says that it holds
    tables: Mapping[str, str | None]  # printed table: the count that we read off it
    ours: str = "cmi"
    rival: str = "beta"
    along: str = "gamma"  # or kl: ours against the rival's curve at the same KL(z)
    within: float = 0.0  # same: so much of the rival's value
    wording: str = ""  # of the text, which one exception contradicts


@dataclass(frozen=True)
class Side:
    """One value of a pair: the address of its cell or its place in print, and its seeds' values where there are any."""

    place: str
    value: float | None
    problem: str = ""
    seeds: tuple[tuple[str, float], ...] = ()
    se: float | None = None
    n: int | None = None
    rests: tuple[str, ...] = ()  # addresses of the cells that the value is read off, if it is none itself


@dataclass(frozen=True)
class Pair:
    """Ours and the rival's at one gamma; ``seeds`` are those in which it holds, of those that both have.

    ``p`` is of their difference (``differences.between``), in a claim of sameness of its being over the margin
    (``differences.outside``); None under three seeds or without standard errors. ``near``: its whole interval is within
    the margin.
    """

    gamma: float
    ours: Side
    rival: Side
    outcome: str  # held, against, tied, missing; or beyond: the rival's curve does not reach this KL(z)
    seeds: tuple[int, int]
    p: float | None = None
    near: bool = False


@dataclass(frozen=True)
class Part:
    """One comparison in one table; no pairs where a workspace or the paper has no such table or column."""

    table: str
    comparison: Comparison
    pairs: tuple[Pair, ...]
    source: str = "ours"  # or paper

    def count(self, outcome: str) -> int:
        """How many pairs ended so."""
        return sum(pair.outcome == outcome for pair in self.pairs)

    @property
    def compared(self) -> list[Pair]:
        """Pairs with two values."""
        return [pair for pair in self.pairs if pair.outcome not in ("missing", "beyond")]

    @property
    def exceptions(self) -> list[Pair]:
        """Pairs that go the other way."""
        return [pair for pair in self.pairs if pair.outcome == "against"]

    @property
    def counts(self) -> str:
        """``6/7``: held, of all pairs with two values."""
        return f"{self.count('held')}/{len(self.compared)}"

    @property
    def p(self) -> float | None:
        """Two-sided sign test over pairs that are not tied; None where it means nothing."""
        return None if self.comparison.better == "same" else sign_test(self.count("held"), self.count("against"))

    @property
    def holm(self) -> list[float | None]:
        """Each pair's p, corrected over the pairs."""
        return holm([pair.p for pair in self.pairs])

    def told(self, outcome: str) -> list[Pair]:
        """Pairs of this outcome that are told from chance, each by itself; the same level is shown by its interval."""
        if self.comparison.better == "same" and outcome == "held":
            return [pair for pair in self.pairs if pair.near]
        both = zip(self.pairs, self.holm, strict=True)
        return [pair for pair, p in both if pair.outcome == outcome and p is not None and p <= ALPHA]

    @property
    def overall(self) -> Difference | None:
        """Ours minus the rival's, its mean over the gammas seed by seed: a paired t-test, whatever ties the gammas.

        None for a claim of sameness, under three seeds that all gammas share, and for printed numbers.
        """
        sides = [(dict(pair.ours.seeds), dict(pair.rival.seeds)) for pair in self.compared]
        if self.comparison.better == "same" or not sides:
            return None
        seeds = sorted(set.intersection(*(a.keys() & b.keys() for a, b in sides)))
        if len(seeds) < FEWEST:
            return None
        ours, rival = ([sum(side[i][seed] for side in sides) / len(sides) for seed in seeds] for i in (0, 1))
        return paired(ours, rival)

    def overall_told(self, outcome: str) -> bool:
        """Whether ``overall`` is told from chance and goes this way, ``held`` or ``against``."""
        found = self.overall
        if found is None or found.p is None or found.p > ALPHA:
            return False
        return ((found.value < 0) == (self.comparison.better == "lower")) == (outcome == "held")
