"""Stage fetch for images: the raw files of a data set, by content hash."""

from pathlib import Path

from cmivae.data.fetch import fetch
from cmivae.provenance.context import Context


def make(context: Context) -> None:
    """Download, or copy from the ``source`` folder, into ``data/raw/<dataset>``."""
    source = context.source or context.dataset.data.source
    if source is not None and context.source is None:  # a path in params is relative to the workspace
        source = str(context.workspace / Path(source).expanduser())
    fetch(context.dataset.reader, context.folder, source)
