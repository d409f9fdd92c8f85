"""A workspace that calls itself the paper keeps every value that the paper states; what it leaves open stays free."""

import copy
import re
from pathlib import Path

import pytest
import tiny
import yaml

from cmivae.cli import main
from cmivae.errors import EXIT_USER
from cmivae.registry import CORPORA
from cmivae.results.deviations import deviations
from cmivae.study.checks import check_study
from cmivae.study.loading import load_params, parse_params
from cmivae.study.params import PixelCnnVae
from cmivae.study.stated import PAPER_READERS, STATED, TABLE_READERS

VALUES = yaml.safe_load((tiny.REPOSITORY / "params.yaml").read_text())
# Another value of each stated key that no other check refuses.
OTHER = {
    "data.n_train": 1000, "data.n_valid": 100, "data.n_test": 100, "data.max_trials": 100, "train.epochs": 5,
    "data.valid_fraction": 0.9, "data.threshold": 0.9, "data.probe_per_class": 5, "data.mcas_per_class": 5,
    "data.win_length": 320, "data.hop_length": 320, "data.n_fft": 512, "data.segment": 16, "data.vc_segments": 20,
    "model.z_dim": 2, "model.s_dim": 2, "model.kernels": [3] * 7, "model.channels": 8, "model.z_maps": 1,
    "critic.channels": 16, "critic.hidden": 16, "critic.spectral_norm": True, "train.lr": 0.5,
    "train.critic_lr": 0.5, "train.critic_steps": 1, "train.select": "last", "embed.decodes": 1,
}  # fmt: skip
NAMES = {"mnist": "image", "fashion-mnist": "image", "timit": "speech"}
CHANGES = [
    (name, each.key) for name, kind in NAMES.items() for each in STATED[kind] if each.key != "model.name"
]  # a model has no other name until somebody brings one: see below
# What docs/deviations.md offers in place of our reading where the paper is silent or contradicts itself.
FREE = {
    "mnist": {
        "data.split_seed": 1, "data.subset_seed": 1, "data.mcas_subsets": 3, "model.encoder": "conv",
        "model.block": "plain", "model.cut": 5, "model.z_inject": "once", "model.long_skips": "within",
        "critic.disc_input": "x", "train.batch_size": 100, "train.adam_betas": [0.5, 0.9], "train.d_batch": "fresh",
        "train.clip": 0.0, "train.online_estimator": False, "train.precision": "bf16", "embed.mcas_z": "sample",
        "embed.eval_seed": 1, "embed.posthoc.inits": 0, "evaluate.c": 10.0, "evaluate.svm_gamma": "auto",
    },
    "timit": {
        "data.use_sa": True, "data.window": "hamming", "data.pre_emphasis": 0.97, "data.log": "db", "data.floor": 0.001,
        "data.norm": "mvn", "data.framing": "wave_padend", "data.segments": "random", "data.val": "kaldi_dev",
        "model.hidden": 512, "model.q_s": "ar", "model.prior": "markov", "model.var": "scalar",
        "critic.disc_input": "x", "critic.scale_init": 5.0, "train.batch_size": 64, "train.clip": 5.0,
        "train.select": "objective", "train.valid_every": 1, "evaluate.c": 10.0,
    },
}  # fmt: skip
ALTERNATIVES = [(name, key) for name, changes in FREE.items() for key in changes]


def changed(**changes):
    """The root's values; ``__`` in a name is a dot."""
    values = copy.deepcopy(VALUES)
    for key, value in changes.items():
        tiny.put(values, key.replace("__", "."), value)
    return values


def mistake(values):
    return tiny.mistake(lambda: check_study(parse_params(values), "params.yaml"))


def test_the_root_keeps_what_the_paper_states():
    assert mistake(VALUES) is None
    assert {name: block.kind for name, block in load_params(tiny.REPOSITORY / "params.yaml").datasets.items()} == NAMES
    assert {kind: {n for n, own in NAMES.items() if own == kind} for kind in STATED} == {
        kind: set(readers) for kind, readers in PAPER_READERS.items()
    }


