"""Corpora through the stages that need no model."""

import csv
import json

import soundfile
from speech_study import PARAMS, call, write_corpus

from cmivae.data.speech import load
from cmivae.provenance.ledger import read_record


def test_the_synthetic_corpus_runs_through_to_the_baseline(tmp_path):
    text = PARAMS.replace("source: corpus/list.csv, splits: {other: test}, valid_fraction: 0.3, vc_segments: 8", (
        "synth: {train_speakers: 4, test_speakers: 3, core_speakers: 2, sentences: 2, seconds: 0.5}, "
        "valid_fraction: 0.5, vc_segments: 4"
    )).replace("reader: manifest", "reader: synth")  # fmt: skip
    (tmp_path / "params.yaml").write_text(text)
    for stage in ("fetch", "prepare", "baseline"):
        assert call(tmp_path, stage, "voices") == 0
    speech = load(tmp_path / "data/prepared/voices")
    assert {part: len({span.speaker for span in speech.of(part)}) for part in ("train", "valid", "test")} == {
        "train": 2, "valid": 2, "test": 3
    }  # fmt: skip
    assert sum(span.core for span in speech.of("test")) == 4
    assert read_record(tmp_path, "data/raw/voices").values["source"].startswith("data/raw/voices")


def test_the_baseline_counts_what_the_corpus_has(tmp_path):
    """An utterance that is too short for a segment is missing, though its speaker is not, and so are its trials."""
    space, short = tmp_path / "whole", tmp_path / "short"
    for folder in (space, short):
        write_corpus(folder / "corpus")
        (folder / "params.yaml").write_text(PARAMS)
    last = sorted((short / "corpus").glob("core/*-3.wav"))[-1]
    sound, rate = soundfile.read(last)
    soundfile.write(last, sound[:3000], rate, subtype="PCM_16")
    found = []
    for folder in (space, short):
        for stage in ("fetch", "prepare", "baseline"):
            assert call(folder, stage, "voices") == 0
        found.append(json.loads((folder / "runs/baseline/voices/metrics.json").read_text())["corpus"])
    with (space / "data/prepared/voices/prepared.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    core = [row for row in rows if row["core"] == "1"]
    assert found[0] == {part: sum(row["part"] == part for row in rows) for part in ("train", "valid", "test")} | {
        "speakers": len({row["speaker"] for row in rows}), "core_speakers": len({row["speaker"] for row in core}),
        "core": len(core), "core_trials": len(core) * (len(core) - 1) // 2,
    }  # fmt: skip
    n = len(core) - 1
    assert found[1] == found[0] | {"test": found[0]["test"] - 1, "core": n, "core_trials": n * (n - 1) // 2}
