"""The paper's claims: counts recomputed from print, known answers on made-up cells, no winner without enough pairs."""

import pytest
import tiny

from cmivae.results import claims
from cmivae.results.claims import Comparison, Pair, Part, Side, our_parts, printed_parts, verdict
from cmivae.results.columns import LAYOUTS
from cmivae.results.differences import paired
from cmivae.results.printed import HEADINGS, printed_table
from cmivae.results.record import Cell, CellRun
from cmivae.study.checks import PAPER_LAYOUTS
from cmivae.study.loading import load_params

ALL = claims.claims()
PRINTED = {key: printed_parts(claim) for key, claim in ALL.items()}


def test_there_are_seven_and_each_column_is_one_of_ours():
    assert list(ALL) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    for claim in ALL.values():
        assert claim.statement.endswith(".")
        for each in claim.compare:
            assert each.better in ("lower", "higher", "same")
            for table, stated in each.tables.items():
                assert LAYOUTS[PAPER_LAYOUTS[table]].column(each.column) is not None
                assert (stated is None) == (each.column not in HEADINGS[table])


@pytest.mark.parametrize("key", ALL)
def test_stated_counts_are_those_of_the_printed_tables(key):
    for part in PRINTED[key]:
        stated = part.comparison.tables[part.table]
        assert part.counts == (stated or "0/0"), (part.table, part.comparison.column)


def found(key, table, column, rival="beta"):
    return next(p for p in PRINTED[key] if (p.table, p.comparison.column, p.comparison.rival) == (table, column, rival))


@pytest.mark.parametrize(
    ("key", "table", "column", "gammas"),
    [("C4", "table4", "aolr", [0.1]), ("C4", "table4", "mcas", [0.1, 0.6]), ("C4", "table5", "mcas", [0.8]),
     ("C6", "table2", "vc_mcas", [0.9]), ("C3", "table5", "i_zs", [0.1]), ("C1", "table1", "eer_z", [])],
)  # fmt: skip
def test_exceptions_in_print_are_the_known_ones(key, table, column, gammas):
    assert [pair.gamma for pair in found(key, table, column).exceptions] == gammas


def test_the_papers_own_numbers_against_its_words():
    (pair,) = found("C4", "table4", "aolr").exceptions
    assert (pair.ours.value, pair.rival.value) == (0.7243, 0.8161)
    assert (pair.ours.place, pair.rival.place) == ("table4[cmi,0.1].aolr", "table4[beta,0.1].aolr")
    assert "consistently" in found("C4", "table4", "aolr").comparison.wording
    (pair,) = found("C6", "table2", "vc_mcas").exceptions
    assert (pair.ours.value, pair.rival.value) == (87.00, 87.20)


def test_kl_z_of_speech_agrees_within_the_known_share():
    part = found("C2", "table1", "kl_z")
    assert max(abs(p.ours.value / p.rival.value - 1) for p in part.pairs) == pytest.approx(0.016, abs=5e-4)


def test_verdicts_on_the_papers_evidence():
    assert {key: verdict(parts) for key, parts in PRINTED.items()} == {
        "C1": "not resolved", "C2": "mixed", "C3": "mixed", "C4": "mixed", "C5": "mixed", "C6": "mixed",
        "C7": "not run",
    }  # fmt: skip
    assert found("C1", "table1", "eer_z").p == 0.125  # 4 of 4 is too few
    assert found("C4", "table5", "aolr").p == pytest.approx(2 / 2**9)
    assert found("C4", "table5", "aolr").verdict == "supported"
    assert found("C4", "table4", "mcas").p == pytest.approx(0.453, abs=5e-4)


# --- known answers ----------------------------------------------------------------------------------------------------


def part(outcomes: str, better="higher", ps=()) -> Part:
    """Pairs by a sign each; the first have a p."""
    words = {"+": "held", "-": "against", "=": "tied", "?": "missing"}
    side = Side("T[a,0.1].b", 1.0)
    padded = [*ps, *[None] * (len(outcomes) - len(ps))]
    pairs = tuple(
        Pair(i / 10, side, side, words[each], (0, 0), p)
        for i, (each, p) in enumerate(zip(outcomes, padded, strict=True))
    )
    return Part("T", Comparison("aolr", better, {"table4": None}, within=0.05), pairs)


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [("", "not run"), ("??", "not run"), ("+", "not resolved"), ("+++++", "not resolved"), ("++++++", "supported"),
     ("++++++?", "supported"), ("++++++=", "mixed"), ("+++++-", "mixed"), ("-----", "not resolved"),
     ("------", "contradicted"), ("--------+", "contradicted"), ("-----+", "mixed"), ("======", "not resolved")],
)  # fmt: skip
def test_verdict_of_a_part(outcomes, word):
    assert part(outcomes).verdict == word


@pytest.mark.parametrize(
    ("outcomes", "ps", "word"),
    [("++++", (0.001, 0.002, 0.01, 0.04), "supported"),  # four gammas, each told from chance
     ("++++", (0.001, 0.002, 0.03, 0.03), "not resolved"),  # after Holm the last two are not
     ("++++", (0.001, 0.002, 0.01), "not resolved"), ("----", (0.001, 0.002, 0.01, 0.04), "contradicted"),
     ("+++-", (0.001, 0.001, 0.001, 0.001), "mixed"), ("+++-", (0.001, 0.001, 0.001, 0.9), "not resolved"),
     ("++++++", (0.9,) * 6, "supported"), ("+++++-", (0.001,) * 5, "mixed")],
)  # fmt: skip
def test_few_gammas_decide_if_each_is_told_from_chance(outcomes, ps, word):
    assert part(outcomes, ps=ps).verdict == word


