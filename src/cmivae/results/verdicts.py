"""One word for a comparison in one table, and one for a claim; ``WORDS`` says what each means, wherever it is shown.

No word says more than was tested: gammas share seeds, first weights and batches, so that all of them going one way is
no test by itself (``tests/unit/test_verdicts.py`` says how often chance does that).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from cmivae.results.differences import ALPHA
from cmivae.results.evidence import Pair, Part
from cmivae.results.record import gamma_text

SUPPORTED, CONTRADICTED, MIXED = "supported", "contradicted", "mixed"
AS_CLAIMED, NOT_AS_CLAIMED = "as claimed", "not as claimed"
UNRESOLVED, NOT_RUN, NOT_PRINTED = "not resolved", "not run", "not printed"
# Best first. All or most: as the paper says, `quantifier` in claims.yaml. docs/statistics.md has the same lines.
WORDS = {
    SUPPORTED: "tested: at all γ (or most) as claimed, told from chance by signs or γ by γ, and on average over γ",
    AS_CLAIMED: "print without errors, untested: the printed numbers go the claimed way at all γ (or most)",
    NOT_AS_CLAIMED: "print without errors, untested: they do not, at the γ that are named",
    MIXED: "tested: told in both directions, in different parts, or at different γ with neither way clearly ahead",
    CONTRADICTED: "tested: the other way as 'supported' asks; of a claim for all γ, one γ told the other way is enough",
    UNRESOLVED: "tests do not tell, or under 3 seeds, or a γ failed or is missing, or a part was not run",
    NOT_RUN: "no number of ours yet",
    NOT_PRINTED: "the paper prints no such number",
}
LEGEND = (
    "Supported asks of our runs that every γ of a part (for most: more than half) goes as claimed and none is missing; "
    "that a sign test over γ has p of at most 0.05, or each of these γ is told by its seeds (t, Holm); and that the "
    "difference averaged over γ, seed by seed, has p of at most 0.05 in a paired t-test over 3 seeds or more. Print "
    "with standard errors has no values by seed: each of these γ must be told. The same level asks that at each γ the "
    "whole 95 % interval lies within the margin. The word for a claim is that of its worst part."
)


@dataclass(frozen=True)
class Verdict:
    """A word of ``WORDS``; ``where`` names what goes the other way: the gammas of a part, or the parts of a claim."""

    word: str
    where: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.where:
            return self.word
        good = self.word in (SUPPORTED, AS_CLAIMED)
        return f"{self.word} ({'not ' if good else ''}{'; '.join(self.where)})"


def judge(part: Part) -> Verdict:
    """The word for one comparison in one table."""
    printed = part.source == "paper"
    if not part.compared:
        missing = NOT_PRINTED if printed else NOT_RUN
        return Verdict(UNRESOLVED if part.count("beyond") else missing)
    if printed and all(pair.p is None and not pair.near for pair in part.pairs):
        return _as_printed(part)
    against = part.told("against")
    if against and part.comparison.quantifier == "all":
        return Verdict(CONTRADICTED, _gammas(against))
    if against and _told_as_claimed(part) and not _lopsided(part):
        return Verdict(MIXED, _gammas(against))
    for way, word in (("against", CONTRADICTED), ("held", SUPPORTED)):
        if _clear(part, way):
            return Verdict(word, _gammas(part.exceptions))
    return Verdict(UNRESOLVED)


def _as_printed(part: Part) -> Verdict:
    """Printed numbers without errors: a description, not a test."""
    held = part.count("held")
    other = _gammas([pair for pair in part.compared if pair.outcome != "held"])
    return Verdict(AS_CLAIMED if _enough(part, held, len(part.compared)) else NOT_AS_CLAIMED, other)


def _enough(part: Part, held: int, of: int) -> bool:
    return held == of if part.comparison.quantifier == "all" else 2 * held > of


def _clear(part: Part, way: str) -> bool:
    """All gammas, or most, go this way; chance would not do that; and none is missing."""
    pairs = len(part.compared)
    if part.count("missing") or not _enough(part, part.count(way), pairs):
        return False
    alone = _enough(part, len(part.told(way)), pairs)
    if part.source == "paper" or part.comparison.better == "same":
        return alone
    return (alone or _lopsided(part)) and part.overall_told(way)


def _lopsided(part: Part) -> bool:
    """By the sign test, which is no test of its own where gammas share seeds."""
    return part.p is not None and part.p <= ALPHA


def _told_as_claimed(part: Part) -> bool:
    return bool(part.told("held")) or part.overall_told("held")


def _gammas(pairs: Iterable[Pair]) -> tuple[str, ...]:
    named = ", ".join(gamma_text(pair.gamma) for pair in pairs)
    return (f"at γ {named}",) if named else ()


def verdict(parts: Iterable[Part]) -> Verdict:
    """The word for a claim: that of its worst part.

    A claim with a contradicted part is contradicted, or mixed if another is supported. What the paper does not print is
    no part of its own evidence; what was not run here leaves a claim unresolved at best.
    """
    found = [(part, judge(part)) for part in parts]
    kept = [(part, each) for part, each in found if each.word != NOT_PRINTED]
    words = {each.word for _, each in kept}
    if not words or words == {NOT_RUN}:
        return Verdict(NOT_RUN if words or not found else NOT_PRINTED)
    if CONTRADICTED in words:
        return Verdict(MIXED if words & {SUPPORTED, MIXED} else CONTRADICTED, _parts(kept, CONTRADICTED))
    for word in (MIXED, NOT_AS_CLAIMED):
        if word in words:
            return Verdict(word, _parts(kept, word))
    return Verdict(UNRESOLVED if words & {UNRESOLVED, NOT_RUN} else AS_CLAIMED if AS_CLAIMED in words else SUPPORTED)


def _parts(found: Iterable[tuple[Part, Verdict]], word: str) -> tuple[str, ...]:
    return tuple(
        " ".join((part.table, part.comparison.column, "of", part.comparison.ours, *each.where))
        for part, each in found
        if each.word == word
    )
