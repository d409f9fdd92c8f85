"""Speech from audio files to frames, segments and lists: known counts, equal bytes, and nothing half written."""

import itertools
import logging
import random
import threading
import weakref
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch

from cmivae.data import frames as frames_module
from cmivae.data import speech as speech_module
from cmivae.data.audio import read_audio
from cmivae.data.corpus import Utterance
from cmivae.data.features import Features, normalise
from cmivae.data.manifest import Manifest
from cmivae.data.speech import FRAMES, LISTS, SCALE, TABLE, load, prepare
from cmivae.data.validation import with_validation
from cmivae.errors import UserError
from cmivae.study.params import SpeechData

RATE = 16000
ROWS = {"train": 11, "valid": 3, "test": 6}
FILES = (FRAMES, TABLE, LISTS, SCALE)


def sound(number: int, samples: int) -> np.ndarray:
    rng, t = np.random.default_rng(number), np.arange(samples)
    pitch = 100 + 3 * (number % 50)
    return (0.3 * np.sin(2 * np.pi * pitch * t / RATE) + 0.05 * rng.normal(size=samples)).clip(-1, 1)


class Corpus:
    """A folder of sounds and the CSV file about them."""

    def __init__(self, folder):
        self.folder, self.rows = folder, ["path,speaker,gender,split"]
        folder.mkdir(exist_ok=True)

    def add(self, speaker: str, count: int, split: str, samples: int = 3600) -> None:
        """``count`` sounds of a speaker; each is longer than the one before."""
        for number in range(count):
            name = f"{speaker}-{number}.wav"
            made = sound(len(self.rows), samples + 1000 * number)
            soundfile.write(self.folder / name, made, RATE, subtype="PCM_16")
            self.rows.append(f"{name},{speaker},{speaker[0]},{split}")

    def index(self) -> list[Utterance]:
        (self.folder / "corpus.csv").write_text("\n".join(self.rows) + "\n")
        return Manifest(SpeechData()).index(self.folder / "corpus.csv")


def small(**changes) -> SpeechData:
    return SpeechData(**{"vc_segments": 8, "valid_fraction": 0.4} | changes)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Corpus:
    """5 speakers to train on, 4 of the core list and 2 other ones to test on; segments of 0.2 s."""
    made = Corpus(tmp_path_factory.mktemp("corpus"))
    for speaker in ("m0", "m1", "f0", "f1", "m2"):
        made.add(speaker, 4, "train")
    for speaker in ("f5", "m5", "m6", "f6"):
        made.add(speaker, 3, "core", samples=7000)
    for speaker in ("f7", "m7"):
        made.add(speaker, 3, "test")
    return made


@pytest.fixture(scope="module")
def index(corpus) -> list[Utterance]:
    return with_validation(corpus.index(), small())


