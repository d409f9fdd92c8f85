"""Names in ``params.yaml`` to code: adding a reader, a model or an objective is one line here.

Targets are strings, so that a stage imports, and its code digest covers, only what its run uses.
"""

from importlib import import_module
from typing import Any

READERS = {
    "mnist": "cmivae.data.readers:read_mnist",
    "fashion-mnist": "cmivae.data.readers:read_mnist",
    "digits": "cmivae.data.digits:read_digits",
}
CORPORA = {
    "timit": "cmivae.data.timit:Timit",
    "manifest": "cmivae.data.manifest:Manifest",
    "librispeech": "cmivae.data.librispeech:LibriSpeech",
    "synth": "cmivae.data.synth:Synthetic",
}
SELF_SUPPLIED = ("digits", "synth")  # readers that bring or make their data, and copy none with ``fetch --from``
# Keys of a corpus's ``data`` block that some readers read, and which ones they do; a reader that is not here is taken
# to read all of them.
OF_READERS = ("splits", "parts", "synth", "use_sa")
CORPUS_KEYS = {"timit": ("use_sa",), "synth": ("synth", "use_sa"), "manifest": ("splits",), "librispeech": ("parts",)}
MODELS = {
    "pixelcnn_vae": "cmivae.models.pixelcnn_vae:PixelCnnVae",
    "dsae": "cmivae.models.dsae:Dsae",
}
OBJECTIVES = {
    "vanilla": "cmivae.objectives.objectives:Vanilla",
    "beta": "cmivae.objectives.objectives:Beta",
    "mi": "cmivae.objectives.objectives:Mi",
    "cmi": "cmivae.objectives.objectives:Cmi",
    # What the paper names as future work (docs/extensions.md).
    "cmi-alpha": "cmivae.objectives.extensions:CmiAlpha",
    "cmi-split": "cmivae.objectives.extensions:CmiSplit",
    "mi-mmd": "cmivae.objectives.extensions:MiMmd",
    "cmi-mmd": "cmivae.objectives.extensions:CmiMmd",
}
# Keys of a configuration beside gamma that an objective reads, and needs; one that is not here reads none.
OBJECTIVE_KEYS = {
    "cmi-alpha": ("alpha",),
    "cmi-split": ("weight_zs",),
    "mi-mmd": ("mmd_weight",),
    "cmi-mmd": ("mmd_weight",),
}
RUN_STAGES = ("train", "embed", "evaluate")  # upstream first; other stages are of a data set, or of the whole study
AT_GAMMA_ZERO = ("vanilla", "cmi-split")  # the others are vanilla there


def load(target: str) -> Any:
    """Import ``package.module:name`` and return the object."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
