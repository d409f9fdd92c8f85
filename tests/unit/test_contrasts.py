"""Objectives compared over a workspace's cells and over print; our numbers against printed ones. Known answers."""

import dataclasses

import numpy as np
import pytest

from cmivae.results.agreement import WORDS, agreement, margin
from cmivae.results.claims import claims
from cmivae.results.contrast_words import across, at_equal_kl, seeds, title, word
from cmivae.results.contrasts import NOT_RUN, RESOLVED, SAME, UNRESOLVED, comparison, printed_comparison
from cmivae.results.differences import holm, paired
from cmivae.results.printed import HEADINGS, PRINTED, printed_table
from cmivae.results.record import Cell, CellRun
from cmivae.results.stats import mean_se


def cell(objective, gamma, column, values, **changes):
    """A cell of table T4 as a study with ``values`` over its seeds would have it; None is a seed that is missing."""
    there = [value for value in values if value is not None]
    mean, se, n = mean_se(there) if len(there) == len(values) else (None, None, len(there))
    runs = tuple(
        CellRun(f"runs/evaluate/mnist-{objective}-{gamma}/s{seed}", "", "", "/x", value)
        for seed, value in enumerate(values)
        if value is not None
    )
    fields = {
        "address": f"T4[{objective},{gamma}].{column}", "table": "T4", "dataset": "mnist", "objective": objective,
        "gamma": gamma, "column": column, "value": mean, "se": se, "n": n, "expected": len(values), "failed": (),
        "missing": tuple(i for i, v in enumerate(values) if v is None), "aggregate": "mean", "runs": runs,
        "paper": None, "label": "paper", "deviations": (),
    }  # fmt: skip
    return Cell(**(fields | changes))


def study(gaps, n=3, column="aolr", noise=0.001, seed=0):
    """beta-VAE and CMI-VAE, which is better by ``gaps`` at gammas 0.1, 0.2 and so on; KL(z) is 10 gamma for both."""
    rng = np.random.default_rng(seed)
    cells = [
        cell("vanilla", 0.0, "kl_z", [0.0] * n),
        cell("vanilla", 0.0, column, list(0.5 + noise * rng.normal(size=n))),
    ]
    for step, gap in enumerate(gaps, start=1):
        base = 0.5 + 0.01 * step + noise * rng.normal(size=n)
        for objective, lift in (("beta", 0.0), ("cmi", gap)):
            values = list(base + lift + (noise * rng.normal(size=n) if lift else 0.0))
            cells += [cell(objective, step / 10, column, values), cell(objective, step / 10, "kl_z", [float(step)] * n)]
    return cells


def one(cells, column="aolr", ours="cmi", rival="beta"):
    (found,) = [c for c in comparison(cells, "mnist") if (c.column, c.ours, c.rival) == (column, ours, rival)]
    return found


def test_a_real_gap_is_resolved_and_one_in_the_noise_is_not():
    found = one(study([0.05, 0.05, 0.0002, 0.05, 0.05, 0.05]))
    assert [each.word for each in found.gammas] == [RESOLVED, RESOLVED, UNRESOLVED, RESOLVED, RESOLVED, RESOLVED]
    assert (found.resolved, found.compared, found.test) == (5, 6, "paired t over seeds")
    assert found.gammas[0].difference.value == pytest.approx(0.05, abs=0.003)
    assert found.gammas[0].seeds_needed in (2, 3, 4)
    assert found.gammas[2].seeds_needed > 3
    assert found.held + found.against == 6


def test_seeds_are_paired_and_holm_is_over_the_gammas():
    cells = study([0.003, 0.002, 0.001])
    found = one(cells)
    values = {(c.objective, c.gamma): [run.value for run in c.runs] for c in cells if c.column == "aolr"}
    known = [paired(values["cmi", gamma], values["beta", gamma]) for gamma in (0.1, 0.2, 0.3)]
    assert [each.difference for each in found.gammas] == known
    assert [each.holm for each in found.gammas] == holm([each.p for each in known])
    mixed = [dataclasses.replace(c, runs=tuple(reversed(c.runs))) for c in cells]
    assert one(mixed) == found  # by seed, not by place