def test_p_of_a_pair_is_of_its_seeds_or_of_printed_errors():
    seeds = (0.51, 0.62, 0.55), (0.50, 0.59, 0.53)
    cells = [cell(name, 0.1, "aolr", sum(v) / 3, seeds=v) for name, v in zip(("cmi", "beta"), seeds, strict=True)]
    ours = next(p for p in our_parts(ALL["C4"], image_study(), cells) if p.comparison.column == "aolr" and p.pairs)
    assert ours.pairs[0].p == paired(*seeds).p
    assert ours.holm == [ours.pairs[0].p]
    assert [p.p for p in found("C1", "table1", "eer_z").pairs] == pytest.approx([0.225, 0.433, 0.596, 0.043], abs=5e-4)
    assert found("C1", "table1", "eer_z").told("held") == 0
    assert {p.p for p in found("C4", "table4", "aolr").pairs} == {None}
    two = [cell(name, 0.1, "aolr", 0.5, seeds=v[:2]) for name, v in zip(("cmi", "beta"), seeds, strict=True)]
    ours = next(p for p in our_parts(ALL["C4"], image_study(), two) if p.comparison.column == "aolr" and p.pairs)
    assert ours.pairs[0].p is None  # two seeds decide nothing


@pytest.mark.parametrize(
    ("outcomes", "word"),
    [("++", "not resolved"), ("+++", "supported"), ("++-", "mixed"), ("---", "contradicted"), ("--+", "mixed")],
)
def test_verdict_of_sameness(outcomes, word):
    assert part(outcomes, "same").verdict == word
    assert part(outcomes, "same").p is None


@pytest.mark.parametrize(
    ("parts", "word"),
    [(["++++++", "?"], "supported"), (["++++++", "++"], "not resolved"), (["++++++", "------"], "mixed"),
     (["------", "--"], "not resolved"), (["+++++-", "+"], "mixed"), ([], "not run")],
)  # fmt: skip
def test_verdict_of_a_claim(parts, word):
    assert verdict(part(each) for each in parts) == word


def cell(objective, gamma, column, value, *, table="T4", seeds=()):
    runs = tuple(
        {"run": f"runs/evaluate/{objective}/s{i}", "run_id": "", "metrics_sha256": "", "pointer": "/x", "value": v}
        for i, v in enumerate(seeds)
    )
    return Cell(
        address=f"{table}[{objective},{gamma}].{column}", table=table, dataset="mnist", objective=objective,
        gamma=gamma, column=column, value=value, se=None, n=len(runs), expected=max(len(runs), 1), failed=(),
        missing=(0,) if value is None else (), aggregate="mean", runs=tuple(CellRun(**each) for each in runs),
        paper=None, label="demo", deviations=(),
    )  # fmt: skip


def image_study():
    return load_params(tiny.REPOSITORY / "params.yaml")


def test_cells_are_compared_at_equal_gamma_and_by_seed():
    cells = [
        cell("cmi", 0.1, "aolr", 0.5, seeds=(0.4, 0.6)), cell("beta", 0.1, "aolr", 0.45, seeds=(0.5, 0.4)),
        cell("cmi", 0.2, "aolr", None), cell("beta", 0.2, "aolr", 0.4), cell("cmi", 0.3, "aolr", 0.5),
        cell("vanilla", 0.0, "aolr", 0.9),
    ]  # fmt: skip
    ours = next(
        p for p in our_parts(ALL["C4"], image_study(), cells) if (p.table, p.comparison.column) == ("T4", "aolr")
    )
    assert [(pair.gamma, pair.outcome) for pair in ours.pairs] == [(0.1, "held"), (0.2, "missing"), (0.3, "missing")]
    assert ours.pairs[0].seeds == (1, 2)
    assert ours.pairs[0].ours.place == "T4[cmi,0.1].aolr"
    assert ours.pairs[1].ours.problem == "missing (1/1 seeds)"
    assert ours.pairs[2].rival.problem == "not in the study"
    assert ours.counts == "1/1"


def test_a_trend_goes_from_one_gamma_to_the_next():
    values = {0.0: 0.9, 0.1: 0.8, 0.2: 0.85, 0.3: 0.7}
    cells = [cell("cmi" if gamma else "vanilla", gamma, "pixel_entropy", v) for gamma, v in values.items()]
    ours = our_parts(ALL["C7"], image_study(), cells)[0]
    assert [(pair.gamma, pair.outcome) for pair in ours.pairs] == [(0.1, "held"), (0.2, "against"), (0.3, "held")]


def about(part):
    return part.comparison.column, part.comparison.ours, part.comparison.rival


def test_the_papers_numbers_as_cells_give_the_papers_counts():
    study = image_study()
    cells = [
        cell(objective, gamma, column, value, table=f"T{table[-1]}")
        for table in HEADINGS
        for (objective, gamma), row in printed_table(table).items()
        for column, value in row.items()
        if objective != "quoted"
    ]
    for key, claim in ALL.items():
        ours = {(p.table, *about(p)): p.counts for p in our_parts(claim, study, cells)}
        printed = {(f"T{p.table[-1]}", *about(p)): p.counts for p in PRINTED[key]}
        assert ours == printed


def test_a_study_without_such_tables_did_not_run_the_claim():
    study = image_study().model_copy(update={"tables": {}})
    for claim in ALL.values():
        parts = our_parts(claim, study, [])
        assert verdict(parts) == "not run"
        assert all("no table of layout" in each.table for each in parts)
