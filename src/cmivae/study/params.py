"""What ``params.yaml`` may say: every open choice of the paper is a named, checked key.

The models are frozen and strict: an unknown key, a wrong type, NaN or a value out of range is an error. Defaults
are the recommended choices; the alternatives of ``docs/deviations.md`` are the other values.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from cmivae.registry import CORPORA, OBJECTIVE_KEYS, READERS
from cmivae.study.brought import ModelOf

Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1, le=10**9)]
Several = Annotated[int, Field(ge=2, le=10**9)]  # items: a single one cannot be paired with another
Width = Annotated[int, Field(ge=1, le=2**16)]  # of a layer, in units or samples
Batch = Annotated[int, Field(ge=2, le=2**20)]
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
    graph: bool = False  # launch each training step as one CUDA graph; never run on a GPU yet (docs/performance.md)


class ImageData(Strict):
    """Raw images to binary splits (paper section 5.3; docs/protocol.md)."""

    source: str | None = None  # a folder with the raw files; null downloads them
    split_seed: Seed = 0
    valid_fraction: Fraction = 0.2  # of the official training part
    threshold: Fraction = 0.5  # grey value at or above it is 1
    n_train: Several | None = None  # null: all; a number makes a reduced run
    n_valid: Several | None = None
    n_test: Several | None = None
    subset_seed: Seed = 0
    probe_per_class: Count = 100  # labelled images a class for AoLR and AoSVM
    mcas_per_class: Count = 10  # labelled images a class in one mCAS subset
    mcas_subsets: Count = 10  # subsets drawn, shared by all runs


class Synth(Strict):
    """Size and sound of the synthetic corpus (reader ``synth``; docs/speech-data.md)."""

    train_speakers: Annotated[int, Field(ge=1, le=4000)] = 24  # every other one a woman
    test_speakers: Annotated[int, Field(ge=1, le=2000)] = 10
    core_speakers: Count = 6  # of the test speakers
    sentences: Annotated[int, Field(ge=1, le=8)] = 8  # a speaker: SX and SI, beside the two SA
    seconds: Annotated[float, Field(ge=0.5, le=10)] = 2.0  # of a sentence, about
    spread: Annotated[float, Field(gt=0, le=4)] = 1.6  # how much speakers differ
    seed: Seed = 0


class SpeechData(Strict):
    """A corpus to log-magnitude frames, segments and lists of the metrics (section 5.2; docs/protocol-speech.md)."""

    source: str | None = None  # timit, librispeech: the corpus's folder; manifest: its CSV file
    splits: dict[str, Literal["train", "valid", "test", "core", "skip"]] = {}  # manifest: what its split names mean
    parts: tuple[str, str] = ("train-clean-100", "test-clean")  # librispeech: to train, to test
    synth: Synth = Synth()
    use_sa: bool = False  # TIMIT's two sentences that all speakers read
    win_length: Width = 400  # samples at 16 kHz: 25 ms
    hop_length: Width = 160  # 10 ms
    n_fft: Annotated[int, Field(ge=16, le=4096)] = 400  # n_fft // 2 + 1 = 201 bins
    window: Literal["hann", "sqrt_hann", "hamming"] = "hann"
    pre_emphasis: Annotated[float, Field(ge=0, lt=1)] = 0.0
    log: Literal["ln", "db"] = "ln"  # natural log, or 20 log10
    floor: Annotated[float, Field(gt=0, lt=1)] = 1.0e-5  # of the magnitude; the waveform is in [-1, 1]
    norm: Literal["minmax", "mvn", "none"] = "minmax"  # global [0, 1]; mean and variance a bin; as it is
    framing: Literal["utterance", "wave_padend", "center_drop"] = "utterance"  # how 200 ms give 20 frames
    segment: Annotated[int, Field(ge=8, le=2**16)] = 20  # frames; the critic halves them three times
    segments: Literal["fixed", "random"] = "fixed"  # of training: one after the other, or redrawn each epoch
    val: Literal["speaker", "utterance", "kaldi_dev"] = "speaker"  # what the validation part is drawn by
    valid_fraction: Fraction = 0.1  # of the training part
    split_seed: Seed = 0
    subset_seed: Seed = 0
    max_trials: Count | None = None  # null: all pairs of test utterances
    vc_segments: Annotated[int, Field(ge=2, le=10**9, multiple_of=2)] = (
        500  # converted, and real ones to test on; half of each sex
    )


class PixelCnnVae(Strict):
    """PixelCNN-VAE (paper section 5.1, appendices B and I; docs/protocol.md)."""

    name: Literal["pixelcnn_vae"]
    z_dim: Width = 32
    encoder: Literal["resnet", "conv"] = "resnet"
    encoder_channels: Width = 64
    encoder_out: Width = 512
    channels: Width = 64
    kernels: Annotated[tuple[Annotated[int, Field(ge=3, le=27)], ...], Field(min_length=2, max_length=200)] = (
        7, 7, 7, 7, 7, 5, 5, 5, 5, 3, 3, 3, 3,
    )  # fmt: skip
    block: Literal["residual", "plain"] = "residual"
    cut: Count = 6  # s is the output of this layer (counted from 1); z joins after it
    z_inject: Literal["all_after", "once", "input"] = "all_after"
    z_maps: Width = 4
    long_skips: Literal["none", "within", "he"] = "none"


class Dsae(Strict):
    """DSAE, "full q" (paper sections 3.1 and 5.2; docs/protocol-speech.md)."""

    name: Literal["dsae"]
    z_dim: Width = 64
    s_dim: Width = 64
    hidden: Width = 256
    q_s: Literal["rnn", "ar"] = "rnn"  # ar also feeds the sampled s_(t-1) to q(s_t)
    prior: Literal["lstm", "markov"] = "lstm"  # p(s_t | s_<t), or p(s_t | s_(t-1))
    var: Literal["bin", "scalar", "net"] = "bin"  # the decoder's variance: one a bin, one, or an output
    min_logvar: Annotated[float, Field(ge=-30, le=0)] = -12.0  # of the decoder


class Critic(Strict):
    """Critics of the density ratio (appendix I; docs/protocol.md)."""

    disc_input: Literal["s", "s_mean1", "s_1x1", "x"] = "s"
    channels: Width = 256
    hidden: Width = 400  # of the MI-VAE critic on z
    spectral_norm: bool = False  # in place of batch normalisation (docs/extensions.md)


class SpeechCritic(Strict):
    """Critic on (z, s) of speech (appendix I): l = c cos(e(s), z)."""

    disc_input: Literal["s", "x"] = "s"
    channels: Width = 256
    hidden: Width = 400  # of the MI-VAE critic on z
    scale_init: Annotated[float, Field(gt=0)] = 10.0  # c at the start; it is learned
    spectral_norm: bool = False  # in place of batch normalisation (docs/extensions.md)


class Train(Strict):
    """Optimisation (appendix G.2; docs/protocol.md)."""

    epochs: Count
    batch_size: Batch = 50
    lr: Rate = 1e-4
    critic_lr: Rate = 1e-3
    adam_betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    critic_steps: Count = 2  # critic steps a VAE step
    d_batch: Literal["same", "fresh"] = "same"
    clip: Annotated[float, Field(ge=0)] = 5.0  # gradient norm; 0 is off
    select: Literal["objective", "beta_elbo", "last"] = "objective"
    valid_every: Count = 1  # epochs between validations; the last epoch has one too
    online_estimator: bool = True  # train the estimator of I(z;s) beside the VAE
    precision: Literal["float32", "bf16"] = "float32"  # bf16 is faster on a GPU, and another result
    compile: bool = False  # torch.compile of training steps: for a GPU; a minute or more a job, and other bits


class SpeechTrain(Train):
    """Optimisation of DSAE (section 5.2; docs/protocol-speech.md)."""

    batch_size: Batch = 256
    lr: Rate = 2e-4
    critic_lr: Rate = 2e-3
    clip: Annotated[float, Field(ge=0)] = 0.0
    select: Literal["objective", "beta_elbo", "last"] = "last"
    valid_every: Count = 10


class Posthoc(Strict):
    """Post-hoc estimator of I(z;s): fresh critics on the frozen model (docs/protocol.md)."""

    inits: Annotated[int, Field(ge=0, le=1000)] = 3  # 0 leaves the post-hoc estimate out
    epochs: Count = 50
    patience: Count = 5  # epochs without a better validation loss
    n_train: Several | None = None


class Embed(Strict):
    """What is computed with the weights: latents, likelihood terms, critics, decoded images."""

    eval_seed: Seed = 0
    decodes: Count = 10  # stochastic decodes a z in mCAS
    mcas_z: Literal["mean", "sample"] = "mean"
    posthoc: Posthoc = Posthoc()


class SpeechEmbed(Strict):
    """What is computed with the weights: latents, likelihood terms, critics, converted speech."""

    eval_seed: Seed = 0
    posthoc: Posthoc = Posthoc()
    voices: Annotated[int, Field(ge=0, le=50)] = 4  # pairs of test utterances that are converted to listen to


class Evaluate(Strict):
    """Classifiers of AoLR, AoSVM and mCAS (docs/protocol.md)."""

    c: Annotated[float, Field(gt=0)] = 1.0
    max_iter: Count = 1000
    svm_gamma: Literal["scale", "auto"] = "scale"


class SpeechEvaluate(Strict):
    """Classifier of VC-mCAS (docs/protocol-speech.md)."""

    c: Annotated[float, Field(gt=0)] = 1.0
    max_iter: Count = 1000


class ImageDataset(Strict):
    """One data set of images, the model for it and how that is trained and evaluated.

    All blocks must be there, if empty (``critic: {}``), since ``dvc.yaml`` names them.
    """

    reader: Name
    data: ImageData
    model: Annotated[PixelCnnVae, ModelOf(PixelCnnVae)]
    critic: Critic
    train: Train
    embed: Embed
    evaluate: Evaluate

    @property
    def kind(self) -> str:
        """Which stages make it: ``cmivae.stages.<kind>``."""
        return "image"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item: a binary image."""
        return 1, 28, 28