def test_curves_are_matched_from_vanilla_on():
    found = one(study([0.02, 0.02]))
    assert (found.matched.low, found.matched.high, found.matched.n) == (0.0, 2.0, 3)
    assert found.matched.difference.value == pytest.approx(0.015, abs=0.002)  # rises from 0 to 0.02, then stays
    assert found.matched.difference.p < 0.05


def test_equal_kl_z_is_a_claim_of_sameness():
    found = one(study([0.02, 0.02]), "kl_z")
    assert (found.better, found.sign_p, found.held) == ("same", None, 2)
    assert [each.word for each in found.gammas] == [UNRESOLVED] * 2  # no spread at all, so no interval
    assert found.matched is None
    assert found.matched_problem == "KL(z) is the axis"
    cells = [
        cell(name, 0.1, "kl_z", values) for name, values in (("beta", [10.0, 10.1, 9.9]), ("cmi", [10.1, 10.1, 9.95]))
    ]
    assert [each.word for each in one(cells, "kl_z").gammas] == [SAME]


@pytest.mark.parametrize(
    ("ours", "problem"),
    [([0.5, None, 0.5], "missing (1/3 seeds)"), (None, "not in the study")],
)
def test_a_gamma_without_all_seeds_is_not_run(ours, problem):
    cells = study([0.05, 0.05])
    kept = [c for c in cells if (c.objective, c.gamma, c.column) != ("cmi", 0.1, "aolr")]
    found = one(kept + ([cell("cmi", 0.1, "aolr", ours)] if ours else []))
    assert [(each.word, each.problem) for each in found.gammas] == [(NOT_RUN, problem), (RESOLVED, "")]
    assert (found.compared, found.held) == (1, 1)


def test_two_seeds_resolve_nothing_however_small_the_p():
    found = one(study([0.05] * 2, n=2))
    assert max(each.holm for each in found.gammas) < 0.05
    assert {each.word for each in found.gammas} == {UNRESOLVED}


def test_one_seed_resolves_nothing():
    found = one(study([0.05] * 6, n=1))
    assert {each.word for each in found.gammas} == {UNRESOLVED}
    assert found.test == "none"
    assert found.sign_p == pytest.approx(2 / 2**6)  # though six gammas say the same
    assert found.matched.difference.interval is None


def test_a_column_in_two_tables_is_compared_once_and_other_data_sets_not_at_all():
    cells = study([0.05])
    twice = [*cells, *(dataclasses.replace(c, table="T9") for c in cells)]
    assert [(c.table, c.column) for c in comparison(twice, "mnist")] == [("T4", "kl_z"), ("T4", "aolr")]
    assert comparison(twice, "fashion") == [] == comparison([], "mnist")


def test_print_as_cells_has_the_same_differences_as_print():
    for table in PRINTED:
        cells = [
            cell(objective, gamma, column, [value])
            for (objective, gamma), row in printed_table(table).items()
            for column, value in row.items()
            if objective != "quoted"
        ]
        ours = {(c.column, c.ours, c.rival): c for c in comparison(cells, "mnist")}
        for printed in printed_comparison(table):
            same = ours.pop((printed.column, printed.ours, printed.rival))
            assert [g.difference.value for g in printed.gammas] == [g.difference.value for g in same.gammas]
            assert (printed.held, printed.against, printed.sign_p) == (same.held, same.against, same.sign_p)
            assert (printed.matched is None) == (same.matched is None)
        assert ours == {}


def test_the_papers_own_errors_resolve_none_of_its_eer():
    found = {c.column: c for c in printed_comparison("table1")}["eer_z"]
    assert (found.held, found.sign_p, found.resolved) == (4, 0.125, 0)
    assert [g.difference.p for g in found.gammas] == pytest.approx([0.225, 0.433, 0.596, 0.043], abs=5e-4)
    assert [g.holm for g in found.gammas] == pytest.approx([0.676, 0.865, 0.865, 0.173], abs=1e-3)
    assert [g.seeds_needed for g in found.gammas] == [17, 46, 101, 6]
    assert found.matched.difference.value == pytest.approx(-0.478, abs=1e-3)


