"""A corpus prepared for all runs: normalised frames, where its segments lie, and the lists of the metrics."""

import csv
import io
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes
from torch import Tensor

from cmivae.data.audio import read_audio
from cmivae.data.corpus import Utterance
from cmivae.data.features import Features, Scale, normalise
from cmivae.data.frames import FrameWriter, read_frames, write_frames
from cmivae.data.trials import draw_balanced, draw_pairs_vc, draw_trials
from cmivae.errors import UserError
from cmivae.progress import Progress
from cmivae.provenance.io import read_json, write_bytes, write_json, write_text
from cmivae.study.params import SpeechData

log = logging.getLogger("cmivae")
FRAMES, TABLE, LISTS, SCALE = "frames.safetensors", "prepared.csv", "lists.safetensors", "scale.json"
PARTS = ("train", "valid", "test")
VC_TRAIN, VC_TEST = 1, 2  # kinds of list, part of the seed of each draw
LEAST = 2  # segments of a part: of one alone no pair of q(z)q(s) can be made
AHEAD = 32  # utterances that are transformed together
REMAKE = "delete it and run the prepare stage again"


@dataclass(frozen=True)
class Span:
    """Where an utterance lies among the frames of its part."""

    part: str
    name: str  # speaker and sentence
    path: str
    speaker: str
    gender: str
    core: bool
    first: int  # frame
    frames: int
    segments: int


@dataclass(frozen=True)
class Speech:
    """A prepared corpus; frames are read part by part when asked for."""

    folder: Path
    spans: tuple[Span, ...]  # of all parts
    lists: dict[str, NDArray]
    scale: dict
    segment: int  # frames of a segment

    def frames(self, part: str) -> Tensor:
        """Normalised log magnitudes.  -> (M, F) float32"""
        return read_frames(self.folder / FRAMES, part)

    def of(self, part: str) -> list[Span]:
        """Utterances of a part, in the order of its frames."""
        return [span for span in self.spans if span.part == part]

    def starts(self, part: str) -> NDArray[np.int64]:
        """First frame of every segment of a part, utterance after utterance.  -> (N,)"""
        return starts_of(self.of(part), self.segment)

    def owners(self, part: str) -> NDArray[np.int64]:
        """Which utterance of the part each segment is of.  -> (N,)"""
        return np.repeat(np.arange(len(self.of(part))), [span.segments for span in self.of(part)])


def core_of(test: Sequence[Span]) -> NDArray[np.int64]:
    """Test utterances of the core list; all of them where the corpus has none of its speakers.  -> (U,)"""
    core = np.flatnonzero([span.core for span in test])
    if not len(core):
        log.warning("the corpus has no speaker of the core test list: all test utterances stand for it")
        return np.arange(len(test))
    return core


def starts_of(spans: Sequence[Span], segment: int) -> NDArray[np.int64]:
    """First frame of each segment: one after the other, the tail of an utterance dropped.  -> (N,)"""
    return np.concatenate(
        [span.first + segment * np.arange(span.segments) for span in spans] or [np.zeros(0, np.int64)]
    )


def prepare(utterances: Sequence[Utterance], root: Path, params: SpeechData, folder: Path, threads: int = 1) -> None:
    """Transform every utterance, fit the scale on the training part, draw the lists; all into ``folder``.

    Utterances come with their validation part (``data.validation``). Memory does not grow with the corpus.

    Raises:
        UserError: a file changed since it was indexed, a part is empty, or a list cannot be drawn.
    """
    features = Features(params)
    kept = _long_enough(utterances, features)
    spans, rows = _spans(kept, features)
    scale = Scale(params.norm, features.bins)
    progress = Progress("prepare", len(kept), unit="utterance")

    def fill(writer: FrameWriter) -> None:
        for each, logs in _transformed(kept, root, features, threads):
            if each.part == "train":
                scale.add(logs)
            writer.append(logs)
            progress.step()
        values = scale.values()
        writer.rescale(lambda logs: normalise(logs, values))

    write_frames(folder / FRAMES, rows, features.bins, fill)
    progress.close()
    write_json(folder / SCALE, scale.values() | {"segment": params.segment})
    _save_table(spans, folder)
    write_bytes(folder / LISTS, to_bytes(_lists(spans, params)))


