"""The paper's printed tables: complete, consistent with themselves, found by our names."""

import pytest

from cmivae.results.columns import LAYOUTS
from cmivae.results.printed import HEADINGS, PRINTED, QUOTED, paper_se, paper_value, printed_table
from cmivae.study.checks import PAPER_LAYOUTS

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


@pytest.mark.parametrize(("table", "rows", "numbers"), [("table1", 10, 29), ("table2", 12, 24), ("table3", 9, 126)])
def test_all_rows_and_numbers_of_speech_are_there(table, rows, numbers):
    printed = printed_table(table)
    errors = [paper_se(table, *row, column) for row in printed for column in printed[row]]
    assert len(printed) == rows
    assert sum(len(row) for row in printed.values()) + sum(e is not None for e in errors) == numbers
    assert all(set(row) == set(HEADINGS[table]) for name, row in printed.items() if name[0] != QUOTED)


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


def test_what_the_paper_does_not_print_is_none():
    assert paper_value("table4", "cmi", 0.9, "mcas") is None  # MNIST ends at 0.7
    assert paper_value("table4", "cmi", 0.3, "i_zs_posthoc") is None
    assert paper_value("table3", "cmi", 0.9999, "i_zs") is None
    assert paper_value("table1", "quoted", 0.0, "kl_z") is None
    assert paper_se("table1", "cmi", 0.4, "eer_z") is None
    assert paper_se("table4", "cmi", 0.3, "mcas") is None
    for call in (paper_value, paper_se):
        with pytest.raises(KeyError):
            call("table6", "cmi", 0.4, "kl_z")
