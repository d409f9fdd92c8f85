"""Stage figures: curves from cells, samples and voices from the embeddings; no metric is computed here."""

import numpy as np
from safetensors.numpy import load_file

from cmivae.data.prepare import load
from cmivae.data.tensors import read_tensors
from cmivae.evaluation.packing import unpack
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.results.canvas import save
from cmivae.results.cells import Cell, from_jsonl
from cmivae.results.curves import curves, plotted
from cmivae.results.figures import Panel, curve_figure, sample_records, samples_figure
from cmivae.results.render import config_title
from cmivae.study.params import Figure

SUBSET = 0  # of the mCAS subsets: the one whose decodes are shown
SHOWN = 10  # samples a row


def make(context: Context) -> None:
    """Write each figure as PDF, PNG and the CSV of what is drawn; voices as a folder of pages and sounds."""
    text = (context.workspace / "results/tables/cells.jsonl").read_text(encoding="utf-8")
    cells = from_jsonl(text)
    for name, figure in context.params.figures.items():
        if figure.kind == "curve":
            _curve(context, name, figure, cells)
        elif figure.kind == "samples":
            _samples(context, name, figure)
        else:
            from cmivae.stages.speech.voices import make_voices  # needs torch, which takes seconds to load

            make_voices(context, name, figure, cells)


def _curve(context: Context, name: str, figure: Figure, cells: list[Cell]) -> None:
    params = context.params
    table = figure.table or next(key for key, table in params.tables.items() if table.dataset == figure.dataset)
    found = curves(cells, table, figure.metric or "", layout=params.tables[table].layout, x=figure.x)
    drawn = curve_figure(found, title=figure.title, note=params.note, style=params.style)
    save(drawn, plotted(found), context.folder / name)


def _samples(context: Context, name: str, figure: Figure) -> None:
    params, panels = context.params, []
    prepared = load(context.workspace / "data/prepared" / figure.dataset)
    index = np.array(prepared.subsets["mcas"][SUBSET])
    labels = prepared.train_y[index]
    rows = [int(np.flatnonzero(labels == label)[0]) for label in np.unique(labels)]  # one image a class
    for key in figure.configs:
        record = context.input(f"runs/embed/{key}/s{params.seeds[0]}")
        title = config_title(params.configs[key])
        if record.status == "failed":
            log.error("figure %s: %s failed and has no samples", name, key)
            panels.append(Panel(f"{title}: FAILED", prepared.train_x[index[rows]], _empty(len(rows))))
            continue
        samples = read_tensors(record.path.parent / "samples.safetensors", load_file)
        decoded = unpack(samples["mcas"][SUBSET])  # (N, D, 28, 28)
        panels.append(Panel(title, prepared.train_x[index[rows]], decoded[rows, :SHOWN]))
    drawn = samples_figure(panels, title=figure.title, label=params.label, note=params.note, style=params.style)
    save(drawn, sample_records(panels, params.label), context.folder / name)


def _empty(rows: int) -> np.ndarray:
    return np.zeros((rows, SHOWN, 28, 28), dtype=np.uint8)