def load(folder: Path) -> Speech:
    """What ``prepare`` wrote.

    Raises:
        UserError: a file is missing or damaged.
    """
    folder = Path(folder)
    scale = read_json(folder / SCALE)
    try:
        rows = csv.DictReader((folder / TABLE).read_text(encoding="utf-8").splitlines())
        numbers = ("first", "frames", "segments")
        spans = tuple(Span(**(row | {k: int(row[k]) for k in numbers} | {"core": row["core"] == "1"})) for row in rows)
        lists = load_file(folder / LISTS)
        return Speech(folder, spans, lists, scale, scale["segment"])
    except FileNotFoundError as error:
        raise UserError("prepared speech is missing", where=str(error.filename), fix="run the prepare stage") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise UserError("prepared speech is damaged", where=str(folder), why=str(error), fix=REMAKE) from None


def _long_enough(utterances: Sequence[Utterance], features: Features) -> list[Utterance]:
    order = sorted(utterances, key=lambda each: (PARTS.index(each.part), each.speaker, each.sentence, each.path))
    kept = [each for each in order if features.frames(each.samples) >= features.data.segment]
    short = len(order) - len(kept)
    if short:
        log.warning("%d of %d utterances are shorter than one segment and are left out", short, len(order))
    for part in PARTS:
        _check_part(part, sum(_segments(each, features) for each in kept if each.part == part), short)
    return kept


def _segments(utterance: Utterance, features: Features) -> int:
    return features.frames(utterance.samples) // features.data.segment


def _check_part(part: str, segments: int, short: int) -> None:
    if segments >= LEAST:
        return
    raise UserError(
        f"the {part} part has {'one segment' if segments else 'no segment'}",
        where=f"params.yaml:datasets.*.data.{'segment' if short else 'source'}",
        why=f"two are needed at least{f'; {short} utterances are shorter than one segment' if short else ''}",
        fix=f"bring more utterances of the {part} part{', or choose a shorter data.segment' if short else ''}",
    )


def _spans(utterances: Sequence[Utterance], features: Features) -> tuple[list[Span], dict[str, int]]:
    rows, spans = dict.fromkeys(PARTS, 0), []
    for each in utterances:
        count = features.frames(each.samples)
        about = (each.part, each.name, each.path, each.speaker, each.gender, each.core)
        spans.append(Span(*about, rows[each.part], count, count // features.data.segment))
        rows[each.part] += count
    return spans, rows


def _transformed(
    utterances: Sequence[Utterance], root: Path, features: Features, threads: int
) -> Iterator[tuple[Utterance, Tensor]]:
    """Log magnitudes of each utterance, in order, a few at a time ahead."""

    def transform(each: Utterance) -> Tensor:
        return features(read_audio(root / each.path, each.sha256))

    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(utterances), AHEAD):
            batch = utterances[start : start + AHEAD]
            yield from zip(batch, pool.map(transform, batch), strict=True)


def _lists(spans: Sequence[Span], params: SpeechData) -> dict[str, NDArray]:
    """Trials of the core and the full test list, and segments of VC-mCAS; indices are into the part."""
    test = [span for span in spans if span.part == "test"]
    train = [span for span in spans if span.part == "train"]
    core = core_of(test)
    found: dict[str, NDArray] = {}
    for name, members in (("core", core), ("full", np.arange(len(test)))):
        pairs, is_target = draw_trials([test[i].speaker for i in members], params.max_trials, params.subset_seed)
        found[f"{name}_pairs"] = members[pairs].astype(np.int32)  # (P, 2) utterances of the test part
        found[f"{name}_target"] = is_target.astype(np.uint8)  # (P,)
    rng = np.random.default_rng([params.subset_seed, VC_TRAIN])
    male, female = draw_pairs_vc(_sexes(train), params.vc_segments, rng)
    found["vc_male"], found["vc_female"] = male, female  # (V/2,) segments of the training part
    segments = np.flatnonzero(np.isin(np.repeat(np.arange(len(test)), [span.segments for span in test]), core))
    rng = np.random.default_rng([params.subset_seed, VC_TEST])
    found["vc_test"] = segments[draw_balanced(np.array(_sexes(test))[segments], params.vc_segments, rng)]  # (V,)
    return found


def _sexes(spans: Sequence[Span]) -> list[str]:
    return [span.gender for span in spans for _ in range(span.segments)]


def _save_table(spans: Sequence[Span], folder: Path) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(Span.__dataclass_fields__), lineterminator="\n")
    writer.writeheader()
    writer.writerows(vars(span) | {"core": int(span.core)} for span in spans)
    write_text(folder / TABLE, text.getvalue())
