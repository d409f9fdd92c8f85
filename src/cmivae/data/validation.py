"""Which utterances of a corpus are for validation (section 5.2: 10 % of the training part)."""

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cmivae.data.corpus import Utterance
from cmivae.data.timit import KALDI_DEV
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

log = logging.getLogger("cmivae")


def with_validation(utterances: Sequence[Utterance], params: SpeechData) -> list[Utterance]:
    """The utterances with a validation part: the corpus's own, or one drawn from the training part by ``params.val``.

    Raises:
        UserError: a part would be empty, or Kaldi's list is asked for without its speakers.
    """
    if any(each.part == "valid" for each in utterances):
        log.info("the corpus names its own validation part; params data.val is not used")
        return list(utterances)
    if params.val == "kaldi_dev":
        return _kaldi(utterances)
    train = [each for each in utterances if each.part == "train"]
    unit = {"speaker": lambda each: each.speaker, "utterance": lambda each: each.path}[params.val]
    chosen = _draw({unit(each): each.gender for each in train}, params)
    return [
        replace(each, part="valid") if each.part == "train" and unit(each) in chosen else each for each in utterances
    ]


def _draw(gender: dict[str, str], params: SpeechData) -> set[str]:
    """A share of the names, in each sex by largest remainder: 46 of TIMIT's 462 speakers."""
    total = round(params.valid_fraction * len(gender))
    if not 0 < total < len(gender):
        raise UserError(
            f"{params.valid_fraction:g} of {len(gender)} training {params.val}s leaves a part empty",
            where="params.yaml:datasets.*.data.valid_fraction",
            fix="choose another fraction, data.val utterance, or a larger corpus",
        )
    names = {sex: sorted(name for name, own in gender.items() if own == sex) for sex in sorted(set(gender.values()))}
    quotas = {sex: total * len(own) / len(gender) for sex, own in names.items()}
    counts = {sex: int(quota) for sex, quota in quotas.items()}
    for sex in sorted(quotas, key=lambda sex: (counts[sex] - quotas[sex], sex))[: total - sum(counts.values())]:
        counts[sex] += 1
    rng = np.random.default_rng(params.split_seed)
    return {name for sex, own in names.items() for name in rng.permutation(own)[: counts[sex]].tolist()}


def _kaldi(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Kaldi's 50 development speakers, who are taken from TIMIT's test part."""
    found = {each.speaker for each in utterances if each.part == "test"} & set(KALDI_DEV)
    if not found:
        raise UserError(
            "none of Kaldi's 50 development speakers is in the test part",
            where="params.yaml:datasets.*.data.val",
            fix="kaldi_dev is for TIMIT only: choose speaker or utterance",
        )
    return [
        replace(each, part="valid") if each.part == "test" and each.speaker in found else each for each in utterances
    ]
