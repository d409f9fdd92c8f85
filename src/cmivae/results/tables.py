"""Tables from cells: CSV for machines, Markdown and LaTeX for people; same cells, same bytes."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from cmivae.errors import UserError
from cmivae.results.columns import LAYOUTS, Layout
from cmivae.results.record import REMAKE, Cell, gamma_text
from cmivae.results.render import (
    latex_number,
    latex_text,
    markdown_number,
    markdown_text,
    number,
    objective_name,
    warning,
)


@dataclass(frozen=True)
class Row:
    """One line of a table: a configuration, or a baseline or quoted row (``gamma`` None)."""

    objective: str
    gamma: float | None
    cells: dict[str, Cell]  # by column


@dataclass(frozen=True)
class TableView:
    """A table ready to be written."""

    name: str
    title: str
    label: str
    note: str
    layout: Layout
    rows: tuple[Row, ...]

    @property
    def numbers(self) -> list[Cell]:
        """The cells that are ours, whether or not they have a value."""
        return [cell for row in self.rows for cell in row.cells.values() if cell.aggregate != "quoted"]


def view(cells: Iterable[Cell], name: str, *, title: str, note: str, layout: str = "image") -> TableView:
    """The rows of table ``name``, in the order of the cells.

    Args:
        cells: of any number of tables.
        name: of the table, as in ``params.yaml``.
        title: first words of the caption.
        note: of the workspace.
        layout: the key of ``LAYOUTS`` that the table's cells were built with.

    Raises:
        UserError: there is no cell of this table.
    """
    rows: dict[tuple[str, float | None], Row] = {}
    labels = set()
    known = {column.key for column in LAYOUTS[layout].columns}
    for cell in cells:
        if cell.table == name and cell.column in known:
            key = cell.objective, cell.gamma
            rows.setdefault(key, Row(*key, {})).cells[cell.column] = cell
            labels.add(cell.label)
    if len(labels) != 1:
        raise UserError(
            f"table {name} has cells of {len(labels)} workspaces",
            where="results/tables/cells.jsonl",
            why=f"expected the cells of one workspace, found {sorted(labels)}",
            fix=REMAKE,
        )
    return TableView(name, title, labels.pop(), note, LAYOUTS[layout], tuple(rows.values()))


def to_csv(table: TableView) -> str:
    """Full precision: value, se, n and paper's number of each column; ``problems`` says why one is empty.

    Where the paper prints standard errors, they are a fifth number.
    """
    parts = ("", "_se", "_n", "_paper", "_paper_se") if table.layout.paper_se else ("", "_se", "_n", "_paper")
    header = ["label", "gamma", "model"]
    header += [f"{column.key}{part}" for column in table.layout.columns for part in parts]
    lines = [[*header, "problems"]]
    for row in table.rows:
        line = [table.label, _gamma(row, ""), row.objective]
        for column in table.layout.columns:
            cell = row.cells.get(column.key)
            numbers = (cell.value, cell.se, cell.n, cell.paper, cell.paper_se) if cell else [None] * 5
            line += [_exact(x) for x in numbers[: len(parts)]]
        problems = (f"{key}: {cell.problem}" for key, cell in row.cells.items() if cell.problem)
        lines.append([*line, "; ".join(problems)])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def to_markdown(table: TableView) -> str:
    """A Markdown table below its caption, with warning and deviations."""
    stop, shown, kind = warning(table.label, table.note), table.layout.shown, table.layout.kind
    lines = [f"## {table.name}. {markdown_text(table.title)}", ""]
    lines += [f"**{markdown_text(stop)}**", ""] if stop else []
    lines += [markdown_text(_caption(table)), ""]
    lines += [f"| γ | Model | {' | '.join(column.heading for column in shown)} |"]
    lines += [f"|--:|:--|{'--:|' * len(shown)}"]
    for row in table.rows:
        numbers = (markdown_number(number(row.cells[c.key], c)) if c.key in row.cells else "" for c in shown)
        lines.append(f"| {_gamma(row, '–')} | {objective_name(row.objective, kind)} | {' | '.join(numbers)} |")
    changed = _deviations(table)
    lines += ["", "Differs from the paper or the defaults:", ""] if changed else []
    lines += [f"- {markdown_text(line)}" for line in changed]
    return "\n".join(lines) + "\n"


def to_latex(table: TableView) -> str:
    """A ``table*`` for booktabs and graphicx; a narrow layout is a ``table`` in the size of the text."""
    stop, shown, kind = warning(table.label, table.note), table.layout.shown, table.layout.kind
    wide = table.layout.wide
    environment = "table*" if wide else "table"
    lines = [rf"% {stop}".replace("\n", " ")] if stop else []
    needs = "booktabs,graphicx" if wide else "booktabs"
    lines += [rf"% needs \usepackage{{{needs}}}", rf"\begin{{{environment}}}", r"\centering"]
    bold = rf"\textbf{{{latex_text(stop)}.}} " if stop else ""
    lines += [rf"\caption{{{bold}{latex_text(f'{table.title}. {_caption(table)}')}}}"]
    lines += [rf"\label{{tab:{table.name}}}", *([r"\resizebox{\textwidth}{!}{%"] if wide else [])]
    lines += [rf"\begin{{tabular}}{{rl{'r' * len(shown)}}}", r"\toprule"]
    lines += [rf"$\gamma$ & Model & {' & '.join(column.latex for column in shown)} \\"]
    before: object = ()  # no gamma is equal to it
    for row in table.rows:
        if row.gamma != before:
            lines.append(r"\midrule" if row.gamma is None or before == () else r"\addlinespace")
        before = row.gamma
        numbers = (latex_number(number(row.cells[c.key], c)) if c.key in row.cells else "" for c in shown)
        model = latex_text(objective_name(row.objective, kind))
        lines.append(rf"{_gamma(row, '--')} & {model} & {' & '.join(numbers)} \\")
    lines += [r"\bottomrule", r"\end{tabular}}" if wide else r"\end{tabular}"]
    changed = _deviations(table)
    lines += [rf"\par\smallskip\footnotesize Differs: {latex_text('; '.join(changed))}."] if changed else []
    return "\n".join([*lines, rf"\end{{{environment}}}"]) + "\n"


def _caption(table: TableView) -> str:
    seeds = max((cell.expected for cell in table.numbers if cell.gamma is not None), default=0)
    mean = f"mean ± s.e. over {seeds} seeds" if seeds > 1 else "one seed, so no s.e."
    parts = [f"Workspace: {table.label}", f"{mean[0].upper()}{mean[1:]}; {table.layout.units}"]
    cells = [cell for row in table.rows for cell in row.cells.values()]
    brackets = "[ ] printed in the paper"
    brackets += ", ± its s.e." if any(cell.paper_se is not None for cell in cells) else ""
    parts += [brackets] if any(cell.paper is not None for cell in cells) else []
    quoted = any(cell.aggregate == "quoted" for cell in cells)
    parts += ["DSAE*: of Li and Mandt (2018), as the paper quotes it"] if quoted else []
    parts += [table.note] if table.note and table.label == "paper" else []  # else the warning has it
    return ". ".join(part.rstrip(".") for part in parts) + "."


def _deviations(table: TableView) -> list[str]:
    found: dict[str, list[str]] = {}  # a deviation, and which cells have it
    for cell in table.numbers:
        for line in cell.deviations:
            found.setdefault(line, []).append(cell.address)
    total = len(table.numbers)
    return [line if len(on) == total else f"{line}: {', '.join(on)}" for line, on in found.items()]


def _gamma(row: Row, none: str) -> str:
    return none if row.gamma is None else gamma_text(row.gamma)


def _exact(value: float | None) -> str:
    return "" if value is None else repr(value)
