"""Relations between the keys of one data set that would stop its stages: said before the first job, not by it.

What depends on the user's own corpus or reader is not known here; the stages say that when they see it.
"""

from cmivae.errors import UserError
from cmivae.study.params import Dataset, ImageDataset, PixelCnnVae, SpeechDataset

IMAGES = {"mnist": (60_000, 10_000), "fashion-mnist": (60_000, 10_000), "digits": (1_400, 397)}  # to train on, to test
CLASSES = 10  # of each of them
LEAST_VALID = 2  # items: a single one has no pair of q(z)q(s)


def check_dataset(dataset: Dataset, place: str) -> None:
    """Check what no single key of a data set can say.

    Args:
        place: ``file:datasets.NAME``, to name keys by.

    Raises:
        UserError: with file, key and what would do.
    """
    if isinstance(dataset, ImageDataset):
        _check_images(dataset, place)
    else:
        _check_speech(dataset, place)
    if isinstance(dataset.model, PixelCnnVae):
        _check_pixelcnn(dataset.model, f"{place}.model")


def _check_images(dataset: ImageDataset, place: str) -> None:
    data, n_train = dataset.data, dataset.data.n_train
    if dataset.reader in IMAGES:
        official, test = IMAGES[dataset.reader]
        valid = round(official * data.valid_fraction)
        if not LEAST_VALID <= valid < official:
            raise UserError(
                f"valid_fraction {data.valid_fraction:g} leaves a part without images",
                where=f"{place}.data.valid_fraction",
                why=f"it is {valid:,} of the {official:,} images of reader {dataset.reader!r}",
                fix="choose another fraction, e.g. 0.2",
            )
        _check_cuts(dataset, {"n_train": official - valid, "n_valid": valid, "n_test": test}, place)
        n_train = n_train or official - valid
        _check_subsets(dataset, n_train, place)
    if n_train is not None and dataset.train.batch_size > n_train:
        raise UserError(
            f"{n_train:,} training images do not fill one batch of {dataset.train.batch_size:,}",
            where=f"{place}.train.batch_size",
            fix=f"choose a batch_size of at most {n_train:,}, or more images (data.n_train)",
        )


def _check_cuts(dataset: ImageDataset, there: dict[str, int], place: str) -> None:
    for key, most in there.items():
        wanted = getattr(dataset.data, key)
        if wanted is not None and wanted > most:
            raise UserError(
                f"{key} is {wanted:,}, but there are {most:,} images",
                where=f"{place}.data.{key}",
                why=f"reader {dataset.reader!r} and valid_fraction {dataset.data.valid_fraction:g} give so many",
                fix=f"choose at most {most:,}, or null to take all",
            )


def _check_subsets(dataset: ImageDataset, n_train: int, place: str) -> None:
    """Necessary only: the stage counts the images of each class."""
    for key in ("probe_per_class", "mcas_per_class"):
        wanted = getattr(dataset.data, key)
        if wanted * CLASSES > n_train:
            raise UserError(
                f"{key} is {wanted:,}, but there are {n_train:,} training images of {CLASSES} classes",
                where=f"{place}.data.{key}",
                fix=f"choose at most {n_train // CLASSES:,}, or more images (data.n_train)",
            )


def _check_speech(dataset: SpeechDataset, place: str) -> None:
    data = dataset.data
    if data.win_length > data.n_fft:
        raise UserError(
            f"a window of {data.win_length} samples does not fit into a transform of {data.n_fft}",
            where=f"{place}.data.win_length",
            fix="choose n_fft at least as long as win_length",
        )
    piece, side = data.segment * data.hop_length, data.n_fft // 2
    if data.framing == "center_drop" and piece <= side:
        raise UserError(
            f"a segment of {piece} samples is too short to be reflected by {side} on each side",
            where=f"{place}.data.framing",
            why=f"center_drop needs segment x hop_length ({data.segment} x {data.hop_length}) above n_fft / 2",
            fix="choose a longer segment or hop_length, a shorter n_fft, or framing: utterance",
        )
    if dataset.reader == "synth":
        _check_synth(dataset, place)


def _check_synth(dataset: SpeechDataset, place: str) -> None:
    data, synth = dataset.data, dataset.data.synth
    if synth.core_speakers > synth.test_speakers:
        raise UserError(
            f"core_speakers is {synth.core_speakers} of {synth.test_speakers} test_speakers",
            where=f"{place}.data.synth.core_speakers",
            why="the core speakers are some of the test speakers",
            fix=f"choose at most {synth.test_speakers}, or more test_speakers",
        )
    if data.val == "kaldi_dev":
        raise UserError(
            "none of Kaldi's 50 development speakers is in a synthetic corpus",
            where=f"{place}.data.val",
            fix="kaldi_dev is for TIMIT only: choose speaker or utterance",
        )
    if data.val == "speaker" and not 0 < round(data.valid_fraction * synth.train_speakers) < synth.train_speakers:
        raise UserError(
            f"{data.valid_fraction:g} of {synth.train_speakers} training speakers leaves a part empty",
            where=f"{place}.data.valid_fraction",
            fix="choose another fraction, val: utterance, or more train_speakers",
        )


def _check_pixelcnn(model: PixelCnnVae, place: str) -> None:
    depth = len(model.kernels)
    if model.cut >= depth:
        raise UserError(
            f"cut is {model.cut}, but there are {depth} layers",
            where=f"{place}.cut",
            why="z joins in the layers after the cut, so at least one must be left",
            fix=f"choose a cut of 1 to {depth - 1}" if depth > 2 else "choose a cut of 1",
        )
    if even := [kernel for kernel in model.kernels if kernel % 2 == 0]:
        raise UserError(
            f"kernels holds the even size {even[0]}",
            where=f"{place}.kernels",
            why="a masked convolution needs a centre pixel",
            fix="use odd kernel sizes",
        )
    if model.channels < 2 and (model.block == "residual" or model.long_skips != "none"):
        raise UserError(
            "channels is 1",
            where=f"{place}.channels",
            why="a residual block works in half of its channels",
            fix="use 2 or more channels, or block: plain with long_skips: none",
        )