def test_every_stated_value_has_another_to_try_and_a_section():
    keys = {each.key for all_ in STATED.values() for each in all_}
    assert keys == {*OTHER, "model.name"}
    assert all(re.match(r"(Sec\.|App\.) [\dA-L]", each.section) for all_ in STATED.values() for each in all_)
    for all_ in STATED.values():
        assert len({each.key for each in all_}) == len(all_)


@pytest.mark.parametrize(("name", "key"), CHANGES)
def test_a_stated_value_may_not_change(name, key):
    error = mistake(changed(**{f"datasets.{name}.{key}": OTHER[key]}))
    assert error is not None
    assert error.where == f"params.yaml:datasets.{name}.{key}"
    assert (error.code, key in error.what, "labelled 'paper'" in error.what) == (EXIT_USER, True, True)
    (stated,) = (each for each in STATED[NAMES[name]] if each.key == key)
    assert stated.section in error.why
    assert error.fix.startswith(f"{key}: ")
    assert "another label" in error.fix
    restored = yaml.safe_load(error.fix.partition(", or ")[0])  # what the fix says is what the root has
    assert mistake(changed(**{f"datasets.{name}.{key}": restored[key]})) is None


@pytest.mark.parametrize(("name", "key"), CHANGES)
def test_under_another_label_it_may_and_every_table_says_so(name, key):
    values = changed(label="reduced", **{f"datasets.{name}.{key}": OTHER[key]})
    assert mistake(values) is None
    assert any(line.startswith(f"{key} ") for line in deviations(parse_params(values), name))


@pytest.mark.parametrize(("name", "key"), ALTERNATIVES)
def test_what_the_paper_leaves_open_is_free_and_printed(name, key):
    values = changed(**{f"datasets.{name}.{key}": FREE[name][key]})
    assert mistake(values) is None
    assert any(line.startswith(f"{key} ") for line in deviations(parse_params(values), name))


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2, 3, 4]])
def test_the_number_of_seeds_is_free(seeds):
    assert mistake(changed(seeds=seeds)) is None


@pytest.mark.parametrize(
    ("name", "reader"), [("mnist", "digits"), *(("timit", reader) for reader in CORPORA if reader != "timit")]
)
def test_other_data_are_not_the_papers(name, reader):
    error = mistake(changed(**{f"datasets.{name}.reader": reader}))
    assert error.where == f"params.yaml:datasets.{name}.reader"
    assert f"the paper's data are {' and '.join(PAPER_READERS[NAMES[name]])}" in error.why


@pytest.mark.parametrize(
    ("table", "dataset", "printed"), [("T4", "fashion-mnist", "table4"), ("T5", "mnist", "table5")]
)
def test_a_printed_table_stands_beside_its_own_data_only(table, dataset, printed):
    values = changed(figures={}, **{f"tables.{table}.dataset": dataset})
    error = mistake(values)
    assert error.where == f"params.yaml:tables.{table}.paper"
    assert f"is of {TABLE_READERS[printed]}" in error.why
    assert mistake(values | {"label": "other"}) is None


def test_a_model_that_somebody_brought_is_not_the_papers():
    params = parse_params(VALUES)
    other = PixelCnnVae.model_construct(name="theirs", z_dim=32)
    blocks = params.datasets | {"mnist": params.datasets["mnist"].model_copy(update={"model": other})}
    error = tiny.mistake(lambda: check_study(params.model_copy(update={"datasets": blocks}), "params.yaml"))
    assert error.where == "params.yaml:datasets.mnist.model.name"


@pytest.mark.parametrize("name", ["demo", "reduced", "reduced-speech", "extensions"])
def test_workspaces_of_another_label_are_as_they_were(name):
    assert load_params(tiny.REPOSITORY / name / "params.yaml").label != "paper"


def test_the_command_line_says_it_in_full(tmp_path: Path, capsys):
    text = (tiny.REPOSITORY / "params.yaml").read_text().replace("z_dim: 64", "z_dim: 2")
    (tmp_path / "params.yaml").write_text(text)
    assert main(["-C", str(tmp_path), "check"]) == EXIT_USER
    said = capsys.readouterr().err
    for words in ("dataset 'timit' has model.z_dim 2", "params.yaml:datasets.timit.model.z_dim",
                  "the paper has 64 (App. G.1)", "model.z_dim: 64, or give the workspace another label"):  # fmt: skip
        assert words in said