class SpeechDataset(Strict):
    """One corpus of speech, the model for it and how that is trained and evaluated; blocks as in ``ImageDataset``."""

    reader: Name
    data: SpeechData
    model: Annotated[Dsae, ModelOf(Dsae)]
    critic: SpeechCritic
    train: SpeechTrain
    embed: SpeechEmbed
    evaluate: SpeechEvaluate

    @property
    def kind(self) -> str:
        """Which stages make it: ``cmivae.stages.<kind>``."""
        return "speech"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one item: a segment, (T, F)."""
        return self.data.segment, self.data.n_fft // 2 + 1


def _kind(values: Any) -> str:
    """Whether a data set is of images or of speech: its reader says so, or else its model."""
    if isinstance(values, ImageDataset | SpeechDataset):
        return values.kind
    reader, model = (values.get(key) if isinstance(values, dict) else None for key in ("reader", "model"))
    if isinstance(reader, str) and reader in (*READERS, *CORPORA):
        return "speech" if reader in CORPORA else "image"
    return "speech" if isinstance(model, dict) and model.get("name") == "dsae" else "image"


BLOCKS = {"image": ImageDataset, "speech": SpeechDataset}
Dataset = Annotated[
    Annotated[ImageDataset, Tag("image")] | Annotated[SpeechDataset, Tag("speech")], Discriminator(_kind)
]


class Config(Strict):
    """One configuration of the study; each is run once a seed."""

    dataset: Name
    objective: Name
    gamma: Annotated[float, Field(ge=0, lt=1)]  # beta = 1 - gamma
    # Read by some extensions only (registry.OBJECTIVE_KEYS; docs/extensions.md).
    alpha: Annotated[float, Field(gt=1)] | None = None  # cmi-alpha: of I(z;s) against I(x;z), Eq. 8
    weight_zs: Annotated[float, Field(gt=0)] | None = None  # cmi-split: of I(z;s), beside gamma of I(x;z)
    mmd_weight: Annotated[float, Field(gt=0)] | None = None  # mi-mmd, cmi-mmd: MMD^2 to nats

    @property
    def own(self) -> dict[str, float]:
        """Keys that its objective reads beside gamma."""
        return {key: getattr(self, key) for key in OBJECTIVE_KEYS.get(self.objective, ())}

    @property
    def variant(self) -> str:
        """The objective with its own keys, as rows and addresses name it: ``cmi``, ``cmi-alpha-a1p5``."""
        texts = {key: f"{value:.10f}".rstrip("0").rstrip(".").replace(".", "p") for key, value in self.own.items()}
        return "-".join([self.objective, *(f"{key[0]}{text}" for key, text in texts.items())])


class Table(Strict):
    """One table of results: the runs of one data set, a row a configuration."""

    title: str
    dataset: Name
    layout: Literal["image", "eer", "conversion", "elbo"] = "image"  # which columns: Tables 4 and 5, 1, 2, 3
    gammas: Annotated[tuple[Annotated[float, Field(ge=0, lt=1)], ...], Field(min_length=1)] | None = None  # null: all
    paper: Literal["table1", "table2", "table3", "table4", "table5"] | None = None  # printed table beside ours


class Figure(Strict):
    """One figure: a metric against KL(z) or beta, a grid of samples, or converted voices to listen to."""

    title: str
    kind: Literal["curve", "samples", "voices"]
    dataset: Name
    metric: Literal["mcas", "aolr", "mcas_svm", "aosvm", "i_zs", "eer_z", "eer_s", "vc_mcas"] | None = (
        None  # of a curve
    )
    x: Literal["kl_z", "beta"] = "kl_z"  # of a curve
    table: Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$")] | None = None  # of a curve; null: the data set's first
    configs: tuple[Name, ...] = ()  # of samples and voices


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