@pytest.fixture(scope="module")
def prepared(corpus, index, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    prepare(index, corpus.folder, small(), folder)
    return load(folder)


def test_frames_are_those_of_each_utterance_normalised(corpus, index, prepared):
    features = Features(small())
    by_name = {each.name: each for each in index}
    train = []
    for part in ("train", "valid", "test"):
        frames, at = prepared.frames(part), 0
        assert frames.dtype == torch.float32
        for span in prepared.of(part):
            each = by_name.pop(span.name)
            assert (span.part, span.path, span.speaker, span.gender, span.core) == (
                each.part, each.path, each.speaker, each.gender, each.core
            )  # fmt: skip
            logs = features(read_audio(corpus.folder / each.path))
            assert (span.first, span.frames) == (at, len(logs))
            assert torch.equal(frames[at : at + span.frames], normalise(logs, prepared.scale))
            train += [logs] if part == "train" else []
            at += span.frames
        assert at == len(frames)
    assert by_name == {}
    values = torch.cat(train).double()
    assert prepared.scale["offset"] == pytest.approx([values.min().item()])
    assert prepared.scale["divisor"] == pytest.approx([(values.max() - values.min()).item()])


def test_segments_lie_one_after_another_without_the_tail(prepared):
    for part in ("train", "valid", "test"):
        starts, owners = [], []
        for number, span in enumerate(prepared.of(part)):
            assert span.segments == span.frames // 20 >= 1
            for segment in range(span.segments):
                starts.append(span.first + 20 * segment)
                owners.append(number)
        assert prepared.starts(part).tolist() == starts
        assert prepared.owners(part).tolist() == owners
    assert any(span.frames % 20 for span in prepared.spans)
    assert max(span.segments for span in prepared.spans) > 1


def expected_trials(spans, members) -> dict[tuple[int, int], bool]:
    return {(a, b): spans[a].speaker == spans[b].speaker for a, b in itertools.combinations(members, 2)}


@pytest.mark.parametrize("name", ["core", "full"])
def test_trials_are_all_pairs_of_the_list(prepared, name):
    spans = prepared.of("test")
    members = [number for number, span in enumerate(spans) if span.core or name == "full"]
    assert len(members) == {"core": 12, "full": 18}[name]
    pairs, target = prepared.lists[f"{name}_pairs"], prepared.lists[f"{name}_target"]
    found = {tuple(pair): bool(own) for pair, own in zip(pairs.tolist(), target.tolist(), strict=True)}
    assert len(found) == len(pairs)
    assert found == expected_trials(spans, members)


def test_vc_segments_are_balanced_and_of_their_part(prepared):
    lists = prepared.lists
    sex = {part: [prepared.of(part)[owner] for owner in prepared.owners(part)] for part in ("train", "test")}
    assert [sex["train"][i].gender for i in lists["vc_male"]] == ["M"] * 4
    assert [sex["train"][i].gender for i in lists["vc_female"]] == ["F"] * 4
    assert sorted(sex["test"][i].gender for i in lists["vc_test"]) == ["F"] * 4 + ["M"] * 4
    assert all(sex["test"][i].core for i in lists["vc_test"])
    assert all(len(set(lists[name])) == len(lists[name]) for name in ("vc_male", "vc_female", "vc_test"))


def content(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("threads", [1, 3])
def test_the_same_input_gives_the_same_bytes(corpus, index, prepared, tmp_path, threads):
    shuffled = random.Random(threads).sample(index, len(index))
    prepare(shuffled, corpus.folder, small(), tmp_path, threads)
    assert sorted(content(tmp_path)) == sorted(FILES)
    assert content(tmp_path) == content(prepared.folder)


def test_more_threads_are_used_and_keep_the_order(corpus, index, prepared, tmp_path, monkeypatch):
    together, names, read = threading.Barrier(2, timeout=20), set(), speech_module.read_audio

    def meet(*arguments):
        if len(names) < 2:
            names.add(threading.get_ident())
            together.wait()
        return read(*arguments)

    monkeypatch.setattr(speech_module, "read_audio", meet)
    prepare(index, corpus.folder, small(), tmp_path, 2)
    assert len(names) == 2
    assert content(tmp_path) == content(prepared.folder)


@pytest.mark.parametrize("rows", [50, 170])
def test_blocks_of_rescaling_change_no_byte(corpus, index, prepared, tmp_path, monkeypatch, rows):
    monkeypatch.setattr(frames_module, "ROWS", rows)
    prepare(index, corpus.folder, small(), tmp_path)
    assert content(tmp_path) == content(prepared.folder)


def test_seeds_and_scales_change_what_they_should(corpus, index, prepared, tmp_path):
    for name, changes in (("seed", {"subset_seed": 1}), ("mvn", {"norm": "mvn"}), ("trials", {"max_trials": 40})):
        prepare(index, corpus.folder, small(**changes), tmp_path / name)
    same = {name: [file for file in FILES if content(tmp_path / name)[file] == content(prepared.folder)[file]]
            for name in ("seed", "mvn", "trials")}  # fmt: skip
    assert same == {"seed": [FRAMES, TABLE, SCALE], "mvn": [TABLE, LISTS], "trials": [FRAMES, TABLE, SCALE]}
    assert len(load(tmp_path / "trials").lists["core_pairs"]) == 40
    assert len(load(tmp_path / "mvn").scale["offset"]) == 201


def test_memory_does_not_grow_with_the_corpus(corpus, index, tmp_path, monkeypatch):
    """How many utterances' frames are alive at a time, of 44 in all."""
    monkeypatch.setattr(speech_module, "AHEAD", 4)
    alive, most, lock, transform = Counter(), [0], threading.Lock(), Features.__call__

    def gone():
        with lock:
            alive["frames"] -= 1

    def counted(self, wave):
        found = transform(self, wave)
        with lock:
            alive["frames"] += 1
            most[0] = max(most[0], alive["frames"])
        weakref.finalize(found, gone)
        return found

    monkeypatch.setattr(Features, "__call__", counted)
    prepare(index, corpus.folder, small(), tmp_path, 2)
    assert len(index) == 38
    assert 2 <= most[0] <= 6  # a batch, and what the loop still holds of the one before
    assert alive["frames"] == 0


def test_a_changed_file_is_refused_by_name_and_nothing_is_written(corpus, index, tmp_path):
    changed = [replace(each, sha256="0" * 64) if each.name == "f5/f5-1" else each for each in index]
    with pytest.raises(UserError, match="changed since it was indexed") as caught:
        prepare(changed, corpus.folder, small(), tmp_path, 2)
    assert caught.value.where == str(corpus.folder / "f5-1.wav")
    assert content(tmp_path) == {}


def test_a_file_rewritten_after_indexing_is_refused(tmp_path):
    made = Corpus(tmp_path / "corpus")
    made.add("m0", 3, "train")
    made.add("f0", 3, "train")
    for speaker in ("m1", "f1"):
        made.add(speaker, 2, "core")
    index = with_validation(made.index(), small(val="utterance"))
    soundfile.write(made.folder / "f0-1.wav", sound(99, 4600), RATE, subtype="PCM_16")  # of the same length
    with pytest.raises(UserError, match="changed") as caught:
        prepare(index, made.folder, small(vc_segments=2), tmp_path / "out")
    assert caught.value.where.endswith("f0-1.wav")


def test_utterances_without_a_segment_are_left_out_with_a_warning(
    corpus, index, prepared, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("cmivae"), "propagate", True)
    soundfile.write(corpus.folder / "short.wav", sound(1, 3439), RATE, subtype="PCM_16")
    short = [replace(index[0], path="short.wav", sentence=f"short{n}", samples=3439, part="train") for n in range(2)]
    prepare([*short, *index], corpus.folder, small(), tmp_path)
    assert "2 of 40 utterances are shorter than one segment and are left out" in caplog.text
    assert content(tmp_path) == content(prepared.folder)
    caplog.clear()
    prepare(index, corpus.folder, small(), tmp_path)
    assert caplog.text == ""


@pytest.mark.parametrize("part", ["train", "valid", "test"])
def test_a_part_without_utterances_is_an_error(corpus, index, tmp_path, part):
    with pytest.raises(UserError, match=f"the {part} part has no segment") as caught:
        prepare([each for each in index if each.part != part], corpus.folder, small(), tmp_path)
    assert caught.value.where == "params.yaml:datasets.*.data.source"
    assert f"bring more utterances of the {part} part" in caught.value.fix


def test_a_part_of_one_segment_is_an_error(corpus, index, tmp_path):
    """A single item has no derangement: the estimators of I(z;s) would stop the embed stage."""
    valid = next(each for each in index if each.part == "valid")
    one = replace(valid, samples=20 * 160 + 400)
    with pytest.raises(UserError, match="the valid part has one segment"):
        prepare([*(each for each in index if each.part != "valid"), one], corpus.folder, small(), tmp_path)


def test_prepared_speech_that_is_missing_or_damaged_is_named(prepared, tmp_path):
    with pytest.raises(UserError, match="missing"):
        load(tmp_path)
    for damaged, text in ((TABLE, b"part,name\ntrain,x\n"), (LISTS, b"rubbish"), (SCALE, b"{")):
        for name, whole in content(prepared.folder).items():
            (tmp_path / name).write_bytes(text if name == damaged else whole)
        with pytest.raises(UserError, match=r"damaged|not readable"):
            load(tmp_path)
    for name, whole in content(prepared.folder).items():
        (tmp_path / name).write_bytes(whole)
    assert load(tmp_path).spans == prepared.spans


def test_a_core_list_of_timits_size_has_18336_trials(tmp_path):
    made = Corpus(tmp_path / "corpus")
    for speaker in ("m0", "f0", "m1", "f1"):
        made.add(speaker, 2, "train")
    for number in range(24):
        made.add(f"{'mmf'[number % 3]}core{number}", 8, "core", samples=3440)
    for number in range(3):
        made.add(f"{'mf'[number % 2]}other{number}", 4, "test", samples=3440)
    index = with_validation(made.index(), small(valid_fraction=0.5))
    prepare(index, made.folder, small(vc_segments=4), tmp_path / "out", 2)
    found = load(tmp_path / "out")
    spans, pairs, target = found.of("test"), found.lists["core_pairs"], found.lists["core_target"]
    assert (len(spans), pairs.shape) == (204, (18_336, 2))
    assert (int(target.sum()), int((1 - target).sum())) == (672, 17_664)
    assert all(spans[number].core for number in np.unique(pairs))
    assert len(np.unique(pairs)) == 192
    speakers_of = np.array([span.speaker for span in spans])
    assert np.array_equal(speakers_of[pairs[:, 0]] == speakers_of[pairs[:, 1]], target.astype(bool))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert len(found.lists["full_pairs"]) == 204 * 203 // 2
