"""A contrast in words: what goes which way, what is told from chance, and what it would take. Never a bare winner."""

from cmivae.results.contrasts import RESOLVED, SAME, AtGamma, Contrast
from cmivae.results.differences import Difference
from cmivae.results.power import MOST


def title(found: Contrast) -> str:
    """``AoLR, cmi against beta (the paper: higher)``."""
    claimed = f"within {found.within:.0%}" if found.better == "same" else found.better
    return f"{found.heading}, {found.ours} against {found.rival} (the paper: {claimed})"


def across(found: Contrast) -> str:
    """All gammas: how many go the claimed way, by the sign test, and how many are told from chance one by one."""
    if not found.compared:
        return "not run"
    p = f" (sign test p {found.sign_p:.2g})" if found.sign_p is not None else ""
    text = f"as claimed at {found.held} of {found.compared} γ{p}"
    ties = found.compared - found.held - found.against
    text += f", equal at {ties}" if ties else ""
    missing = len(found.gammas) - found.compared
    text += f", {missing} not run" if missing else ""
    if found.test == "none":
        return f"{text}; no errors, so no test at one γ"
    same = sum(each.word == SAME for each in found.gammas)
    level = f", shown to be within {found.within:.0%} at {same}" if found.better == "same" else ""
    return f"{text}; told from chance at {found.resolved} after Holm{level}"


def at_equal_kl(found: Contrast) -> str:
    """The curves: ours minus the rival's at the same KL(z)."""
    if found.matched is None:
        return f"not compared: {found.matched_problem}"
    it = found.matched
    reach = f"KL(z) {it.low:.1f} to {it.high:.1f} nats"
    return f"{signed(it.difference, found.digits)} over {reach}, higher on {it.above:.0%} of it"


def signed(found: Difference, digits: int) -> str:
    """``+0.012 (95 % CI -0.010 to +0.034, p 0.2)``; without an error only the difference."""
    text = f"{found.value:+.{digits}f}"
    if found.interval is None:
        return text
    low, high = found.interval
    return f"{text} (95 % CI {low:+.{digits}f} to {high:+.{digits}f}, p {found.p:.2g})"


def seeds(at: AtGamma) -> str:
    """Seeds that would show a gap such as was found, with 80 % power."""
    if at.difference is None or at.difference.p is None:
        return "–"
    return f"over {MOST:,}" if at.seeds_needed is None else f"{at.seeds_needed:,}"


def word(at: AtGamma, found: Contrast) -> str:
    """``higher`` or ``lower`` only where the difference is told from chance; otherwise the word of the record."""
    if at.word != RESOLVED or at.difference is None:
        return at.problem if at.problem and at.difference is None else at.word
    return f"{found.ours} {'higher' if at.difference.value > 0 else 'lower'}"
