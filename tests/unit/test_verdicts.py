"""The words for claims: known answers, their order, how often chance earns them, and that all pages define the same."""

import itertools
import math

import numpy as np
import pytest
import tiny
from scipy.integrate import quad
from scipy.stats import norm

from cmivae.report.words import CLAIMS
from cmivae.results.differences import Difference, outside, sign_test
from cmivae.results.evidence import Comparison, Pair, Part, Side
from cmivae.results.verdicts import WORDS, judge, verdict

OUTCOMES = {"+": "held", "-": "against", "=": "tied", "?": "missing", "~": "beyond"}
SURE = ((0.9, 1.0, 1.1), (0.0, 0.0, 0.0))  # ours and the rival's over three seeds: p of the mean difference 0.003
UNSURE = ((-0.9, 1.0, 1.1), (0.0, 0.0, 0.0))  # p 0.62
FEW = ((0.9, 1.0), (0.0, 0.0))


def part(outcomes, ps=(), *, quantifier="all", better="higher", seeds=SURE, near=(), source="ours") -> Part:
    """Pairs by a sign each; the first have a p, and are ``near``."""
    padded = [*ps, *[None] * (len(outcomes) - len(ps))]
    pairs = []
    for i, (each, p) in enumerate(zip(outcomes, padded, strict=True)):
        turn = -1.0 if each == "-" else 0.0 if each == "=" else 1.0
        sides = [Side(f"T[{name},{i}].b", 1.0, seeds=tuple((f"s{k}", turn * v) for k, v in enumerate(values)))
                 for name, values in zip("ab", seeds, strict=True)]  # fmt: skip
        pairs.append(Pair(i / 10, *sides, OUTCOMES[each], (0, 0), p, i < len(near) and near[i]))
    return Part("T", Comparison("aolr", better, quantifier, {"table4": None}, within=0.05), tuple(pairs), source)


@pytest.mark.parametrize(
    ("outcomes", "seeds", "word"),
    [("", SURE, "not run"), ("??", SURE, "not run"), ("~", SURE, "not resolved"), ("+", SURE, "not resolved"),
     ("+++++", SURE, "not resolved"), ("++++++", SURE, "supported"), ("++++++", UNSURE, "not resolved"),
     ("++++++", FEW, "not resolved"),  # the signs alone are no test
     ("++++++?", SURE, "not resolved"), ("++++++=", SURE, "not resolved"), ("++++++~", SURE, "supported"),
     ("+++++-", SURE, "not resolved"), ("-----", SURE, "not resolved"), ("------", UNSURE, "not resolved"),
     ("--------+", SURE, "not resolved"), ("======", SURE, "not resolved")],
)  # fmt: skip
def test_signs_need_the_mean_over_gammas_seed_by_seed(outcomes, seeds, word):
    assert judge(part(outcomes, seeds=seeds)).word == word


def test_the_mean_over_gammas_must_go_the_claimed_way():
    assert judge(part("++++++", better="lower", seeds=SURE[::-1])).word == "supported"
    assert judge(part("++++++", better="lower")).word == "not resolved"


def test_all_the_other_way_is_contradicted_by_the_same_two_tests():
    assert str(judge(part("------"))) == "contradicted (at γ 0.0, 0.1, 0.2, 0.3, 0.4, 0.5)"


@pytest.mark.parametrize(
    ("outcomes", "ps", "says"),
    [("++++", (0.001, 0.002, 0.01, 0.04), "supported"),  # four gammas, each told from chance
     ("++++", (0.001, 0.002, 0.03, 0.03), "not resolved"),  # after Holm the last two are not
     ("++++", (0.001, 0.002, 0.01), "not resolved"),
     ("+++-", (0.001, 0.001, 0.001, 0.001), "contradicted (at γ 0.3)"),  # one told the other way is enough
     ("-???", (0.001,), "contradicted (at γ 0.0)"), ("+++-", (0.001, 0.001, 0.001, 0.9), "not resolved"),
     ("+++++-", (0.001,) * 5, "not resolved"), ("++++++", (0.9,) * 6, "supported")],
)  # fmt: skip
def test_a_claim_for_all_gammas(outcomes, ps, says):
    assert str(judge(part(outcomes, ps))) == says


