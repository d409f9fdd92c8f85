"""Tables and figures of speech in ``params.yaml``: what does not fit is named by key, with what would."""

import typing

import pytest
import synthetic_speech
import tiny

from cmivae.registry import CORPORA, READERS
from cmivae.results.columns import LAYOUTS
from cmivae.study.checks import CURVES, PAPER_LAYOUTS, TABLE_LAYOUTS, check_study
from cmivae.study.loading import parse_params
from cmivae.study.params import Figure, Table

VOICES = ("timit-cmi-g040",)


def literals(model, field):
    """All strings that a field of literals may be."""
    found, waiting = set(), [model.model_fields[field].annotation]
    while waiting:
        inner = typing.get_args(waiting.pop())
        found |= {item for item in inner if isinstance(item, str)}
        waiting += [item for item in inner if not isinstance(item, str)]
    return found


def values():
    """A study of speech and the digits, as plain values."""
    params = synthetic_speech.make_params(
        label="tiny",
        figures={
            "F4": {"title": "x", "kind": "curve", "dataset": "timit", "metric": "i_zs", "x": "beta", "table": "T3"},
            "F1": {"title": "x", "kind": "curve", "dataset": "timit", "metric": "eer_z"},
            "V1": {"title": "x", "kind": "voices", "dataset": "timit", "configs": VOICES},
        },
    )
    found = tiny.values()
    own = params.model_dump(mode="json", include={"datasets", "configs", "tables", "figures"})
    for name, block in own.items():
        found[name] |= block
    return found


def check(changes):
    found = values()
    for key, value in changes.items():
        tiny.put(found, key, value)
    return tiny.mistake(lambda: check_study(parse_params(found), "params.yaml"))


def test_a_study_of_speech_and_images_is_fine():
    assert check({}) is None


@pytest.mark.parametrize("reader", [*CORPORA])
def test_every_corpus_is_a_reader_of_speech(reader):
    assert check({"datasets.timit.reader": reader}) is None
    assert reader not in READERS


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("tables.T1.layout", "image", "layout: eer or conversion or elbo"),
        ("tables.D4.layout", "elbo", "layout: image"),
        ("tables.T1.paper", "table3", "paper: table1; or layout: elbo"),
        ("tables.T3.paper", "table4", "paper: table3; or layout: image"),
        ("tables.D4.paper", "table1", "paper: table4 or table5; or layout: eer"),
        ("tables.T1.gammas", [0.4, 0.41], "such as 'timit-beta-g041'"),
        ("tables.D4.gammas", [0.0, 0.4], "such as 'digits-beta-g040'"),
        ("figures.F4.table", "T9", "known: D4, T1, T2, T3"),
        ("figures.F4.table", "D4", "of dataset 'timit': T1, T2, T3"),
        ("figures.F1.metric", "i_zs", "table: T3"),
        ("figures.F1.metric", "mcas", "metric: eer_z or eer_s"),
        ("figures.F4.metric", "vc_mcas", "table: T2"),
        ("figures.D3.metric", "eer_z", "metric: mcas or"),
        ("figures.V1.configs", ["digits-vanilla"], "of another dataset"),
        ("figures.V1.configs", [], "a page of voices needs configs"),
        ("figures.V1.kind", "samples", "kind: voices"),
        ("figures.D5.kind", "voices", "kind: samples"),
        ("figures.V1.metric", "eer_z", "a page of voices shows no metric"),
        ("figures.V1.table", "T1", "not drawn from a table"),
        ("figures.D5.x", "beta", "has no axis"),
        ("datasets.digits.reader", "digit", "did you mean 'digits'?"),
        ("datasets.digits.reader", "timi", "did you mean 'timit'?"),
    ],
)
def test_what_does_not_fit_is_named(key, value, says):
    error = check({key: value})
    assert error is not None
    assert error.where == f"params.yaml:{key}"
    assert says in str(error)


def test_names_here_are_those_of_layouts_and_params():
    assert set(LAYOUTS) == set(CURVES) == set(PAPER_LAYOUTS.values()) == literals(Table, "layout")
    assert {name: LAYOUTS[name].kind for name in LAYOUTS} == {
        layout: kind for kind, layouts in TABLE_LAYOUTS.items() for layout in layouts
    }
    assert set(PAPER_LAYOUTS) == literals(Table, "paper")
    assert {metric for metrics in CURVES.values() for metric in metrics} == literals(Figure, "metric")
    for name, metrics in CURVES.items():
        assert all(LAYOUTS[name].column(metric) and LAYOUTS[name].column("kl_z") for metric in metrics)
