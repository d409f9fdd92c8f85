"""How many items a data set has: of its prepared data, or else as published."""

from dataclasses import dataclass
from pathlib import Path

from cmivae.audit.book import Book
from cmivae.errors import UserError
from cmivae.study.params import Dataset, ImageDataset

PUBLISHED = {"mnist": 60_000, "fashion-mnist": 60_000}  # official training images, by reader
TIMIT = 56_000  # segments of 200 ms in its training part without SA: 3.1 hours
TEST, CORE_SEGMENTS = 10_000, 3_000  # images; segments of the core list, about


@dataclass(frozen=True)
class Counts:
    """Items to train, to validate and to test on; ``prepared`` where they were counted, not taken from publications."""

    train: int
    valid: int
    test: int
    prepared: bool


def counts(book: Book, name: str) -> Counts | None:
    """Items of a data set, or None where nothing is known before it is prepared."""
    dataset, folder = book.study.params.datasets[name], book.workspace / "data/prepared" / name
    if (folder / "run.json").is_file():
        try:
            return _prepared(dataset, folder)
        except UserError:
            return None  # damaged: the stages say so
    return _published(dataset)


def _prepared(dataset: Dataset, folder: Path) -> Counts:
    if dataset.kind == "image":
        from cmivae.data.prepare import load

        found = load(folder)
        return Counts(len(found.train_x), len(found.valid_x), len(found.test_x), True)
    from cmivae.data.speech import load as load_speech

    speech = load_speech(folder)
    sizes = {part: sum(span.segments for span in speech.of(part)) for part in ("train", "valid", "test")}
    return Counts(**sizes, prepared=True)


def _published(dataset: Dataset) -> Counts | None:
    if isinstance(dataset, ImageDataset) and dataset.reader in PUBLISHED:
        data = dataset.data
        valid = round(PUBLISHED[dataset.reader] * data.valid_fraction)
        train = PUBLISHED[dataset.reader] - valid
        return Counts(min(data.n_train or train, train), min(data.n_valid or valid, valid), data.n_test or TEST, False)
    if dataset.reader == "timit":
        valid = round(TIMIT * dataset.data.valid_fraction)
        return Counts(TIMIT - valid, valid, CORE_SEGMENTS, False)
    return None
