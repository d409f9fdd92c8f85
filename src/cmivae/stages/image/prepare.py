"""Stage prepare for images: binary images, fixed splits and the index lists that all runs share."""

from cmivae.data.prepare import prepare, save
from cmivae.provenance.context import Context
from cmivae.registry import READERS, load


def make(context: Context) -> None:
    """Read the raw files and write ``images.safetensors`` and ``subsets.json``."""
    read = load(READERS[context.image.reader])
    grey = read(context.workspace / "data/raw" / context.dataset_name)
    save(prepare(grey, context.image.data), context.folder)
