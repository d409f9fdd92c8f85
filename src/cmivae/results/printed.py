"""The numbers that the paper prints in Tables 4 and 5, to stand beside ours."""

import csv
from functools import cache
from importlib.resources import files

PRINTED = ("table4", "table5")
COLUMNS = {  # our column: the paper's heading; its "ELBO" is the negative ELBO
    "nelbo": "ELBO",
    "kl_z": "KL(z)",
    "recon": "Recon",
    "mcas": "mCAS",
    "aolr": "AoLR",
    "mcas_svm": "mCAS(SVM)",
    "aosvm": "AoSVM",
    "i_zs": "I(z;s)",
}
_OBJECTIVES = {"beta-VAE": "beta", "CMI-VAE": "cmi", "MI-VAE": "mi"}

Row = tuple[str, float]  # objective, gamma


def paper_value(table: str, objective: str, gamma: float, column: str) -> float | None:
    """The printed number, or None where the paper prints none.

    Args:
        table: "table4" (MNIST) or "table5" (Fashion-MNIST).
        objective: vanilla, beta, cmi or mi.
        gamma: as in the paper; beta is 1 - gamma.
        column: a key of ``COLUMNS``; any other column is one that the paper does not have.

    Raises:
        KeyError: there is no such printed table.
    """
    return printed_table(table).get((objective, round(gamma, 6)), {}).get(column)


def printed_table(table: str) -> dict[Row, dict[str, float]]:
    """All rows of a printed table, in the paper's order."""
    if table not in PRINTED:
        raise KeyError(table)
    return _load(table)


@cache
def _load(table: str) -> dict[Row, dict[str, float]]:
    text = (files("cmivae.results") / "printed" / f"{table}.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {_row(line): {ours: float(line[theirs]) for ours, theirs in COLUMNS.items()} for line in rows}


def _row(line: dict[str, str]) -> Row:
    gamma = float(line["gamma"])
    # With gamma 0 all objectives are one; the paper prints it as beta-VAE, we call it vanilla.
    return ("vanilla" if gamma == 0 else _OBJECTIVES[line["Model"]], round(gamma, 6))
