"""The numbers that the paper prints in Tables 1 to 5, to stand beside ours."""

import csv
from functools import cache
from importlib.resources import files

_IMAGE = {  # the paper's "ELBO" of Tables 4 and 5 is the negative ELBO
    "nelbo": "ELBO",
    "kl_z": "KL(z)",
    "recon": "Recon",
    "mcas": "mCAS",
    "aolr": "AoLR",
    "mcas_svm": "mCAS(SVM)",
    "aosvm": "AoSVM",
    "i_zs": "I(z;s)",
}
HEADINGS = {  # by table; our column: the paper's heading
    "table1": {"kl_z": "KL(z)", "eer_z": "EER(z)", "eer_s": "EER(s)"},
    "table2": {"vc_mcas": "VC-mCAS(mean)", "vc_mcas_max": "VC-mCAS(max)"},
    "table3": {  # ELBO as it is, the higher the better; Recon is the negative log-likelihood, as ours
        "elbo": "ELBO_mean",
        "kl_z": "KL(z)_mean",
        "kl_s": "KL(s)_mean",
        "recon": "Recon_mean",
        "eer_z": "EER(z)_mean",
        "eer_s": "EER(s)_mean",
        "i_zs": "I(z;s)_mean",
    },
    "table4": _IMAGE,
    "table5": _IMAGE,
}
PRINTED = tuple(HEADINGS)
QUOTED = "quoted"  # DSAE*: Li and Mandt (2018), quoted by the paper and trained by neither
PAPER_SEEDS = {  # behind each printed mean; of images the paper does not say
    "table1": 3,
    "table2": 3,
    "table3": 3,
    "table4": None,
    "table5": None,
}
_OBJECTIVES = {"beta-VAE": "beta", "CMI-VAE": "cmi", "MI-VAE": "mi"}

Row = tuple[str, float]  # objective, gamma
Number = tuple[float, float | None]  # value, standard error where one is printed


def paper_value(table: str, objective: str, gamma: float, column: str) -> float | None:
    """The printed number, or None where the paper prints none.

    Args:
        table: "table1" to "table3" (TIMIT), "table4" (MNIST) or "table5" (Fashion-MNIST).
        objective: vanilla, beta, cmi or mi; or ``QUOTED``.
        gamma: as in the paper; beta is 1 - gamma.
        column: a key of ``HEADINGS``; any other column is one that the paper does not have.

    Raises:
        KeyError: there is no such printed table.
    """
    return _number(table, objective, gamma, column)[0]


def paper_se(table: str, objective: str, gamma: float, column: str) -> float | None:
    """The standard error beside ``paper_value``; only Table 3 has them.

    Raises:
        KeyError: there is no such printed table.
    """
    return _number(table, objective, gamma, column)[1]


def known_se(table: str, objective: str, gamma: float, column: str) -> float | None:
    """The standard error of ``paper_value`` wherever the paper prints it, over ``PAPER_SEEDS``; None where nowhere.

    Table 1 prints means of the runs of Table 3 (a test holds them equal), so they have Table 3's standard errors.
    """
    return paper_se("table3" if table == "table1" else table, objective, gamma, column)


def printed_table(table: str) -> dict[Row, dict[str, float]]:
    """All rows of a printed table, in the paper's order, without standard errors."""
    return {row: {column: value for column, (value, _) in found.items()} for row, found in _load(table).items()}


def _number(table: str, objective: str, gamma: float, column: str) -> tuple[float | None, float | None]:
    return _load(table).get((objective, round(gamma, 6)), {}).get(column, (None, None))


@cache
def _load(table: str) -> dict[Row, dict[str, Number]]:
    headings = HEADINGS[table]
    text = (files("cmivae.results") / "printed" / f"{table}.csv").read_text(encoding="utf-8")
    return {_row(line): _numbers(line, headings) for line in csv.DictReader(text.splitlines())}


def _numbers(line: dict[str, str], headings: dict[str, str]) -> dict[str, Number]:
    found = {}
    for ours, theirs in headings.items():
        if line[theirs]:  # the quoted row has no KL(z)
            error = line.get(theirs.replace("_mean", "_se")) if theirs.endswith("_mean") else None
            found[ours] = float(line[theirs]), float(error) if error else None
    return found


def _row(line: dict[str, str]) -> Row:
    gamma, model = float(line["gamma"]), line["Model"]
    if model == "DSAE*":
        return QUOTED, gamma
    # With gamma 0 all objectives are one; Tables 4 and 5 print it as beta-VAE, we call it vanilla.
    objective = "vanilla" if gamma == 0 else _OBJECTIVES[model.removeprefix("DSAE + ")]
    return objective, round(gamma, 6)
