"""Stage prepare for speech: normalised frames, segments, trials and the segments of VC-mCAS."""

from pathlib import Path

import torch

from cmivae.data.corpus import load_index
from cmivae.data.speech import prepare
from cmivae.data.validation import with_validation
from cmivae.provenance.context import Context
from cmivae.training.devices import set_up


def make(context: Context) -> None:
    """Read the indexed audio, each file checked by its hash, and write the prepared corpus."""
    set_up(torch.device("cpu"), context.params.compute.threads)  # also where trainings are to run on a GPU
    raw = context.input(f"data/raw/{context.dataset_name}")
    source = context.speech.data.source or raw.values["source"]  # as params say now, or as it was indexed
    root = (context.workspace / Path(source).expanduser()).absolute()
    if root.is_file():  # a manifest: paths are relative to its folder
        root = root.parent
    utterances = with_validation(load_index(raw.path.parent), context.speech.data)
    prepare(utterances, root, context.speech.data, context.folder, context.params.compute.threads)
