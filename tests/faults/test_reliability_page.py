"""docs/reliability.md holds the table of a whole run of the suite, in which everything held."""

import re

import faultbook
import pytest

PAGE = faultbook.REPOSITORY / "docs/reliability.md"
NUMBER = re.compile(r"[\d,]+")


def rows(page: str) -> dict[str, tuple[int, int]]:
    """Fault to how often it was tried and held."""
    inside = page.split(faultbook.BEGIN)[1].split(faultbook.END)[0]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in inside.splitlines() if line[:1] == "|"]
    return {row[0]: tuple(int(cell.replace(",", "")) for cell in row[3:5]) for row in cells[2:]}


def test_every_fault_was_tried_in_its_number_and_held():
    found = rows(PAGE.read_text())
    assert list(found) == list(faultbook.FAULTS)
    for fault, (tried, held) in found.items():
        assert tried >= faultbook.FAULTS[fault], fault
        assert held == tried, fault


def made(fault: str, **more) -> faultbook.Row:
    return faultbook.Row(fault, "how", "bar", **more)


def test_the_table_says_what_failed_and_what_was_not_run():
    first, second, *_ = faultbook.FAULTS
    table = faultbook.table([made(first, tried=2, failures=["x"]), made(first, tried=3), made(second, tried=1000)])
    page = faultbook.replaced(f"before\n{faultbook.BEGIN}\nstale table\n{faultbook.END}\nafter\n", table)
    found = rows(page)
    assert (found.pop(first), found.pop(second)) == ((5, 4), (1000, 1000))
    assert set(found.values()) == {(0, 0)}
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "stale table" not in page


def test_a_case_that_fails_is_counted_and_the_others_are_still_tried():
    row = made("disk full")
    for value in (1, 2, 3):
        with row.case(str(value)):
            assert value != 2
    assert (row.tried, len(row.failures)) == (3, 1)
    with pytest.raises(AssertionError, match="1 of 3 failed"):
        row.done()
