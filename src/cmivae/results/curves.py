"""The points of Figures 3 a to d and 4 from cells: a metric against KL(z) or beta, ours and the paper's."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cmivae.errors import UserError
from cmivae.results.cells import ORDER
from cmivae.results.columns import LAYOUTS, Column, Layout
from cmivae.results.record import REMAKE, Cell, gamma_text


@dataclass(frozen=True)
class Point:
    """One configuration: KL(z) in nats, or beta, and the metric, each with its standard error or None."""

    objective: str
    gamma: float
    x: float
    y: float
    x_se: float | None
    y_se: float | None


@dataclass(frozen=True)
class Baseline:
    """The metric without a model, such as of real pixels; ``sd`` over labelled subsets, or None."""

    row: str
    value: float
    sd: float | None


@dataclass(frozen=True)
class Curves:
    """Everything that a panel of Figure 3 or Figure 4 shows, and what it cannot show."""

    layout: Layout
    x: Literal["kl_z", "beta"]
    metric: Column
    label: str
    ours: tuple[Point, ...]
    paper: tuple[Point, ...]
    baseline: Baseline | None
    left_out: tuple[str, ...]  # with the reason


def curves(
    cells: Iterable[Cell],
    table: str,
    metric: str,
    *,
    layout: str = "image",
    x: Literal["kl_z", "beta"] = "kl_z",
) -> Curves:
    """Collect the points of ``metric`` against KL(z) or beta = 1 - gamma from the cells of ``table``.

    Raises:
        UserError: there is no cell of this table, or it has no such column.
    """
    rows: dict[tuple[str, float | None], dict[str, Cell]] = {}
    for cell in cells:
        if cell.table == table:
            rows.setdefault((cell.objective, cell.gamma), {})[cell.column] = cell
    if not rows:
        raise UserError(f"table {table} has no cells", where=f"params.yaml:tables.{table}", fix=REMAKE)
    column = LAYOUTS[layout].column(metric)
    if column is None:
        why, fix = f"its layout is {layout}", "name another metric, or a table with that column"
        raise UserError(f"table {table} has no column {metric!r}", where="params.yaml:figures", why=why, fix=fix)
    ours, paper, left_out, baseline = [], [], [], None
    for (objective, gamma), row in rows.items():
        if gamma is None:
            baseline = baseline or _baseline(objective, row, metric)
            continue
        own, printed, problem = _points(objective, gamma, row, metric, x)
        ours += own
        paper += printed
        left_out += [problem] if problem else []
    label = next(iter(next(iter(rows.values())).values())).label
    return Curves(LAYOUTS[layout], x, column, label, tuple(ours), tuple(paper), baseline, tuple(left_out))


def _points(
    objective: str, gamma: float, row: Mapping[str, Cell], metric: str, x: str
) -> tuple[list[Point], list[Point], str]:
    """Our point and the printed one, where there are such, and why there is none of ours."""
    y = row[metric]
    beta = round(1 - gamma, 10)
    ours: tuple[float | None, float | None] = (beta, None)
    paper, problem = ours, y.problem
    if x != "beta":
        across = row[x]
        problem = y.problem or across.problem
        ours, paper = (across.value, across.se), (across.paper, across.paper_se)
    own = [] if problem else _point(objective, gamma, ours, (y.value, y.se))
    printed = _point(objective, gamma, paper, (y.paper, y.paper_se))
    return own, printed, f"{objective} γ {gamma_text(gamma)} {problem}" if problem else ""


def _point(
    objective: str, gamma: float, x: tuple[float | None, float | None], y: tuple[float | None, float | None]
) -> list[Point]:
    """One point of two numbers with their standard errors; none where one of the two is not there."""
    return [] if x[0] is None or y[0] is None else [Point(objective, gamma, x[0], y[0], x[1], y[1])]


def lines(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Points by objective and rising gamma; each line starts at vanilla, where all objectives are one."""
    by_objective: dict[str, list[Point]] = {}
    for point in sorted(points, key=lambda p: (p.gamma, p.objective)):
        by_objective.setdefault(point.objective, []).append(point)
    start = by_objective.pop("vanilla", [])
    names = sorted(by_objective, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))
    joined = {name: start + by_objective[name] for name in names}
    return joined or ({"vanilla": start} if start else {})


def plotted(found: Curves) -> list[dict[str, Any]]:
    """One record for each drawn point, for the CSV beside the figure."""
    records = []
    for source, points in (("ours", found.ours), ("paper", found.paper)):
        for p in points:
            records.append(_record(found, source, p.objective, p.gamma, (p.x, p.x_se, p.y, p.y_se)))
    if found.baseline:
        values = None, None, found.baseline.value, found.baseline.sd
        records.append(_record(found, "baseline", found.baseline.row, None, values))
    return records


def _record(
    found: Curves, source: str, objective: str, gamma: float | None, values: tuple[float | None, ...]
) -> dict[str, Any]:
    x, x_se, y, y_se = values
    # The spread of the baseline is over subsets, not over seeds: another column would be read as if it were.
    spread = {"metric_se": y_se, "metric_sd": None} if gamma is not None else {"metric_se": None, "metric_sd": y_se}
    record = {"label": found.label, "source": source, "objective": objective, "gamma": gamma}
    across = {"beta": x} if found.x == "beta" else {"kl_z": x, "kl_z_se": x_se}
    return record | across | {"metric": found.metric.key, "value": y} | spread


def _baseline(row: str, cells: dict[str, Cell], metric: str) -> Baseline | None:
    value = cells[metric].value if metric in cells else None
    if value is None:
        return None
    spread = cells.get(f"{metric}.sd")
    return Baseline(row, value, spread.value if spread else None)