@pytest.mark.parametrize(
    ("outcomes", "ps", "says"),
    [("++++++++-", (), "supported (not at γ 0.8)"), ("++++++++-", (0.001,) * 9, "supported (not at γ 0.8)"),
     ("++++---", (0.001,) * 7, "mixed (at γ 0.4, 0.5, 0.6)"), ("++++++-", (), "not resolved"),
     ("+++-", (0.001, 0.001, 0.001), "supported (not at γ 0.3)"), ("+++-", (0.001, 0.001), "not resolved"),
     ("+++-", (0.001, 0.001, 0.9, 0.001), "mixed (at γ 0.3)"), ("---+", (0.9, 0.9, 0.001), "not resolved"),
     ("---+", (0.001, 0.001, 0.001), "contradicted (at γ 0.0, 0.1, 0.2)"), ("+++?", (0.001,) * 3, "not resolved")],
)  # fmt: skip
def test_a_claim_for_most_gammas(outcomes, ps, says):
    assert str(judge(part(outcomes, ps, quantifier="most"))) == says


@pytest.mark.parametrize(
    ("outcomes", "quantifier", "says"),
    [("+++", "all", "as claimed"), ("++~", "all", "as claimed"), ("++-", "all", "not as claimed (at γ 0.2)"),
     ("++=", "all", "not as claimed (at γ 0.2)"), ("++-", "most", "as claimed (not at γ 0.2)"),
     ("+-", "most", "not as claimed (at γ 0.1)"), ("", "all", "not printed")],
)  # fmt: skip
def test_print_without_errors_is_described_and_not_tested(outcomes, quantifier, says):
    assert str(judge(part(outcomes, quantifier=quantifier, source="paper", seeds=((), ())))) == says


def test_print_with_errors_is_tested_at_each_gamma():
    assert judge(part("++++++", (0.9,) * 6, source="paper", seeds=((), ()))).word == "not resolved"
    assert judge(part("++", (0.01, 0.01), source="paper", seeds=((), ()))).word == "supported"
    assert judge(part("+-", (0.01, 0.01), source="paper", seeds=((), ()))).word == "contradicted"


@pytest.mark.parametrize(
    ("outcomes", "near", "ps", "word"),
    [("+++", (1, 1, 1), (1.0,) * 3, "supported"), ("+++", (1, 1, 0), (1.0,) * 3, "not resolved"),
     ("+++", (), (), "not resolved"),  # point estimates show no sameness
     ("++-", (1, 1, 0), (1.0, 1.0, 0.001), "contradicted"), ("++-", (1, 1, 0), (1.0, 1.0, 0.3), "not resolved"),
     ("+++?", (1, 1, 1), (1.0,) * 3, "not resolved")],
)  # fmt: skip
def test_the_same_level_is_shown_by_whole_intervals(outcomes, near, ps, word):
    assert judge(part(outcomes, ps, better="same", near=near)).word == word
    assert part(outcomes, better="same").p is None


def test_beyond_the_margin_is_a_test_of_its_own():
    found = Difference(3.0, 1.0, 2.0, (-1.3, 7.3), 0.095)
    assert outside(found, 0.0) == pytest.approx(0.0955, abs=1e-4)
    assert outside(found, 1.0) == pytest.approx(2 * 0.0917517, abs=1e-5)  # t = 2 with 2 degrees of freedom
    assert outside(found, 4.0) == 1.0
    assert outside(Difference(3.0), 1.0) is None


@pytest.mark.parametrize(
    ("parts", "word"),
    [(["++++++"], "supported"), (["++++++", "?"], "not resolved"), (["++++++", ""], "not resolved"),
     (["++++++", "++"], "not resolved"), (["++++++", "------"], "mixed"), (["------", "--"], "contradicted"),
     (["------", ""], "contradicted"), ([], "not run"), (["?", ""], "not run")],
)  # fmt: skip
def test_the_word_for_a_claim_is_that_of_its_worst_part(parts, word):
    assert verdict(part(each) for each in parts).word == word