def test_every_column_of_a_claim_is_compared_in_print():
    asked = {(each.column, each.rival) for claim in claims().values() for each in claim.compare
             if each.column != "pixel_entropy" and each.ours == "cmi"}  # fmt: skip
    printed = {(c.column, c.rival) for table in PRINTED for c in printed_comparison(table) if c.ours == "cmi"}
    assert printed == {pair for pair in asked if any(pair[0] in HEADINGS[table] for table in PRINTED)}


# --- words ------------------------------------------------------------------------------------------------------------


def test_a_contrast_in_words_names_no_bare_winner():
    found = one(study([0.05, 0.05, 0.0002, 0.05, 0.05, 0.05]))
    assert title(found) == "AoLR, cmi against beta (the paper: higher)"
    assert across(found) == "as claimed at 6 of 6 γ (sign test p 0.031); told from chance at 5 after Holm"
    assert [word(at, found) for at in found.gammas[1:3]] == ["cmi higher", UNRESOLVED]
    assert at_equal_kl(found).startswith("+0.03")
    assert "over KL(z) 0.0 to 6.0 nats" in at_equal_kl(found)
    assert int(seeds(found.gammas[2])) > 3
    (printed,) = [c for c in printed_comparison("table5") if (c.column, c.rival) == ("aolr", "beta")]
    assert across(printed) == "as claimed at 9 of 9 γ (sign test p 0.0039); no errors, so no test at one γ"
    assert seeds(printed.gammas[0]) == "–"


def test_words_of_what_was_not_run_and_of_sameness():
    missing = one([c for c in study([0.05, 0.05]) if (c.objective, c.gamma, c.column) != ("cmi", 0.1, "aolr")])
    assert across(missing) == "as claimed at 1 of 1 γ (sign test p 1), 1 not run; told from chance at 1 after Holm"
    assert word(missing.gammas[0], missing) == "not in the study"
    flat = one(study([0.02, 0.02]), "kl_z")
    assert across(flat) == "as claimed at 2 of 2 γ; no errors, so no test at one γ"
    assert at_equal_kl(flat) == "not compared: KL(z) is the axis"
    (level,) = [c for c in printed_comparison("table3") if c.column == "kl_z"]
    assert across(level).endswith("told from chance at 0 after Holm, shown to be within 5% at 3")


# --- ours against the printed number ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "values", "changes"),
    [
        ("consistent", [3.4, 3.5, 3.6], {}),
        ("not resolvable at this n", [2.0, 4.0, 5.0], {}),
        ("not resolvable at this n", [3.4], {}),
        ("not resolvable at this n", [3.2, 3.4, 3.6], {"aggregate": "max", "se": None}),
        ("differs", [5.0, 5.1, 5.2], {}),
        ("not run", [3.4, None, 3.4], {}),
        ("synthetic or reduced", [3.4, 3.5, 3.6], {"label": "reduced"}),
        ("synthetic or reduced", [3.4, 3.5, 3.6], {"deviations": ("corpus INCOMPLETE: 16 of TIMIT's 630 speakers",)}),
        ("not printed", [3.4, 3.5, 3.6], {"paper": None}),
        ("quoted", [], {"aggregate": "quoted"}),
    ],
)
def test_words(word, values, changes):
    found = agreement(dataclasses.replace(cell("cmi", 0.4, "eer_z", values, paper=3.43), **changes), "table1")
    assert found.word == word
    assert found.word in WORDS
    assert found.why


def test_interval_against_print_is_welchs_where_the_paper_gives_an_error():
    found = agreement(cell("cmi", 0.4, "eer_z", [3.2, 3.4, 3.6], paper=3.43), "table1")
    # by hand: se = hypot(0.2/sqrt(3), 0.26) = 0.28448, freedom = se^4 / (0.11547^4/2 + 0.26^4/2) = 2.7592
    assert found.interval == pytest.approx((-0.03 - 3.34617 * 0.28448, -0.03 + 3.34617 * 0.28448), abs=2e-3)
    assert (found.paper_n, found.margin) == (3, pytest.approx((11.01 - 3.43) / 4))


