"""The three workspaces, the paper's grid, and what a key that is left out means."""

import copy
import json

import pytest
import tiny
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from cmivae.cli import main
from cmivae.results.deviations import deviations
from cmivae.study.checks import PAPER_EPOCHS, check_study, config_key
from cmivae.study.loading import load_params, parse_params
from cmivae.study.params import Config
from cmivae.study.runs import expand

ROOT = tiny.REPOSITORY / "params.yaml"
VALUES = yaml.safe_load(ROOT.read_text())
GAMMAS = {"mnist": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
          "fashion-mnist": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]}  # fmt: skip


def test_root_is_the_paper():
    params = load_params(ROOT)
    grid = {(c.dataset, c.objective, c.gamma) for c in params.configs.values()}
    wanted = {(name, objective, g) for name in GAMMAS for g in GAMMAS[name] for objective in ("beta", "cmi", "mi")}
    assert grid == wanted | {(name, "vanilla", 0.0) for name in GAMMAS}
    assert len(params.configs) == 50
    assert len(expand(params)) == 150
    assert params.label == "paper"
    assert params.seeds == (0, 1, 2)
    assert {name: block.train.epochs for name, block in params.datasets.items()} == dict.fromkeys(GAMMAS, PAPER_EPOCHS)
    assert {table.paper for table in params.tables.values()} == {"table4", "table5"}
    assert {figure.metric for figure in params.figures.values()} == {"aolr", "mcas", None}


@pytest.mark.parametrize("dataset", list(GAMMAS))
def test_root_deviates_in_nothing(dataset):
    assert deviations(load_params(ROOT), dataset) == ()


@pytest.mark.parametrize(("name", "label", "runs"), [("demo", "demo", 10), ("reduced", "reduced", 3)])
def test_smaller_workspaces_load_and_say_so(name, label, runs):
    params = load_params(tiny.REPOSITORY / name / "params.yaml")
    assert params.label == label
    assert params.note
    assert len(expand(params)) == runs
    assert all(deviations(params, dataset) for dataset in params.datasets)


@pytest.mark.parametrize(
    ("objective", "gamma", "key"),
    [("vanilla", 0.0, "mnist-vanilla"), ("cmi", 0.3, "mnist-cmi-g030"), ("cmi", 0.05, "mnist-cmi-g005"),
     ("mi", 0.125, "mnist-mi-g0125"), ("beta", 0.1 + 0.2, "mnist-beta-g030"), ("beta", 0.999, "mnist-beta-g0999")],
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
    if path in ("configs", "figures"):  # an entry, not a setting: the study is smaller by it and else the same
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
