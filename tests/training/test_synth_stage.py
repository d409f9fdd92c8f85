"""The synthetic corpus through the stages that need no model."""

from speech_study import PARAMS, call

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
