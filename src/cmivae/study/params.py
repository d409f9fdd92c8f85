"""What ``params.yaml`` may say: every open choice of the paper is a named, checked key.

The models are frozen and strict: an unknown key, a wrong type, NaN or a value out of range is an error. Defaults
are the recommended choices; the alternatives of ``docs/deviations.md`` are the other values.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Rate = Annotated[float, Field(gt=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Strict(BaseModel):
    """Base of all parameter blocks: unknown keys refused, types not coerced, values frozen and finite."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Compute(Strict):
    """Where it is computed; nothing here changes what a run is."""

    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    threads: Annotated[int, Field(ge=1, le=64)] = 1  # CPU threads of one job; last bits may differ between counts
    jobs_per_gpu: Annotated[int, Field(ge=1, le=64)] = 1  # more share one device
    checkpoint_minutes: Annotated[float, Field(ge=0)] = 5.0  # between saves of a training; 0 saves at every step


class ImageData(Strict):
    """Raw images to binary splits (paper section 5.3; docs/protocol.md)."""

    source: str | None = None  # a folder with the raw files; null downloads them
    split_seed: Seed = 0
    valid_fraction: Fraction = 0.2  # of the official training part
    threshold: Fraction = 0.5  # grey value at or above it is 1
    n_train: Count | None = None  # null: all; a number makes a reduced run
    n_valid: Count | None = None
    n_test: Count | None = None
    subset_seed: Seed = 0
    probe_per_class: Count = 100  # labelled images a class for AoLR and AoSVM
    mcas_per_class: Count = 10  # labelled images a class in one mCAS subset
    mcas_subsets: Count = 10  # subsets drawn, shared by all runs


class PixelCnnVae(Strict):
    """PixelCNN-VAE (paper section 5.1, appendices B and I; docs/protocol.md)."""

    name: Literal["pixelcnn_vae"]
    z_dim: Count = 32
    encoder: Literal["resnet", "conv"] = "resnet"
    encoder_channels: Count = 64
    encoder_out: Count = 512
    channels: Count = 64
    kernels: Annotated[tuple[Annotated[int, Field(ge=3, le=27)], ...], Field(min_length=2)] = (
        7, 7, 7, 7, 7, 5, 5, 5, 5, 3, 3, 3, 3,
    )  # fmt: skip
    block: Literal["residual", "plain"] = "residual"
    cut: Count = 6  # s is the output of this layer (counted from 1); z joins after it
    z_inject: Literal["all_after", "once", "input"] = "all_after"
    z_maps: Count = 4
    long_skips: Literal["none", "within", "he"] = "none"


class Critic(Strict):
    """Critics of the density ratio (appendix I; docs/protocol.md)."""

    disc_input: Literal["s", "s_mean1", "s_1x1", "x"] = "s"
    channels: Count = 256
    hidden: Count = 400  # of the MI-VAE critic on z


class Train(Strict):
    """Optimisation (appendix G.2; docs/protocol.md)."""

    epochs: Count
    batch_size: Annotated[int, Field(ge=2)] = 50
    lr: Rate = 1e-4
    critic_lr: Rate = 1e-3
    adam_betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    critic_steps: Count = 2  # critic steps a VAE step
    d_batch: Literal["same", "fresh"] = "same"
    clip: Annotated[float, Field(ge=0)] = 5.0  # gradient norm; 0 is off
    select: Literal["objective", "beta_elbo", "last"] = "objective"
    online_estimator: bool = True  # train the estimator of I(z;s) beside the VAE
    precision: Literal["float32", "bf16"] = "float32"  # bf16 is faster on a GPU, and another result


class Posthoc(Strict):
    """Post-hoc estimator of I(z;s): fresh critics on the frozen model (docs/protocol.md)."""

    inits: Annotated[int, Field(ge=0)] = 3  # 0 leaves the post-hoc estimate out
    epochs: Count = 50
    patience: Count = 5  # epochs without a better validation loss
    n_train: Count | None = None


class Embed(Strict):
    """What is computed with the weights: latents, likelihood terms, critics, decoded images."""

    eval_seed: Seed = 0
    decodes: Count = 10  # stochastic decodes a z in mCAS
    mcas_z: Literal["mean", "sample"] = "mean"
    posthoc: Posthoc = Posthoc()


class Evaluate(Strict):
    """Classifiers of AoLR, AoSVM and mCAS (docs/protocol.md)."""

    c: Annotated[float, Field(gt=0)] = 1.0
    max_iter: Count = 1000
    svm_gamma: Literal["scale", "auto"] = "scale"


class Dataset(Strict):
    """One data set, the model for it and how that is trained and evaluated.

    All blocks must be there, if empty (``critic: {}``), since ``dvc.yaml`` names them.
    """

    reader: Name
    data: ImageData
    model: PixelCnnVae
    critic: Critic
    train: Train
    embed: Embed
    evaluate: Evaluate


class Config(Strict):
    """One configuration of the study; each is run once a seed."""

    dataset: Name
    objective: Name
    gamma: Annotated[float, Field(ge=0, lt=1)]  # beta = 1 - gamma


class Table(Strict):
    """One table of results: the runs of one data set, a row a configuration."""

    title: str
    dataset: Name
    paper: Literal["table4", "table5"] | None = None  # printed table to show beside ours


class Figure(Strict):
    """One figure: a metric against KL(z), or a grid of samples."""

    title: str
    kind: Literal["curve", "samples"]
    dataset: Name
    metric: Literal["mcas", "aolr", "mcas_svm", "aosvm", "i_zs"] | None = None  # of a curve
    configs: tuple[Name, ...] = ()  # of a grid of samples


class Style(Strict):
    """How figures look; changing it remakes figures only."""

    dpi: Annotated[int, Field(ge=50, le=1200)] = 200
    width: Annotated[float, Field(gt=1, le=30)] = 5.0  # inches
    height: Annotated[float, Field(gt=1, le=30)] = 3.6  # inches


class Params(Strict):
    """A whole ``params.yaml``: one workspace, one study."""

    label: Name  # printed in every table; only the root workspace may say "paper"
    note: str  # one line on what is reduced or synthetic, printed under every table
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    compute: Compute = Compute()
    datasets: Annotated[dict[Name, Dataset], Field(min_length=1)]
    configs: Annotated[dict[Name, Config], Field(min_length=1)]
    tables: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")], Table]
    figures: dict[Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")], Figure]
    style: Style