def test_parts_that_go_the_other_way_are_named():
    assert str(verdict([part("+-", (0.001, 0.001)), part("+")])) == "contradicted (T aolr of cmi at γ 0.1)"
    printed = [part(each, source="paper", seeds=((), ())) for each in ("+++", "+-", "")]
    assert str(verdict(printed)) == "not as claimed (T aolr of cmi at γ 0.1)"
    assert verdict([printed[0], printed[2]]).word == "as claimed"  # what is not printed is no evidence
    assert verdict([printed[2]]).word == "not printed"


def test_words_are_monotone():
    """Turning one gamma from as claimed to the other way never makes a word better, tested or not, for all or most."""
    order = {"supported": 0, "mixed": 1, "not resolved": 1, "contradicted": 2}
    for quantifier, p, n in itertools.product(("all", "most"), (0.001, 0.5), (4, 7, 9)):
        words = [judge(part("+" * (n - k) + "-" * k, (p,) * n, quantifier=quantifier)).word for k in range(n + 1)]
        assert (found := [order[word] for word in words]) == sorted(found)
        assert "mixed" not in words or (quantifier, p) == ("most", 0.001)  # told in both directions


# --- how often chance does it -----------------------------------------------------------------------------------------


def one_way(gammas: int, rho: float) -> float:
    """How often all of them go one given way if nothing is there: normal differences, each two correlated by rho."""
    tilt = math.sqrt(rho / (1 - rho))
    return quad(lambda common: norm.pdf(common) * norm.cdf(tilt * common) ** gammas, -9, 9)[0]


CHANCES = {0.0: (0.008, 0.002), 0.3: (0.064, 0.043), 0.5: (0.125, 0.100), 0.7: (0.207, 0.183), 0.9: (0.330, 0.314)}


@pytest.mark.parametrize("rho", CHANCES)
def test_gammas_that_share_seeds_all_go_one_way_by_chance(rho):
    """The numbers of docs/statistics.md, for 7 gammas (MNIST) and 9 (Fashion-MNIST)."""
    assert (one_way(7, rho), one_way(9, rho)) == pytest.approx(CHANCES[rho], abs=5e-4)
    page = (tiny.REPOSITORY / "docs/statistics.md").read_text(encoding="utf-8")
    for n, chance in zip((7, 9), CHANCES[rho], strict=True):
        assert f"{chance:.3f}" in next(row for row in page.splitlines() if row.startswith(f"| all {n} γ"))


def test_supported_is_earned_by_chance_in_at_most_one_study_of_forty():
    """1,500 studies of seven gammas, three seeds and no difference, gammas correlated by 0.7."""
    rng, rho, n = np.random.default_rng(0), 0.7, 1500
    gaps = math.sqrt(rho) * rng.normal(size=(n, 3, 1)) + math.sqrt(1 - rho) * rng.normal(size=(n, 3, 7))
    means = gaps.mean(axis=1)
    signs = [sign_test(7, 0) <= 0.05 for row in means if (row > 0).all()]
    assert sum(signs) / n == pytest.approx(CHANCES[rho][0], abs=0.03)  # what six or seven of one sign alone would say
    words = [judge(_study(each)).word for each, row in zip(gaps, means, strict=True) if (row > 0).all()]
    assert 0 < words.count("supported") / n <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / n)


def _study(gaps: np.ndarray) -> Part:
    pairs = tuple(
        Pair(i / 10, Side("", 1.0, seeds=tuple((f"s{k}", float(v)) for k, v in enumerate(column))),
             Side("", 0.0, seeds=tuple((f"s{k}", 0.0) for k in range(3))), "held", (0, 0))
        for i, column in enumerate(gaps.T)
    )  # fmt: skip
    return Part("T", Comparison("aolr", "higher", "all", {}), pairs)


# --- one meaning everywhere -------------------------------------------------------------------------------------------


def test_the_page_on_statistics_and_the_report_define_the_same_words():
    page = (tiny.REPOSITORY / "docs/statistics.md").read_text(encoding="utf-8")
    section = page.split("\n## Claims\n")[1].split("\n## ")[0]
    for word, meaning in WORDS.items():
        assert f"| {word} | {meaning} |" in section
    assert {word: meaning for word, (_, meaning) in CLAIMS.items()} == WORDS