def test_where_the_paper_gives_no_error_its_number_is_one_run_with_our_spread():
    values = [0.859, 0.86, 0.861]
    found = agreement(cell("cmi", 0.3, "aolr", values, paper=0.863), "table4")
    half = 4.302653 * 0.001 * np.sqrt(1 + 1 / 3)  # t of 2 degrees of freedom, sd, prediction of one more
    assert found.interval == pytest.approx((-0.003 - half, -0.003 + half), abs=1e-6)
    assert (found.paper_se, found.paper_n) == (None, None)
    assert "no error" in found.why
    # A number outside the interval of our mean, but not outside what one more run could be, does not differ.
    assert agreement(cell("cmi", 0.3, "aolr", values, paper=0.864), "table4").word == "consistent"
    # Table 2 prints means of three runs, without their error.
    found = agreement(cell("cmi", 0.4, "vc_mcas", [84.0, 84.2, 84.4], paper=84.33), "table2")
    half = 4.302653 * 0.2 * np.sqrt(2 / 3)
    assert found.interval == pytest.approx((-0.13 - half, -0.13 + half), abs=1e-6)


def test_other_readings_stand_beside_the_word_and_an_overfit_critic_takes_it_away():
    plain = cell("cmi", 0.3, "aolr", [0.8637, 0.8638, 0.8639], paper=0.864)
    read = dataclasses.replace(plain, deviations=("critic.disc_input x (ours: s)",))
    assert (agreement(plain, "table4").word, agreement(read, "table4").word) == ("consistent", "consistent")
    assert agreement(read, "table4").why == agreement(plain, "table4").why + "; critic.disc_input x (ours: s)"
    over = ("I(z;s) is over KL(z) + 0.3 nats, which bounds it: the critic overfits (seeds 1)",)
    found = agreement(dataclasses.replace(plain, deviations=over), "table4")
    assert (found.word, found.why) == ("not resolvable at this n", over[0])


def test_another_scale_has_no_interval():
    found = agreement(cell("cmi", 0.4, "eer_z", [3.2, 3.4, 3.6], paper=3.43, label="demo"), "table1")
    assert (found.difference, found.interval) == (pytest.approx(-0.03), None)


def test_margins_are_a_quarter_of_the_largest_gap_to_a_printed_neighbour():
    assert margin("table4", "vanilla", 0.0, "kl_z") == pytest.approx((5.33 - 3.60) / 4)  # not 13 nats, as gamma makes
    assert margin("table4", "cmi", 0.4, "kl_z") == pytest.approx((29.56 - 17.52) / 4)
    assert margin("table4", "cmi", 0.7, "aolr") == pytest.approx((0.8486 - 0.7753) / 4)  # MI-VAE; at 0.6 it is the same
    assert margin("table1", "cmi", 0.4, "eer_z") == pytest.approx((11.01 - 3.43) / 4)  # vanilla, one step down
    assert margin("table3", "cmi", 0.9, "i_zs") == pytest.approx((2.89 - 2.70) / 4)
    for unknown in (("cmi", 0.3, "pixel_entropy"), ("cmi", 0.35, "aolr")):
        assert margin("table4", *unknown) is None


def test_no_margin_is_0_or_over_a_quarter_of_the_range():
    for table in PRINTED:
        rows = printed_table(table)
        for column in HEADINGS[table]:
            values = [row[column] for row in rows.values() if column in row]
            found = [margin(table, *row, column) for row in rows if row[0] != "quoted" and column in rows[row]]
            assert set(found) - {None} == {
                each for each in found if each and 0 < each <= (max(values) - min(values)) / 4
            }
    assert margin("table2", "beta", 0.9, "vc_mcas_max") is None  # 87.6, as all of its neighbours
