"""How numbers, names and warnings are spelled in Markdown, LaTeX and figures."""

from dataclasses import dataclass

from cmivae.results.columns import Column
from cmivae.results.record import Cell
from cmivae.study.params import Config

MODELS = {"image": "PixelCNN-VAE", "speech": "DSAE"}  # by kind of data set
ROWS = {
    "beta": "β-VAE",
    "cmi": "CMI-VAE",
    "mi": "MI-VAE",
    "real": "real segments (same classifier)",
    "trivial": "mean spectrum, cosine",
    "trivial_centred": "mean spectrum, centred, cosine",
    "quoted": "DSAE* (quoted, not run)",
}
# Extensions, whose rows end in the values of their own keys, such as cmi-alpha-a1p5 (docs/extensions.md).
VARIANTS = {
    "cmi-alpha": "CMI-VAE, α",
    "cmi-split": "CMI-VAE in two terms, weight of I(z;s)",
    "mi-mmd": "MI-VAE by MMD, weight",
    "cmi-mmd": "CMI-VAE by MMD, weight",
}
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "γ": r"$\gamma$",
    "β": r"$\beta$",
    "α": r"$\alpha$",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
}


@dataclass(frozen=True)
class Number:
    """A cell in words: ours, its standard error and the paper's; empty where there is none."""

    ours: str
    se: str
    paper: str
    problem: str
    paper_se: str = ""


def number(cell: Cell, column: Column) -> Number:
    """The cell with the column's digits; a cell without a value says why instead."""
    ours, se = fixed(cell.value, column.digits), fixed(cell.se, column.digits)
    paper, paper_se = fixed(cell.paper, column.digits), fixed(cell.paper_se, column.digits)
    return Number(ours, se if ours else "", paper, cell.problem, paper_se)


def fixed(value: float | None, digits: int) -> str:
    """``value`` with a fixed number of decimals; None is empty, and minus zero is zero."""
    return "" if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def markdown_number(n: Number) -> str:
    """ "0.7653 ± 0.0012 [0.7716]"; the paper's number stands in brackets."""
    ours = n.problem or _with_error(n.ours, n.se, " ± ")
    return f"{ours} [{_with_error(n.paper, n.paper_se, ' ± ')}]".lstrip() if n.paper else ours


def latex_number(n: Number) -> str:
    """As ``markdown_number``, with error and brackets in smaller type."""
    ours = latex_text(n.problem) or (rf"{n.ours}{{\scriptsize\,$\pm$\,{n.se}}}" if n.se else n.ours)
    paper = _with_error(n.paper, n.paper_se, r"\,$\pm$\,")
    return rf"{ours} {{\scriptsize[{paper}]}}".lstrip() if paper else ours


def _with_error(value: str, error: str, between: str) -> str:
    return f"{value}{between}{error}" if error else value


def objective_name(objective: str, kind: str = "image") -> str:
    """The display name of an objective, of a baseline row such as "real100", or of a quoted row.

    Args:
        objective: as in a cell.
        kind: of the data set, "image" or "speech": what vanilla is called.
    """
    if objective == "vanilla":
        return f"{MODELS[kind]} (γ 0)"
    if objective in ROWS:
        return ROWS[objective]
    if objective.startswith("real"):
        return f"real pixels ({int(objective.removeprefix('real')):,} images)"
    base, _, value = objective.rpartition("-")
    if base in VARIANTS:
        return f"{VARIANTS[base]} {value[1:].replace('p', '.')}"
    return objective


def config_title(config: Config, kind: str = "image") -> str:
    """How a configuration is called over its own pictures, sounds and curves, e.g. "CMI-VAE, γ 0.3".

    Args:
        kind: of its data set, "image" or "speech".
    """
    name = objective_name(config.variant, kind)
    return name if config.objective == "vanilla" else f"{name}, γ {config.gamma:g}"  # whose name says it


def warning(label: str, note: str) -> str:
    """What a table or figure that is not the paper's must say; empty for the paper's own workspace."""
    if label == "paper":
        return ""
    text = f"{label.upper()} run, not the paper"
    return f"{text}: {note}" if note else text


def latex_text(text: str) -> str:
    """``text`` with the characters that LaTeX reads as commands escaped."""
    return "".join(_LATEX.get(character, character) for character in text)


def markdown_text(text: str) -> str:
    """``text`` without the characters that would break a Markdown table or line."""
    return text.replace("|", r"\|").replace("\n", " ")
