"""What a workspace does otherwise than the paper or our reading of it, as lines to print under a table."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cmivae.registry import CORPUS_KEYS, OF_READERS
from cmivae.study.params import Params, SpeechData, SpeechDataset
from cmivae.study.stated import PAPER_EPOCHS

# Where files come from, and what is made to be listened to, change no number.
NEUTRAL = frozenset({"data.source", "embed.voices"})
CORPORA = {  # what is read in place of TIMIT
    "synth": "SYNTHETIC speech: computed, not spoken, so its numbers say nothing about real voices",
    "librispeech": "corpus: LibriSpeech (paper: TIMIT), whose numbers do not compare with the paper's",
    "manifest": "corpus: the user's own (paper: TIMIT), whose numbers do not compare with the paper's",
}
SPEAKERS = {"train": 462, "test": 168, "core": 24}  # of TIMIT's parts, and of the core list
SENTENCES, SA = 8, 2  # a speaker


def incomplete(params: Params, dataset: str, baseline: Mapping[str, Any]) -> tuple[str, ...]:
    """What is missing of TIMIT, as the baseline's metrics counted it; what is too short for a segment is missing."""
    block, found = params.datasets[dataset], baseline.get("corpus")
    if not isinstance(block, SpeechDataset) or block.reader != "timit" or found is None:
        return ()
    counts = _counts(block.data, found)
    if all(there == whole for _, there, whole in counts):
        return ()
    told = ", ".join(f"{there:,} of {whole:,} {what}" for what, there, whole in counts)
    instead = "" if found["core_speakers"] else ", so that all test speakers stand for them"
    return (f"corpus INCOMPLETE: of TIMIT {told}{instead}",)


def _counts(data: SpeechData, found: Mapping[str, int]) -> tuple[tuple[str, int, int], ...]:
    """What is counted, how many there are, and how many the whole of TIMIT has."""
    each = SENTENCES + SA * data.use_sa
    held = "test" if data.val == "kaldi_dev" else "train"  # the part that the validation speakers are of
    there = {part: found[part] + (found["valid"] if part == held else 0) for part in ("train", "test")}
    trials = math.comb(each * SPEAKERS["core"], 2)
    return (
        ("speakers", found["speakers"], SPEAKERS["train"] + SPEAKERS["test"]),
        ("core test speakers", found["core_speakers"], SPEAKERS["core"]),
        ("utterances of its train part", there["train"], each * SPEAKERS["train"]),
        ("of its test part", there["test"], each * SPEAKERS["test"]),
        ("core utterances", found["core"], each * SPEAKERS["core"]),
        ("core trials", found["core_trials"], min(trials, data.max_trials or trials)),
    )


def deviations(params: Params, dataset: str) -> tuple[str, ...]:
    """Each parameter of ``dataset`` that differs from its default, such as "train.epochs 2 (paper: 300)".

    Speech that is not TIMIT comes first. Defaults are our reading of the paper; what was open in it is argued in the
    documentation.
    """
    block = params.datasets[dataset]
    found = [CORPORA[block.reader]] if block.reader in CORPORA else []
    epochs = PAPER_EPOCHS[block.kind]
    if block.train.epochs != epochs:
        found.append(f"train.epochs {block.train.epochs} (paper: {epochs})")
    unread = set(OF_READERS) - set(CORPUS_KEYS.get(block.reader, OF_READERS)) if block.kind == "speech" else set()
    for key, value, default in _changed(block):
        if not (key.startswith("data.") and key.split(".")[1] in unread):  # what the reader does not read does nothing
            found.append(f"{key} {_text(value)} (default: {_text(default)})")
    return tuple(found)


def _changed(block: BaseModel, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    for name, field in type(block).model_fields.items():
        key, value = prefix + name, getattr(block, name)
        if isinstance(value, BaseModel):
            yield from _changed(value, f"{key}.")
        elif field.default is not PydanticUndefined and value != field.default and key not in NEUTRAL:
            yield key, value, field.default


def _text(value: Any) -> str:
    if value is None:
        return "all"
    if isinstance(value, dict):
        return " ".join(f"{key}={item}" for key, item in value.items()) or "none"
    return " ".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
