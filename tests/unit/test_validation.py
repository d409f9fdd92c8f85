"""The validation part of a corpus: by speaker, by utterance, by Kaldi's list."""

import random
from collections import Counter
from dataclasses import replace

import pytest

from cmivae.data.corpus import Utterance
from cmivae.data.timit import CORE, KALDI_DEV
from cmivae.data.validation import with_validation
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

MEN, WOMEN = 326, 136  # of TIMIT's training speakers


def utterance(speaker: str, sentence: str = "a", part: str = "train", **changes) -> Utterance:
    found = Utterance(
        f"{speaker}/{sentence}.wav", speaker, speaker[0].upper(), part, part == "test", sentence, 9999, "0"
    )
    return replace(found, **changes)


def timit_like() -> list[Utterance]:
    """462 training speakers and some of the test ones, eight utterances each."""
    train = [f"m{n:03}" for n in range(MEN)] + [f"f{n:03}" for n in range(WOMEN)]
    test = [*sorted(KALDI_DEV), *sorted(CORE)]
    return [
        utterance(speaker, f"sx{n}", part) for part, names in (("train", train), ("test", test)) for speaker in names
        for n in range(8)
    ]  # fmt: skip


def speakers(utterances, part: str) -> set[str]:
    return {each.speaker for each in utterances if each.part == part}


def without_part(utterances) -> list[Utterance]:
    return [replace(each, part="train") for each in utterances]


def test_validation_is_a_tenth_of_the_speakers_in_each_sex():
    index = timit_like()
    found = with_validation(index, SpeechData())
    valid = speakers(found, "valid")
    assert Counter(speaker[0] for speaker in valid) == {"m": 32, "f": 14}
    assert len(speakers(found, "train")) == 416
    assert not valid & speakers(found, "train")
    assert without_part(found) == without_part(index)  # nothing else changes, nor the order
    assert [each for each in found if each.part == "test"] == [each for each in index if each.part == "test"]


def test_validation_depends_on_the_seed_and_not_on_the_order():
    index = timit_like()
    first = speakers(with_validation(index, SpeechData()), "valid")
    shuffled = random.Random(0).sample(index, len(index))
    assert speakers(with_validation(shuffled, SpeechData()), "valid") == first
    assert speakers(with_validation(index, SpeechData(split_seed=1)), "valid") != first
    assert speakers(with_validation(index, SpeechData(subset_seed=1)), "valid") == first


def test_validation_by_utterance():
    found = with_validation(timit_like(), SpeechData(val="utterance"))
    valid = [each for each in found if each.part == "valid"]
    assert len(valid) == round(0.1 * 462 * 8)
    assert Counter(each.gender for each in valid) == {"M": round(370 * 326 / 462), "F": round(370 * 136 / 462)}
    assert len(speakers(found, "valid") & speakers(found, "train")) > 100


def test_validation_by_kaldis_list_takes_test_speakers():
    found = with_validation(timit_like(), SpeechData(val="kaldi_dev"))
    assert speakers(found, "valid") == KALDI_DEV
    assert speakers(found, "test") == CORE
    assert len(speakers(found, "train")) == 462
    assert (len(KALDI_DEV), len(CORE), KALDI_DEV & CORE) == (50, 24, set())


def test_kaldis_list_without_its_speakers_is_an_error():
    index = [each for each in timit_like() if each.speaker not in KALDI_DEV]
    with pytest.raises(UserError, match="Kaldi's 50 development speakers") as caught:
        with_validation(index, SpeechData(val="kaldi_dev"))
    assert caught.value.where == "params.yaml:datasets.*.data.val"
    assert "speaker or utterance" in caught.value.fix


@pytest.mark.parametrize("val", ["speaker", "utterance", "kaldi_dev"])
def test_a_validation_part_of_the_corpus_is_kept(val):
    index = [utterance("m1"), utterance("m2", part="valid"), utterance("f1"), utterance("f2", part="test")]
    assert with_validation(index, SpeechData(val=val, valid_fraction=0.5)) == index


@pytest.mark.parametrize("fraction", [0.1, 0.9])
def test_a_fraction_that_leaves_a_part_empty_is_an_error(fraction):
    index = [utterance("m1", "a"), utterance("m1", "b"), utterance("f1"), utterance("f2", part="test")]
    with pytest.raises(UserError, match="leaves a part empty") as caught:
        with_validation(index, SpeechData(valid_fraction=fraction))
    assert caught.value.where == "params.yaml:datasets.*.data.valid_fraction"
