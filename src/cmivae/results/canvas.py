"""Drawing and saving with one style and no dates, so that the same data give the same bytes."""

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cmivae.provenance.io import atomic_path, write_text

WARNING = "#b00020"
# What would write the time or the version of a library into the file.
_METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
    "png": {"Software": None},
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Matplotlib's defaults and our style, whatever the user's own settings; undone at the end."""
    with mpl.rc_context(), as_file(files("cmivae.results") / "style.mplstyle") as style:
        mpl.rcdefaults()
        mpl.rc_file(style)
        yield


def new_figure(width: float, height: float, dpi: int) -> Figure:
    """An empty figure of ``width`` x ``height`` inches, without pyplot's global state."""
    figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, rows: Sequence[dict[str, Any]], stem: Path) -> list[Path]:
    """Write ``stem``.pdf, .png and .csv (the drawn data), each atomically; same figure, same bytes.

    Raises:
        UserError: the folder cannot be written.
    """
    paths = []
    for suffix, metadata in _METADATA.items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        with styled(), atomic_path(path) as temporary:
            figure.savefig(temporary, format=suffix, metadata=metadata)
        paths.append(path)
    path = stem.with_name(f"{stem.name}.csv")
    write_text(path, _csv(rows))
    return [*paths, path]


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
