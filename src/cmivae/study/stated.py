"""What the paper states, value by value: a workspace labelled ``paper`` may change none of it.

What the paper leaves open is not here and stays free (docs/deviations.md, D numbers); nor are ``seeds``, whose number
every cell carries and every comparison reckons with. Each value is also the default of its key, except ``epochs``,
which have none.
"""

from dataclasses import dataclass
from typing import Any

MASKED = (7, 7, 7, 7, 7, 5, 5, 5, 5, 3, 3, 3, 3)


@dataclass(frozen=True)
class Stated:
    """One value of the paper.

    ``key`` is of a data set's block. ``size`` marks what every data set of such a workspace has to keep, whatever it
    reads: with less, a run is a reduced one.
    """

    key: str
    value: Any
    section: str  # of the paper, with the number of docs/deviations.md where it is our reading
    size: bool = False


STATED: dict[str, tuple[Stated, ...]] = {
    "image": (
        Stated("data.n_train", None, "App. G.2: 80% of the train subset", size=True),
        Stated("data.n_valid", None, "App. G.2: 20% of the train subset", size=True),
        Stated("data.n_test", None, "Sec. 5.3: the test data", size=True),
        Stated("train.epochs", 300, "App. G.2", size=True),
        Stated("data.valid_fraction", 0.2, "App. G.2"),
        Stated("data.threshold", 0.5, "App. G.2"),
        Stated("data.probe_per_class", 100, "Sec. 5.3: 1000 training samples"),
        Stated("data.mcas_per_class", 10, "Sec. 5.3: 100 real images"),
        Stated("model.name", "pixelcnn_vae", "Sec. 5.1"),
        Stated("model.z_dim", 32, "Sec. 5.1"),
        Stated("model.kernels", MASKED, "App. B: 13 layers"),
        Stated("model.channels", 64, "App. B: 64 feature maps"),
        Stated("model.z_maps", 4, "App. B: (28, 28, 4) feature maps"),
        Stated("critic.channels", 256, "App. I"),
        Stated("critic.hidden", 400, "App. I: Linear (z-dim, 400)"),
        Stated("critic.spectral_norm", False, "App. I: BatchNorm"),
        Stated("train.lr", 0.0001, "App. G.2"),
        Stated("train.critic_lr", 0.001, "App. G.2"),
        Stated("train.critic_steps", 2, "App. G.2: updated twice"),
        Stated("train.select", "objective", "App. G.2: when the objective for validation was maximized; D25"),
        Stated("embed.decodes", 10, "Sec. 5.3: 10 images for every z"),
    ),
    "speech": (
        Stated("data.max_trials", None, "Sec. 5.2: the test utterances, all pairs; D7", size=True),
        Stated("train.epochs", 6000, "App. G.1", size=True),
        Stated("data.win_length", 400, "App. G.1: 25 ms"),
        Stated("data.hop_length", 160, "App. G.1: 10 ms"),
        Stated("data.n_fft", 400, "App. G.1: 201 dimensional"),
        Stated("data.segment", 20, "App. G.1: T = 20"),
        Stated("data.valid_fraction", 0.1, "App. G.1"),
        Stated("data.vc_segments", 500, "App. J: 250 samples of each sex"),
        Stated("model.name", "dsae", "Sec. 5.2"),
        Stated("model.z_dim", 64, "App. G.1"),
        Stated("model.s_dim", 64, "App. G.1"),
        Stated("critic.channels", 256, "App. I"),
        Stated("critic.spectral_norm", False, "App. I: BatchNorm"),
        Stated("train.lr", 0.0002, "App. G.1"),
        Stated("train.critic_lr", 0.002, "App. G.1"),
        Stated("train.critic_steps", 2, "App. G.1: updated twice"),
    ),
}
# What stands for the paper's data, and the reader that each printed table is of.
PAPER_READERS = {"image": ("mnist", "fashion-mnist"), "speech": ("timit",)}
TABLE_READERS = {
    "table1": "timit", "table2": "timit", "table3": "timit", "table4": "mnist", "table5": "fashion-mnist",
}  # fmt: skip
PAPER_EPOCHS = {kind: each.value for kind, all_ in STATED.items() for each in all_ if each.key == "train.epochs"}
