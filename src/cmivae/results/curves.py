"""The points of Figure 3 a to d from cells: a metric against KL(z), ours and the paper's."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cmivae.errors import UserError
from cmivae.results.cells import ORDER
from cmivae.results.columns import COLUMNS, Column
from cmivae.results.record import Cell, gamma_text


@dataclass(frozen=True)
class Point:
    """One configuration: KL(z) in nats and the metric, each with its standard error or None."""

    objective: str
    gamma: float
    x: float
    y: float
    x_se: float | None
    y_se: float | None


@dataclass(frozen=True)
class Baseline:
    """The same classifier on real pixels; ``sd`` over labelled subsets, or None."""

    row: str
    value: float
    sd: float | None


@dataclass(frozen=True)
class Curves:
    """Everything that a panel of Figure 3 shows, and what it cannot show."""

    metric: Column
    label: str
    ours: tuple[Point, ...]
    paper: tuple[Point, ...]
    baseline: Baseline | None
    left_out: tuple[str, ...]  # with the reason


def curves(cells: Iterable[Cell], table: str, metric: str) -> Curves:
    """Collect the points of ``metric`` against KL(z) from the cells of ``table``.

    Raises:
        UserError: there is no cell of this table.
    """
    rows: dict[tuple[str, float | None], dict[str, Cell]] = {}
    for cell in cells:
        if cell.table == table:
            rows.setdefault((cell.objective, cell.gamma), {})[cell.column] = cell
    if not rows:
        raise UserError(f"table {table} has no cells", fix="run the collect stage again")
    ours, paper, left_out, baseline = [], [], [], None
    for (objective, gamma), row in rows.items():
        if gamma is None:
            baseline = _baseline(objective, row, metric) or baseline
            continue
        x, y = row["kl_z"], row[metric]
        if x.value is not None and y.value is not None:
            ours.append(Point(objective, gamma, x.value, y.value, x.se, y.se))
        else:
            left_out.append(f"{objective} γ {gamma_text(gamma)} {y.problem or x.problem}")
        if x.paper is not None and y.paper is not None:
            paper.append(Point(objective, gamma, x.paper, y.paper, None, None))
    label = next(iter(next(iter(rows.values())).values())).label
    column = next(column for column in COLUMNS if column.key == metric)
    return Curves(column, label, tuple(ours), tuple(paper), baseline, tuple(left_out))


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
    return record | {"kl_z": x, "kl_z_se": x_se, "metric": found.metric.key, "value": y} | spread


def _baseline(row: str, cells: dict[str, Cell], metric: str) -> Baseline | None:
    if metric not in cells or cells[metric].value is None:
        return None
    spread = cells.get(f"{metric}.sd")
    return Baseline(row, cells[metric].value, spread.value if spread else None)
