"""The paper's printed tables: complete, consistent with themselves, found by our names."""

import csv
from importlib.resources import files

import pytest
import tiny

from cmivae.results.columns import LAYOUTS
from cmivae.results.printed import HEADINGS, PRINTED, QUOTED, known_se, paper_se, paper_value, printed_table
from cmivae.study.checks import PAPER_LAYOUTS
from cmivae.study.loading import load_params

IMAGES = ("table4", "table5")
SPEECH = ("table1", "table2", "table3")
GAMMAS = {"table1": [0.4, 0.8, 0.9, 0.99], "table2": [0.4, 0.8, 0.9, 0.99, 0.999, 0.9999],
          "table3": [0.4, 0.8, 0.9, 0.99]}  # fmt: skip


@pytest.mark.parametrize(("table", "rows"), [("table4", 22), ("table5", 28)])
def test_all_rows_and_numbers_are_there(table, rows):
    printed = printed_table(table)
    assert len(printed) == rows
    assert sum(len(row) for row in printed.values()) == rows * 8
    assert all(set(row) == set(HEADINGS[table]) for row in printed.values())


@pytest.mark.parametrize(("table", "rows", "numbers"), [("table1", 10, 29), ("table2", 12, 24), ("table3", 9, 63)])
def test_all_rows_and_numbers_of_speech_are_there(table, rows, numbers):
    printed = printed_table(table)
    assert len(printed) == rows
    assert sum(len(row) for row in printed.values()) == numbers
    assert all(set(row) == set(HEADINGS[table]) for name, row in printed.items() if name[0] != QUOTED)


def transcribed(table):
    """Every number of a transcription, by row and heading, as text; rows are named by the first two columns."""
    text = (files("cmivae.results") / "printed" / f"{table}.csv").read_text(encoding="utf-8")
    names = ("Model", "gamma")
    return [(line["Model"], float(line["gamma"]), key, value) for line in csv.DictReader(text.splitlines())
            for key, value in line.items() if key not in names and value]  # fmt: skip


def test_all_579_numbers_of_the_five_tables_are_transcribed_and_none_is_lost_on_the_way():
    counts = {table: len(transcribed(table)) for table in PRINTED}
    assert counts == {"table1": 29, "table2": 24, "table3": 126, "table4": 176, "table5": 224}
    assert sum(counts.values()) == 579
    for table in PRINTED:
        rows = printed_table(table)
        errors = [paper_se(table, *row, column) for row in rows for column in rows[row]] if table == "table3" else []
        found = sorted([value for row in rows.values() for value in row.values()] + errors)
        assert found == sorted(float(value) for *_, value in transcribed(table))


@pytest.mark.parametrize("table", PRINTED)
def test_numbers_have_the_printed_digits_and_lie_where_they_can(table):
    accuracy = {"mCAS", "AoLR", "mCAS(SVM)", "AoSVM"}
    for *_, heading, text in transcribed(table):
        digits = 4 if heading in accuracy else 1 if heading == "VC-mCAS(max)" else 2
        assert len(text.partition(".")[2]) == digits, (table, heading, text)
        value = float(text)
        if heading in accuracy:
            assert 0.1 < value < 1
        elif heading.startswith(("EER", "VC-mCAS")):
            assert 0 < value < 100
        elif not heading.startswith(("Recon", "ELBO")):
            assert value > 0


@pytest.mark.parametrize("table", PRINTED)
def test_no_row_is_there_twice(table):
    rows = list(printed_table(table))
    assert len(set(rows)) == len(rows) == len({(model, gamma) for model, gamma, *_ in transcribed(table)})


def test_rows_of_print_are_the_configurations_of_the_study_and_beta_is_one_minus_gamma():
    params = load_params(tiny.REPOSITORY / "params.yaml")
    printed, studied = set(), {(c.dataset, c.objective, round(c.gamma, 6)) for c in params.configs.values()}
    for table in params.tables.values():
        printed |= {(table.dataset, *row) for row in printed_table(table.paper) if row[0] != QUOTED}
    assert printed == studied
    assert len(studied) == len(params.configs) == 63
    betas = {round(1 - gamma, 6) for dataset, _, gamma in studied if dataset == "timit"}
    assert betas == {1, 0.6, 0.2, 0.1, 0.01, 0.001, 0.0001}  # of Figure 4


