"""The four workspaces, the paper's grid, and what a key that is left out means."""

import copy
import json

import pytest
import tiny
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cmivae.cli import main
from cmivae.results.deviations import deviations
from cmivae.study.checks import check_study, config_key
from cmivae.study.loading import load_params, parse_params
from cmivae.study.params import Config
from cmivae.study.runs import expand
from cmivae.study.stated import PAPER_EPOCHS

ROOT = tiny.REPOSITORY / "params.yaml"
VALUES = yaml.safe_load(ROOT.read_text())
GAMMAS = {"mnist": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
          "fashion-mnist": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
          "timit": [0.4, 0.8, 0.9, 0.99, 0.999, 0.9999]}  # fmt: skip
IMAGES, SPEECH = ("beta", "cmi", "mi"), ("beta", "cmi")  # the paper trains no MI-VAE on speech
OBJECTIVES = {"mnist": IMAGES, "fashion-mnist": IMAGES, "timit": SPEECH}
SHOWN = {  # by the paper's own tables: data set, columns, and which gammas; None is all
    "T1": ("timit", "eer", "table1", (0.0, 0.4, 0.8, 0.9, 0.99)),
    "T2": ("timit", "conversion", "table2", (0.4, 0.8, 0.9, 0.99, 0.999, 0.9999)),
    "T3": ("timit", "elbo", "table3", None),
    "T4": ("mnist", "image", "table4", None),
    "T5": ("fashion-mnist", "image", "table5", None),
}


def test_root_is_the_paper():
    params = load_params(ROOT)
    grid = {(c.dataset, c.objective, c.gamma) for c in params.configs.values()}
    wanted = {(name, objective, g) for name in GAMMAS for g in GAMMAS[name] for objective in OBJECTIVES[name]}
    assert grid == wanted | {(name, "vanilla", 0.0) for name in GAMMAS}
    assert len(params.configs) == 63
    assert len(expand(params)) == 189
    assert params.label == "paper"
    assert params.seeds == (0, 1, 2)
    epochs = {name: block.train.epochs for name, block in params.datasets.items()}
    assert epochs == {"mnist": 300, "fashion-mnist": 300, "timit": 6000}
    assert all(block.train.epochs == PAPER_EPOCHS[block.kind] for block in params.datasets.values())
    assert {name: block.kind for name, block in params.datasets.items()} == {
        "mnist": "image", "fashion-mnist": "image", "timit": "speech"
    }  # fmt: skip


def test_root_shows_the_papers_tables_and_figures():
    params = load_params(ROOT)
    assert {n: (t.dataset, t.layout, t.paper, t.gammas) for n, t in params.tables.items()} == SHOWN
    assert {figure.metric for figure in params.figures.values()} == {"aolr", "mcas", "i_zs", None}
    assert params.figures.keys() == {"F3a", "F3b", "F3c", "F3d", "F4", "F5", "F6"}
    assert (params.figures["F4"].table, params.figures["F4"].x) == ("T3", "beta")
    assert {name: figure.kind for name, figure in params.figures.items() if figure.kind != "curve"} == {
        "F5": "samples", "F6": "voices"
    }  # fmt: skip


def test_every_speech_run_of_the_root_is_for_table_1_or_2():
    there = {config.gamma for config in load_params(ROOT).configs.values() if config.dataset == "timit"}
    assert there == {*SHOWN["T1"][3], *SHOWN["T2"][3]}


@pytest.mark.parametrize("dataset", list(GAMMAS))
def test_root_deviates_in_nothing(dataset):
    assert deviations(load_params(ROOT), dataset) == ()


@pytest.mark.parametrize(
    ("name", "label", "runs"), [("demo", "demo", 16), ("reduced", "reduced", 3), ("reduced-speech", "reduced", 10)]
)
def test_smaller_workspaces_load_and_say_so(name, label, runs):
    params = load_params(tiny.REPOSITORY / name / "params.yaml")
    assert params.label == label
    assert params.note
    assert len(expand(params)) == runs
    assert all(deviations(params, dataset) for dataset in params.datasets)


@pytest.mark.parametrize(
    ("objective", "gamma", "key"),
    [("vanilla", 0.0, "mnist-vanilla"), ("cmi", 0.3, "mnist-cmi-g030"), ("cmi", 0.05, "mnist-cmi-g005"),
     ("mi", 0.125, "mnist-mi-g0125"), ("beta", 0.1 + 0.2, "mnist-beta-g030"), ("beta", 0.999, "mnist-beta-g0999"),
     ("beta", 0.9999, "mnist-beta-g09999")],
)  # fmt: skip
def test_config_key(objective, gamma, key):
    assert config_key(Config(dataset="mnist", objective=objective, gamma=gamma)) == key


def test_runs_go_by_configuration_then_seed():
    names = [run.name for run in expand(tiny.params())]
    assert names[:3] == ["digits-vanilla/s0", "digits-vanilla/s1", "digits-beta-g030/s0"]
    assert len(names) == len(set(names)) == 6


def _keys(values, prefix=""):
    for name, value in values.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")


def _default(model: BaseModel, key: str):
    """Value and schema default at a dotted key."""
    *path, last = key.split(".")
    for name in path:
        model = model[name] if isinstance(model, dict) else getattr(model, name)
    field = type(model).model_fields[last]
    return getattr(model, last), field.get_default(call_default_factory=True)


@pytest.mark.parametrize("key", list(_keys(VALUES)))
def test_a_key_left_out_is_named_or_its_default(key):
    values = tiny.drop(copy.deepcopy(VALUES), key)
    path, _, last = key.rpartition(".")
    error = tiny.mistake(lambda: check_study(parse_params(values), "params.yaml"))
    if error is not None:
        assert last in str(error) or (path == "tables" and "add a table" in error.fix)
        assert error.where.startswith("params.yaml:")
        return
    params = parse_params(values)
    if path in (
        "configs",
        "figures",
        "tables",
    ):  # an entry, not a setting: the study is smaller by it and else the same
        assert last not in getattr(params, path)
        assert params == parse_params(tiny.drop(load_params(ROOT).model_dump(mode="json"), key))
    else:
        value, default = _default(params, key)
        assert default is not PydanticUndefined
        assert value == default


def test_keys_without_default_are_few():
    required = {"label", "note", "seeds", "datasets", "configs", "tables", "figures", "style"}
    cut = {name: tiny.drop(copy.deepcopy(VALUES), name) for name in VALUES}
    assert {name for name in cut if tiny.mistake(lambda name=name: parse_params(cut[name]))} == required


def test_stored_schema_is_the_printed_one(capsys):
    assert main(["schema"]) == 0
    stored = (tiny.REPOSITORY / "workflow/schemas/params.schema.json").read_text()
    assert json.loads(stored) == json.loads(capsys.readouterr().out)
