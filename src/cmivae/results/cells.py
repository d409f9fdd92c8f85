"""Cells: one record for each printed number, with the runs that it is made of.

Tables, figures and claims read cells only, so that a number without lineage cannot exist.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cmivae.errors import UserError
from cmivae.results.columns import BASELINE, COLUMNS, Column, baseline_rows
from cmivae.results.deviations import deviations
from cmivae.results.printed import paper_value
from cmivae.results.record import Cell, CellRun, from_jsonl, gamma_text, to_jsonl
from cmivae.results.stats import mean_se, sd
from cmivae.study.params import Params, Table

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
    status: Literal["complete", "failed"]
    metrics: dict[str, Any]


Aggregated = tuple[float | None, float | None]  # value, standard error


def _mean(values: Sequence[Any]) -> Aggregated:
    return mean_se(values)[:2]


def _minus_mean(values: Sequence[Any]) -> Aggregated:
    return mean_se([-value for value in values])[:2]


def _sd(values: Sequence[Any]) -> Aggregated:
    (subsets,) = values  # of the one baseline run
    return (sd(subsets) if len(subsets) > 1 else None), None


AGGREGATES: dict[str, Callable[[Sequence[Any]], Aggregated]] = {
    "mean": _mean,
    "minus mean": _minus_mean,  # Tables 4 and 5 print the negative ELBO
    "sd": _sd,  # over the labelled subsets of the baseline
}


def build_cells(
    params: Params,
    runs: Mapping[tuple[str, int], RunResult],
    baselines: Mapping[str, RunResult],
) -> list[Cell]:
    """All cells of the study's tables, in a fixed order.

    Args:
        params: the whole study.
        runs: by config key and seed; a run that is not there is missing.
        baselines: classifiers on real pixels, by data set.

    Raises:
        UserError: two configs have one address, or a metric is not a finite number.
    """
    cells = []
    for name, table in params.tables.items():
        cells += _model_cells(params, name, table, runs)
        cells += _baseline_cells(params, name, table, baselines.get(table.dataset))
    return cells


def _model_cells(params: Params, name: str, table: Table, runs: Mapping[tuple[str, int], RunResult]) -> list[Cell]:
    cells, seen = [], {}
    notes = deviations(params, table.dataset)
    for key, config in _rows(params, table.dataset):
        address = f"{name}[{config.objective},{gamma_text(config.gamma)}]"
        if address in seen:
            raise UserError(
                f"configs {seen[address]} and {key} are the same row of table {name}",
                where=f"params.yaml:configs.{key}",
                why=f"both are {address}, and an address means one number",
                fix="remove one of the two configs",
            )
        seen[address] = key
        results = {seed: runs.get((key, seed)) for seed in params.seeds}
        base = {
            "table": name,
            "dataset": table.dataset,
            "objective": config.objective,
            "gamma": config.gamma,
            "label": params.label,
        }
        for column in COLUMNS:
            paper = paper_value(table.paper, config.objective, config.gamma, column.key) if table.paper else None
            cell_notes = notes + _convergence(results, column)
            cells.append(_cell(column, results, cell_notes, address=address, paper=paper, **base))
    return cells


def _baseline_cells(params: Params, name: str, table: Table, result: RunResult | None) -> list[Cell]:
    counts = baseline_rows(params.datasets[table.dataset].data)
    notes = deviations(params, table.dataset)
    cells = []
    for column in BASELINE:
        row = f"real{counts[column.key.split('.')[0]]}"
        base = {
            "table": name,
            "dataset": table.dataset,
            "objective": row,
            "gamma": None,
            "label": params.label,
        }
        cells.append(_cell(column, {0: result}, notes, address=f"{name}[{row}]", paper=None, **base))
    return cells


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
    if column.key != "aolr":
        return ()
    ran = ((seed, read_pointer(result.metrics, "/aolr/converged")) for seed, result in results.items() if result)
    stopped = [str(seed) for seed, converged in ran if converged is False]
    return (f"AoLR: logistic regression stopped at max_iter (seeds {', '.join(stopped)})",) if stopped else ()


def _rows(params: Params, dataset: str) -> list[tuple[str, Any]]:
    def place(item: tuple[str, Any]) -> tuple[float, int, str]:
        objective = item[1].objective
        return item[1].gamma, ORDER.index(objective) if objective in ORDER else len(ORDER), objective

    return sorted(((k, c) for k, c in params.configs.items() if c.dataset == dataset), key=place)