def test_kl_z_grows_with_gamma_for_every_objective():
    """As it must where its weight 1 - gamma falls: a digit that went astray would show."""
    for table in ("table1", "table3", "table4", "table5"):
        for objective in ("beta", "cmi", "mi"):
            values = [row["kl_z"] for (name, _), row in printed_table(table).items() if name in ("vanilla", objective)]
            assert values == sorted(values), (table, objective)


@pytest.mark.parametrize("table", IMAGES)
def test_negative_elbo_is_recon_plus_kl_to_rounding(table):
    for row in printed_table(table).values():
        assert abs(row["recon"] + row["kl_z"] - row["nelbo"]) < 0.011


def test_elbo_is_minus_recon_and_both_kl_to_rounding():
    for row in printed_table("table3").values():
        assert abs(-row["recon"] - row["kl_z"] - row["kl_s"] - row["elbo"]) < 0.011


def test_table_1_is_part_of_table_3():
    large = printed_table("table3")
    for name, row in printed_table("table1").items():
        if name[0] != QUOTED:
            assert row == {column: large[name][column] for column in row}


@pytest.mark.parametrize("table", IMAGES)
def test_gamma_0_is_vanilla_and_every_gamma_has_three_objectives(table):
    rows = list(printed_table(table))
    assert rows[0] == ("vanilla", 0.0)
    assert all(objective != "vanilla" and gamma > 0 for objective, gamma in rows[1:])
    assert [objective for objective, _ in rows[1:]] == ["beta", "cmi", "mi"] * (len(rows) // 3)


@pytest.mark.parametrize("table", SPEECH)
def test_every_gamma_of_speech_has_two_objectives(table):
    first = {"table1": [("quoted", 0.0), ("vanilla", 0.0)], "table2": [], "table3": [("vanilla", 0.0)]}[table]
    assert list(printed_table(table)) == first + [(o, gamma) for gamma in GAMMAS[table] for o in ("beta", "cmi")]


@pytest.mark.parametrize("table", PRINTED)
def test_every_printed_column_is_one_of_ours(table):
    layout = LAYOUTS[PAPER_LAYOUTS[table]]
    assert set(HEADINGS[table]) <= {column.key for column in layout.shown}
    assert layout.paper_se == (table == "table3")


def test_known_numbers():
    assert paper_value("table4", "cmi", 0.3, "mcas") == 0.7716
    assert paper_value("table4", "vanilla", 0.0, "nelbo") == 56.21
    assert paper_value("table5", "beta", 0.1, "aosvm") == 0.7790
    assert paper_value("table5", "mi", 0.9, "i_zs") == 3.31
    assert paper_value("table4", "cmi", 0.1 + 0.2, "aolr") == 0.8630  # 0.30000000000000004
    assert paper_value("table1", "cmi", 0.4, "eer_z") == 3.43
    assert paper_value("table1", "quoted", 0.0, "eer_s") == 18.89
    assert paper_value("table2", "cmi", 0.9999, "vc_mcas") == 87.73
    assert paper_value("table2", "cmi", 0.99, "vc_mcas_max") == 88.6
    assert paper_value("table3", "vanilla", 0.0, "recon") == -6813.00
    assert (paper_value("table3", "beta", 0.99, "i_zs"), paper_se("table3", "beta", 0.99, "i_zs")) == (3.27, 0.15)


def test_table_1_has_the_errors_of_table_3_whose_means_it_repeats():
    assert known_se("table1", "cmi", 0.4, "eer_z") == known_se("table3", "cmi", 0.4, "eer_z") == 0.26
    assert known_se("table1", "vanilla", 0.0, "kl_z") == 0.09
    assert known_se("table1", "quoted", 0.0, "eer_z") is None
    assert known_se("table4", "cmi", 0.3, "mcas") is None


def test_what_the_paper_does_not_print_is_none():
    assert paper_value("table4", "cmi", 0.9, "mcas") is None  # MNIST ends at 0.7
    assert paper_value("table4", "cmi", 0.3, "i_zs_posthoc") is None
    assert paper_value("table3", "cmi", 0.9999, "i_zs") is None
    assert paper_value("table1", "quoted", 0.0, "kl_z") is None
    assert paper_se("table1", "cmi", 0.4, "eer_z") is None
    assert paper_se("table2", "cmi", 0.4, "vc_mcas") is None
    assert paper_se("table4", "cmi", 0.3, "mcas") is None
    for call in (paper_value, paper_se):
        with pytest.raises(KeyError):
            call("table6", "cmi", 0.4, "kl_z")
