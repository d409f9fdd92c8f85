"""Stage tables: from the study's runs to cells, and from cells to CSV, Markdown and LaTeX."""

from collections.abc import Iterable

from cmivae.provenance.context import Context
from cmivae.provenance.io import read_json, write_text
from cmivae.provenance.ledger import Record
from cmivae.results.cells import Cell, RunResult, build_cells, to_jsonl
from cmivae.results.tables import TableView, to_csv, to_latex, to_markdown, view
from cmivae.results.views import dvc_views
from cmivae.study.params import Params
from cmivae.study.runs import expand

WRITERS = {"csv": to_csv, "md": to_markdown, "tex": to_latex}


def make(context: Context) -> None:
    """Write ``cells.jsonl`` and each table in three formats; runs are those of the study, never found by globbing."""
    runs = {
        (run.key, run.seed): result(context.input(f"runs/evaluate/{run.name}"))
        for run in expand(context.params)
        if f"runs/evaluate/{run.name}" in context.artefact.inputs
    }
    names = {table.dataset for table in context.params.tables.values()}
    baselines = {name: result(context.input(f"runs/baseline/{name}")) for name in sorted(names)}
    cells = build_cells(context.params, runs, baselines)
    write_text(context.folder / "cells.jsonl", to_jsonl(cells))
    for name, text in dvc_views(cells).items():
        write_text(context.folder / name, text)
    for table in views(context.params, cells):
        for suffix, writer in WRITERS.items():
            write_text(context.folder / f"{table.name}.{suffix}", writer(table))


def result(record: Record) -> RunResult:
    """What a run's record and metrics say."""
    failed = record.status == "failed"
    metrics = {} if failed else read_json(record.path.parent / "metrics.json")
    sha256 = "" if failed else record.files()["metrics.json"]["sha256"]
    return RunResult(record.values["folder"], record.run_id, sha256, record.status, metrics)


def views(params: Params, cells: Iterable[Cell]) -> list[TableView]:
    """The tables of a study, ready to be written."""
    cells = list(cells)
    return [
        view(cells, name, title=table.title, note=params.note, layout=table.layout)
        for name, table in params.tables.items()
    ]
