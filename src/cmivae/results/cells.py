"""Cells: one record for each printed number, with the runs that it is made of.

Tables, figures and claims read cells only, so that a number without lineage cannot exist.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cmivae.errors import UserError
from cmivae.results.columns import LAYOUTS, OVERFIT, SLACK, Column, Layout
from cmivae.results.deviations import deviations, incomplete
from cmivae.results.printed import paper_se, paper_value
from cmivae.results.record import Cell, CellRun, from_jsonl, gamma_text, to_jsonl
from cmivae.results.stats import AGGREGATES
from cmivae.study.params import Config, Params, Table

__all__ = [
    "AGGREGATES",
    "Cell",
    "CellRun",
    "RunResult",
    "build_cells",
    "from_jsonl",
    "read_pointer",
    "to_jsonl",
]

ORDER = ("vanilla", "beta", "cmi", "mi")  # of rows with the same gamma, as in the paper


@dataclass(frozen=True)
class RunResult:
    """What one evaluated run says; the stage fills it from run.json and metrics.json."""

    folder: str  # runs/evaluate/{config}/s{seed}
    run_id: str
    metrics_sha256: str
    status: str  # complete or failed
    metrics: dict[str, Any]


def build_cells(
    params: Params,
    runs: Mapping[tuple[str, int], RunResult],
    baselines: Mapping[str, RunResult],
) -> list[Cell]:
    """All cells of the study's tables, in a fixed order.

    Args:
        params: the whole study.
        runs: by config key and seed; a run that is not there is missing.
        baselines: scores without a model, by data set.

    Raises:
        UserError: two configs have one address, or a metric is not a finite number.
    """
    cells = []
    for name, table in params.tables.items():
        baseline = baselines.get(table.dataset)
        notes = incomplete(params, table.dataset, baseline.metrics if baseline else {})
        notes += deviations(params, table.dataset)
        cells += _quoted_cells(params, name, table)
        cells += _model_cells(params, name, table, runs, notes)
        cells += _baseline_cells(params, name, table, baseline, notes)
    return cells


def _quoted_cells(params: Params, name: str, table: Table) -> list[Cell]:
    layout, cells = LAYOUTS[table.layout], []
    if table.paper is None:
        return []
    for row in layout.quoted:
        for column in layout.columns:
            paper = paper_value(table.paper, row, 0.0, column.key)
            if paper is not None:
                base = _base(params, name, table, row, None)
                cells.append(
                    Cell(
                        address=f"{name}[{row}].{column.key}", column=column.key, value=None, se=None, n=0, expected=0,
                        failed=(), missing=(), aggregate="quoted", runs=(), paper=paper, deviations=(), **base,
                    )
                )  # fmt: skip
    return cells


def _model_cells(
    params: Params, name: str, table: Table, runs: Mapping[tuple[str, int], RunResult], notes: tuple[str, ...]
) -> list[Cell]:
    cells: list[Cell] = []
    seen: dict[str, str] = {}
    for key, config in _rows(params, table):
        address = f"{name}[{config.variant},{gamma_text(config.gamma)}]"
        if address in seen:
            raise UserError(
                f"configs {seen[address]} and {key} are the same row of table {name}",
                where=f"params.yaml:configs.{key}",
                why=f"both are {address}, and an address means one number",
                fix="remove one of the two configs",
            )
        seen[address] = key
        results = {seed: runs.get((key, seed)) for seed in params.seeds}
        base = _base(params, name, table, config.variant, config.gamma)
        for column in LAYOUTS[table.layout].columns:
            printed = _printed(table, config, column)
            cell_notes = notes + _convergence(results, column) + _excess(results, column, LAYOUTS[table.layout])
            cells.append(_cell(column, results, cell_notes, address=address, **printed, **base))
    return cells


def _baseline_cells(
    params: Params, name: str, table: Table, result: RunResult | None, notes: tuple[str, ...]
) -> list[Cell]:
    cells = []
    for row in LAYOUTS[table.layout].baselines(params.datasets[table.dataset].data):
        base = _base(params, name, table, row.name, None)
        for column in row.columns:
            cells.append(_cell(column, {0: result}, notes, address=f"{name}[{row.name}]", paper=None, **base))
    return cells


def _base(params: Params, name: str, table: Table, row: str, gamma: float | None) -> dict[str, Any]:
    return {"table": name, "dataset": table.dataset, "objective": row, "gamma": gamma, "label": params.label}


def _printed(table: Table, config: Config, column: Column) -> dict[str, float | None]:
    if not table.paper:
        return {"paper": None}
    place = table.paper, config.variant, config.gamma, column.key
    return {"paper": paper_value(*place), "paper_se": paper_se(*place)}


def _cell(
    column: Column,
    results: Mapping[int, RunResult | None],
    notes: tuple[str, ...],
    *,
    address: str,
    **fields: Any,
) -> Cell:
    complete = [result for result in results.values() if result and result.status == "complete"]
    runs = tuple(_cell_run(result, column.pointer) for result in complete)
    values = [run.value for run in runs if run.value is not None]
    # Never an average over what is left: the seeds that fail are not a random draw.
    whole = len(values) == len(results)
    value, se = AGGREGATES[column.aggregate](values) if whole else (None, None)
    return Cell(
        address=f"{address}.{column.key}",
        column=column.key,
        value=value,
        se=se,
        n=len(values),
        expected=len(results),
        failed=tuple(seed for seed, result in results.items() if result and result.status == "failed"),
        missing=tuple(seed for seed, result in results.items() if result is None),
        aggregate=column.aggregate,
        runs=runs,
        deviations=notes,
        **fields,
    )


def _cell_run(result: RunResult, pointer: str) -> CellRun:
    value = read_pointer(result.metrics, pointer)
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x) for x in numbers):
        raise UserError(
            "a metric is not a finite number",
            where=f"{result.folder}/metrics.json:{pointer}",
            why=f"found {value!r}",
            fix="evaluate this run again; if it comes back, the training diverged",
        )
    value = tuple(value) if isinstance(value, list) else value
    return CellRun(result.folder, result.run_id, result.metrics_sha256, pointer, value)


def read_pointer(metrics: Mapping[str, Any], pointer: str) -> Any:
    """What stands at a JSON pointer such as "/mcas/mean", or None where nothing does."""
    value: Any = metrics
    for key in pointer.removeprefix("/").split("/"):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return value


def _convergence(results: Mapping[int, RunResult | None], column: Column) -> tuple[str, ...]:
    if not column.converged:
        return ()
    ran = ((seed, read_pointer(result.metrics, column.converged)) for seed, result in results.items() if result)
    stopped = [str(seed) for seed, converged in ran if converged is False]
    name = column.heading.partition(" (")[0]  # a mean and a max are of one classifier
    return (f"{name}: logistic regression stopped at max_iter (seeds {', '.join(stopped)})",) if stopped else ()


def _excess(results: Mapping[int, RunResult | None], column: Column, layout: Layout) -> tuple[str, ...]:
    """Seeds in which an estimate is above what bounds it: then its critic overfits, and the value says too much."""
    bound = layout.column(column.at_most)
    if bound is None:
        return ()
    over = []
    for seed, result in results.items():
        if result is not None and result.status == "complete":
            value, most = (_cell_run(result, each.pointer).value for each in (column, bound))
            if isinstance(value, int | float) and isinstance(most, int | float) and value > most + SLACK:
                over.append(str(seed))
    what = f"{column.heading} is over {bound.heading} + {SLACK} nats, which bounds it: {OVERFIT}"
    return (f"{what} (seeds {', '.join(over)})",) if over else ()


def _rows(params: Params, table: Table) -> list[tuple[str, Config]]:
    def place(item: tuple[str, Config]) -> tuple[float, int, str]:
        objective = item[1].variant
        return item[1].gamma, ORDER.index(objective) if objective in ORDER else len(ORDER), objective

    def wanted(config: Config) -> bool:
        chosen = table.gammas is None or any(math.isclose(config.gamma, gamma) for gamma in table.gammas)
        return config.dataset == table.dataset and chosen

    return sorted(((key, config) for key, config in params.configs.items() if wanted(config)), key=place)
