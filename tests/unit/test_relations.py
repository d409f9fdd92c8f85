"""``cmivae check`` refuses what no stage could run: keys of a data set that do not fit, and sizes without end."""

import copy

import pytest
import test_specs
import tiny
import yaml

from cmivae.cli import main
from cmivae.data import digits, readers
from cmivae.errors import EXIT_USER
from cmivae.study import relations

D, S = test_specs.D, test_specs.S
FRAMES = {f"{S}.data.hop_length": 1, f"{S}.data.segment": 8, f"{S}.data.n_fft": 400}

# (changed keys of the demo, the key that is named, what is said)
IMPOSSIBLE = [
    ({f"{D}.model.cut": 99}, f"{D}.model.cut", "choose a cut of 1 to 3"),
    ({f"{D}.model.kernels": [5, 3], f"{D}.model.cut": 2}, f"{D}.model.cut", "choose a cut of 1\n"),
    ({f"{D}.model.kernels": [5, 4, 3]}, f"{D}.model.kernels", "use odd kernel sizes"),
    ({f"{D}.model.channels": 1}, f"{D}.model.channels", "use 2 or more channels"),
    ({f"{D}.data.valid_fraction": 0.001}, f"{D}.data.valid_fraction", "leaves a part without images"),
    ({f"{D}.data.valid_fraction": 0.9999}, f"{D}.data.valid_fraction", "leaves a part without images"),
    ({f"{D}.data.n_train": 1121}, f"{D}.data.n_train", "choose at most 1,120"),
    ({f"{D}.data.n_valid": 281}, f"{D}.data.n_valid", "choose at most 280"),
    ({f"{D}.data.n_test": 398}, f"{D}.data.n_test", "choose at most 397"),
    ({f"{D}.data.probe_per_class": 5000}, f"{D}.data.probe_per_class", "choose at most 112"),
    ({f"{D}.data.mcas_per_class": 113}, f"{D}.data.mcas_per_class", "choose at most 112"),
    ({f"{D}.data.n_train": 200, f"{D}.data.probe_per_class": 21}, f"{D}.data.probe_per_class", "choose at most 20"),
    ({f"{D}.train.batch_size": 100_000}, f"{D}.train.batch_size", "choose a batch_size of at most 1,120"),
    ({f"{D}.data.n_train": 500, f"{D}.train.batch_size": 501}, f"{D}.train.batch_size", "at most 500"),
    ({f"{S}.data.win_length": 401}, f"{S}.data.win_length", "n_fft at least as long"),
    (FRAMES | {f"{S}.data.framing": "center_drop"}, f"{S}.data.framing", "framing: utterance"),
    ({f"{S}.data.synth.core_speakers": 17}, f"{S}.data.synth.core_speakers", "choose at most 16"),
    ({f"{S}.data.val": "kaldi_dev"}, f"{S}.data.val", "choose speaker or utterance"),
    ({f"{S}.data.synth.train_speakers": 4}, f"{S}.data.valid_fraction", "more train_speakers"),
    *(({f"{D}.data.{key}": 1}, f"{D}.data.{key}", "at least 2") for key in ("n_train", "n_valid", "n_test")),
    *(({f"{block}.embed.posthoc.n_train": 1}, f"{block}.embed.posthoc.n_train", "at least 2") for block in (D, S)),
    *(({f"{block}.model.z_dim": 10**12}, f"{block}.model.z_dim", "at most 65536") for block in (D, S)),
    ({f"{S}.model.hidden": 2**40}, f"{S}.model.hidden", "at most 65536"),
    ({f"{D}.train.epochs": 10**30}, f"{D}.train.epochs", "at most 1000000000"),
]  # fmt: skip

POSSIBLE = [
    {f"{D}.data.n_train": 500, f"{D}.train.batch_size": 500, f"{D}.data.probe_per_class": 50},
    {f"{D}.model.channels": 1, f"{D}.model.block": "plain"},
    {f"{D}.model.cut": 3},
    FRAMES | {f"{S}.data.framing": "wave_padend"},
    FRAMES | {f"{S}.data.framing": "center_drop", f"{S}.data.hop_length": 26},
    {f"{S}.data.synth.core_speakers": 16},
    {f"{S}.data.synth.train_speakers": 4, f"{S}.data.val": "utterance"},
]


@pytest.mark.parametrize(
    ("changes", "key", "says"), IMPOSSIBLE, ids=[f"{key} {n}" for n, (_, key, _) in enumerate(IMPOSSIBLE)]
)
def test_what_cannot_run_is_refused_by_check(changes, key, says, tmp_path, capsys):
    values = copy.deepcopy(test_specs.DEMO)
    for name, value in changes.items():
        tiny.put(values, name, value)
    assert main(["-C", str(tiny.workspace(tmp_path, yaml.safe_dump(values))), "check"]) == EXIT_USER
    error = capsys.readouterr().err
    assert f"params.yaml:{key}\n" in error
    assert says in error
    assert "  fix   " in error


@pytest.mark.parametrize("changes", POSSIBLE, ids=str)
def test_what_can_run_is_fine(changes):
    tiny.params(changes, test_specs.DEMO)


def test_counts_are_those_of_the_readers():
    mnist = readers.COUNTS["train"], readers.COUNTS["t10k"]
    digit = digits.N_TRAIN, digits.COUNT - digits.N_TRAIN
    assert {"mnist": mnist, "fashion-mnist": mnist, "digits": digit} == relations.IMAGES
    assert relations.CLASSES == readers.CLASSES
