"""The paper's printed tables: complete, consistent with themselves, found by our names."""

import pytest

from cmivae.results.printed import COLUMNS, PRINTED, paper_value, printed_table


@pytest.mark.parametrize(("table", "rows"), [("table4", 22), ("table5", 28)])
def test_all_rows_and_numbers_are_there(table, rows):
    printed = printed_table(table)
    assert len(printed) == rows
    assert sum(len(row) for row in printed.values()) == rows * 8
    assert all(set(row) == set(COLUMNS) for row in printed.values())


@pytest.mark.parametrize("table", PRINTED)
def test_negative_elbo_is_recon_plus_kl_to_rounding(table):
    for row in printed_table(table).values():
        assert abs(row["recon"] + row["kl_z"] - row["nelbo"]) < 0.011


@pytest.mark.parametrize("table", PRINTED)
def test_gamma_0_is_vanilla_and_every_gamma_has_three_objectives(table):
    rows = list(printed_table(table))
    assert rows[0] == ("vanilla", 0.0)
    assert all(objective != "vanilla" and gamma > 0 for objective, gamma in rows[1:])
    assert [objective for objective, _ in rows[1:]] == ["beta", "cmi", "mi"] * (len(rows) // 3)


def test_known_numbers():
    assert paper_value("table4", "cmi", 0.3, "mcas") == 0.7716
    assert paper_value("table4", "vanilla", 0.0, "nelbo") == 56.21
    assert paper_value("table5", "beta", 0.1, "aosvm") == 0.7790
    assert paper_value("table5", "mi", 0.9, "i_zs") == 3.31
    assert paper_value("table4", "cmi", 0.1 + 0.2, "aolr") == 0.8630  # 0.30000000000000004


def test_what_the_paper_does_not_print_is_none():
    assert paper_value("table4", "cmi", 0.9, "mcas") is None  # MNIST ends at 0.7
    assert paper_value("table4", "cmi", 0.3, "i_zs_posthoc") is None
    with pytest.raises(KeyError):
        paper_value("table3", "cmi", 0.4, "kl_z")
