"""Cells: every printed number leads back to its runs, and no seed that failed is averaged away."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic_study import GRID, SEEDS, key, make_baselines, make_cells, make_metrics, make_params, make_runs

from cmivae.errors import UserError
from cmivae.results.cells import AGGREGATES, build_cells, from_jsonl, read_pointer, to_jsonl
from cmivae.results.columns import LAYOUTS
from cmivae.results.tables import to_markdown, view
from cmivae.study.params import ImageData

COLUMNS = LAYOUTS["image"].columns
BASELINE = [column for row in LAYOUTS["image"].baselines(ImageData()) for column in row.columns]


def by_address(cells):
    return {cell.address: cell for cell in cells}


def change(runs, config, seed, **fields):
    return {**runs, (config, seed): dataclasses.replace(runs[config, seed], **fields)}


def test_every_row_and_column_has_one_address():
    cells = make_cells()
    assert len(by_address(cells)) == len(cells) == len(GRID) * len(COLUMNS) + len(BASELINE)
    addresses = set(by_address(cells))
    assert {"T4[cmi,0.3].aolr", "T4[vanilla,0.0].aolr", "T4[real100].mcas", "T4[real1000].aolr"} <= addresses


def test_mean_error_lineage_and_paper():
    cell = by_address(make_cells())["T4[cmi,0.3].mcas"]
    assert cell.value == pytest.approx(0.731)
    assert cell.se == pytest.approx(0.001 / math.sqrt(3))
    assert (cell.n, cell.expected, cell.failed, cell.missing, cell.problem) == (3, 3, (), (), "")
    assert (cell.paper, cell.label, cell.aggregate) == (0.7716, "paper", "mean")
    assert [run.run for run in cell.runs] == [f"runs/evaluate/mnist-cmi-g030/s{seed}" for seed in SEEDS]
    assert [run.value for run in cell.runs] == [make_metrics("cmi", 0.3, s)["mcas"]["mean"] for s in SEEDS]
    assert {run.pointer for run in cell.runs} == {"/mcas/mean"}


def test_nelbo_is_the_negative_of_the_stored_elbo():
    cell = by_address(make_cells())["T4[beta,0.6].nelbo"]
    assert cell.value == 57.0
    assert [(run.pointer, run.value) for run in cell.runs] == [
        ("/elbo", -56.0),
        ("/elbo", -57.0),
        ("/elbo", -58.0),
    ]
    assert cell.aggregate == "minus mean"


def test_every_value_follows_from_its_own_record():
    params = make_params()
    runs = {run.run_id: run for run in [*make_runs(params).values(), *make_baselines().values()]}
    for cell in make_cells():
        values = [run.value for run in cell.runs if run.value is not None]
        for run in cell.runs:
            stored = read_pointer(runs[run.run_id].metrics, run.pointer)
            assert (tuple(stored) if isinstance(stored, list) else stored) == run.value
        if cell.value is not None:
            assert AGGREGATES[cell.aggregate](values) == (cell.value, cell.se)


@pytest.mark.parametrize(
    ("failed", "missing", "problem"),
    [
        ((1, 2), (), "failed (2/3 seeds)"),
        ((), (1,), "missing (1/3 seeds)"),
        ((0,), (2,), "failed (1/3 seeds), missing (1/3 seeds)"),
    ],
)
def test_a_seed_that_is_not_there_is_never_averaged_away(failed, missing, problem):
    params, config = make_params(), key("cmi", 0.3)
    runs = make_runs(params)
    for seed in failed:
        runs = change(runs, config, seed, status="failed", metrics={})
    for seed in missing:
        del runs[config, seed]
    cells = by_address(build_cells(params, runs, make_baselines()))
    cell = cells["T4[cmi,0.3].aolr"]
    assert (cell.value, cell.se) == (None, None)
    assert (cell.failed, cell.missing, cell.problem) == (failed, missing, problem)
    assert cell.n == len(cell.runs) == 3 - len(failed) - len(missing)
    assert cells["T4[beta,0.3].aolr"].value is not None


def test_metrics_of_a_failed_run_are_not_read():
    params, config = make_params(), key("beta", 0.3)
    runs = change(make_runs(params), config, 0, status="failed")
    assert by_address(build_cells(params, runs, make_baselines()))["T4[beta,0.3].mcas"].n == 2


def test_a_metric_that_was_left_out_says_not_run():
    cell = by_address(make_cells())["T4[cmi,0.3].i_zs_posthoc"]
    assert (cell.value, cell.n, cell.problem) == (None, 0, "not run")
    params = make_params()
    metrics = make_metrics("cmi", 0.3, 1)
    del metrics["aosvm"]
    runs = change(make_runs(params), key("cmi", 0.3), 1, metrics=metrics)
    cell = by_address(build_cells(params, runs, make_baselines()))["T4[cmi,0.3].aosvm"]
    assert (cell.value, cell.n, cell.problem) == (None, 2, "not run (1/3 seeds)")


@pytest.mark.parametrize("bad", [math.nan, math.inf, "0.7", True])
def test_a_metric_that_is_no_number_is_refused_by_name(bad):
    params = make_params()
    metrics = {**make_metrics("mi", 0.6, 2), "kl_z": bad}
    runs = change(make_runs(params), key("mi", 0.6), 2, metrics=metrics)
    with pytest.raises(UserError, match="finite number") as error:
        build_cells(params, runs, make_baselines())
    assert error.value.where == "runs/evaluate/mnist-mi-g060/s2/metrics.json:/kl_z"


def test_one_seed_has_no_error():
    cell = by_address(make_cells(seeds=(0,)))["T4[cmi,0.3].aolr"]
    assert (cell.value, cell.se, cell.n) == (pytest.approx(0.83), None, 1)


def test_baseline_rows_take_their_own_metrics():
    cells = by_address(make_cells())
    assert [cells[f"T4[{a}"].value for a in ("real100].mcas", "real100].mcas_svm")] == [0.737, 0.741]
    assert [cells[f"T4[{a}"].value for a in ("real1000].aolr", "real1000].aosvm")] == [0.861, 0.911]
    assert cells["T4[real100].mcas_svm.sd"].value == pytest.approx(0.002 / math.sqrt(2))
    params = make_params()
    absent = by_address(build_cells(params, make_runs(params), {}))["T4[real100].mcas"]
    assert (absent.value, absent.problem) == (None, "missing (1/1 run)")


def test_baseline_rows_count_their_images():
    cells = by_address(make_cells(data={"mcas_per_class": 2, "probe_per_class": 5}))
    assert {"T4[real20].mcas", "T4[real50].aolr"} <= set(cells)


def test_rows_stand_in_the_order_of_the_paper_whatever_the_params_order():
    def rows(cells):
        return list(dict.fromkeys((cell.objective, cell.gamma) for cell in cells))

    expected = [*GRID, ("real100", None), ("real1000", None)]
    assert rows(make_cells()) == rows(make_cells(grid=GRID[::-1])) == expected


def test_two_configs_of_one_row_are_refused():
    params = make_params().model_dump()
    params["configs"]["mnist-again"] = params["configs"][key("cmi", 0.3)]
    params = type(make_params()).model_validate(params)
    with pytest.raises(UserError, match="same row"):
        build_cells(params, make_runs(params), make_baselines())


def test_deviations_name_what_differs_and_only_that():
    assert by_address(make_cells())["T4[cmi,0.3].aolr"].deviations == ()
    assert make_cells(data={"source": "somewhere"})[0].deviations == ()
    cells = make_cells(epochs=2, data={"n_train": 500}, model={"name": "pixelcnn_vae", "kernels": (5, 3)})
    assert cells[0].deviations == (
        "train.epochs 2 (paper: 300)",
        "data.n_train 500 (default: all)",
        "model.kernels 5 3 (default: 7 7 7 7 7 5 5 5 5 3 3 3 3)",
    )


def test_a_probe_that_did_not_converge_marks_its_cell_only():
    params = make_params()
    metrics = make_metrics("beta", 0.3, 1)
    metrics["aolr"]["converged"] = False
    runs = change(make_runs(params), key("beta", 0.3), 1, metrics=metrics)
    marked = [cell.address for cell in build_cells(params, runs, make_baselines()) if cell.deviations]
    assert marked == ["T4[beta,0.3].aolr"]


@pytest.mark.parametrize(("value", "marked"), [(4.29, []), (4.31, [0, 2])])
@pytest.mark.parametrize(("column", "pointer"), [("i_zs", "online"), ("i_zs_posthoc", "posthoc")])
def test_an_estimate_above_its_bound_marks_its_cell_and_the_seeds(value, marked, column, pointer):
    params = make_params()
    runs = make_runs(params)
    for seed in (0, 2):
        metrics = make_metrics("beta", 0.3, seed) | {"kl_z": 4.0}
        metrics["i_zs"][pointer] = value
        runs = change(runs, key("beta", 0.3), seed, metrics=metrics)
    cells = build_cells(params, runs, make_baselines())
    found = {cell.address: cell.deviations for cell in cells if cell.deviations}
    heading = {"i_zs": "I(z;s)", "i_zs_posthoc": "I(z;s) post hoc"}[column]
    note = f"{heading} is over KL(z) + 0.3 nats, which bounds it: the critic overfits (seeds 0, 2)"
    assert found == ({f"T4[beta,0.3].{column}": (note,)} if marked else {})
    text = to_markdown(view(cells, "T4", title="t", note=""))
    assert (f"- {note}: T4[beta,0.3].{column}" in text) == bool(marked)


def test_jsonl_comes_back_and_has_the_same_bytes_whatever_the_order_of_runs():
    params = make_params()
    runs = make_runs(params)
    cells = build_cells(params, runs, make_baselines())
    assert from_jsonl(to_jsonl(cells)) == cells
    mixed = dict(reversed(runs.items()))
    assert to_jsonl(build_cells(params, mixed, make_baselines())) == to_jsonl(cells)


@pytest.mark.parametrize("line", ["{", "[]", '{"address": "T4"}', '{"runs": [{}]}'])
def test_a_broken_line_is_named(line):
    good = to_jsonl(make_cells()[:1])
    with pytest.raises(UserError, match="not a cell") as error:
        from_jsonl(good + line)
    assert error.value.where == "cells.jsonl:2"


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["complete", "failed", "missing"]), min_size=3, max_size=3))
def test_a_value_stands_only_where_every_seed_does(states):
    params, config = make_params(grid=(("cmi", 0.3),)), key("cmi", 0.3)
    runs = make_runs(params)
    for seed, state in enumerate(states):
        if state == "missing":
            del runs[config, seed]
        else:
            runs = change(runs, config, seed, status=state)
    cell = by_address(build_cells(params, runs, make_baselines()))["T4[cmi,0.3].kl_z"]
    assert (cell.value is not None) == (states == ["complete"] * 3) == (cell.problem == "")
    assert cell.n + len(cell.failed) + len(cell.missing) == cell.expected == 3
