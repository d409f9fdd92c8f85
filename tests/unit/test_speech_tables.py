"""Tables 1 to 3 of speech: what each shows word for word, quoted and baseline rows, seeds that are not there."""

import csv
import dataclasses
import io

import pytest
from synthetic_speech import GRID, SEEDS, TABLES, key, make_baselines, make_cells, make_metrics, make_params, make_runs

from cmivae.results.agreement import OTHER, agreement
from cmivae.results.cells import AGGREGATES, build_cells, from_jsonl, read_pointer, to_jsonl
from cmivae.results.columns import LAYOUTS
from cmivae.results.deviations import deviations
from cmivae.results.tables import to_csv, to_latex, to_markdown, view

SMALL = (("vanilla", 0.0), ("beta", 0.4), ("cmi", 0.4), ("cmi", 0.9999))
SMALL_TABLES = {
    "T1": TABLES["T1"] | {"gammas": (0.0, 0.4)},
    "T2": TABLES["T2"] | {"gammas": (0.4, 0.9999)},
    "T3": TABLES["T3"],
}

GOLDEN = {
    "T1": """\
## T1. Verification (Table 1)

Workspace: paper. Mean ± s.e. over 3 seeds; KL(z) in nats, EER in percent, both on the core test speakers. [ ] printed \
in the paper. DSAE*: of Li and Mandt (2018), as the paper quotes it.

| γ | Model | KL(z) | EER(z) | EER(s) |
|--:|:--|--:|--:|--:|
| – | DSAE* (quoted, not run) |  | [4.82] | [18.89] |
| 0.0 | DSAE (γ 0) | 19.00 ± 0.58 [18.00] | 11.10 ± 0.06 [11.01] | 19.00 ± 0.58 [18.64] |
| 0.4 | β-VAE | 159.00 ± 0.58 [53.28] | 8.30 ± 0.06 [3.88] | 27.00 ± 0.58 [29.45] |
| 0.4 | CMI-VAE | 159.00 ± 0.58 [54.13] | 7.80 ± 0.06 [3.43] | 27.50 ± 0.58 [30.96] |
| – | mean spectrum, cosine |  | 20.10 |  |
| – | mean spectrum, centred, cosine |  | 19.70 |  |
""",
    "T2": """\
## T2. Conversion (Table 2)

Workspace: paper. Mean ± s.e. over 3 seeds; VC-mCAS in percent, its max over the same seeds. [ ] printed in the paper.

| γ | Model | VC-mCAS (mean) | VC-mCAS (max) |
|--:|:--|--:|--:|
| 0.4 | β-VAE | 85.40 ± 0.12 [83.73] | 85.6 [85.8] |
| 0.4 | CMI-VAE | 85.90 ± 0.12 [84.33] | 86.1 [86.6] |
| 0.9999 | CMI-VAE | 87.70 ± 0.12 [87.73] | 87.9 [88.0] |
| – | real segments (same classifier) | 96.20 |  |
""",
    "T3": """\
## T3. Likelihood (Table 3)

Workspace: paper. Mean ± s.e. over 3 seeds; ELBO, KL, Recon and I(z;s) in nats, EER in percent, all on the core \
test speakers. [ ] printed in the paper, ± its s.e.

| γ | Model | ELBO | KL(z) | KL(s) | Recon | EER(z) | EER(s) | I(z;s) | I(z;s) post hoc |
|--:|:--|--:|--:|--:|--:|--:|--:|--:|--:|
| 0.0 | DSAE (γ 0) | 6303.00 ± 1.15 [6299.08 ± 14.06] | 19.00 ± 0.58 [18.00 ± 0.09] | 490.00 ± 0.00 [495.92 ± 4.45] \
| -6812.00 ± 0.58 [-6813.00 ± 13.37] | 11.10 ± 0.06 [11.01 ± 0.52] | 19.00 ± 0.58 [18.64 ± 1.04] \
| 1.61 ± 0.01 [1.61 ± 0.04] | 2.00 ± 0.00 |
| 0.4 | β-VAE | 6187.00 ± 1.15 [6289.48 ± 11.72] | 159.00 ± 0.58 [53.28 ± 0.97] | 466.00 ± 0.00 [483.40 ± 5.73] \
| -6812.00 ± 0.58 [-6826.16 ± 15.46] | 8.30 ± 0.06 [3.88 ± 0.15] | 27.00 ± 0.58 [29.45 ± 0.29] \
| 2.01 ± 0.01 [2.60 ± 0.01] | 2.00 ± 0.00 |
| 0.4 | CMI-VAE | 6187.00 ± 1.15 [6288.64 ± 4.82] | 159.00 ± 0.58 [54.13 ± 2.51] | 466.00 ± 0.00 [468.06 ± 14.03] \
| -6812.00 ± 0.58 [-6810.83 ± 16.04] | 7.80 ± 0.06 [3.43 ± 0.26] | 27.50 ± 0.58 [30.96 ± 0.81] \
| 1.81 ± 0.01 [2.44 ± 0.03] | 2.00 ± 0.00 |
| 0.9999 | CMI-VAE | 6013.03 ± 1.15 | 368.96 ± 0.58 | 430.01 ± 0.00 | -6812.00 ± 0.58 | 3.60 ± 0.06 | 39.50 ± 0.58 \
| 2.41 ± 0.01 | 2.00 ± 0.00 |
| – | mean spectrum, cosine |  |  |  |  | 20.10 |  |  |  |
| – | mean spectrum, centred, cosine |  |  |  |  | 19.70 |  |  |  |
""",
}


def small(**kwargs):
    return {"grid": SMALL, "tables": SMALL_TABLES} | kwargs


def table(name, cells=None, note="", **kwargs):
    cells = make_cells(note=note, **small(**kwargs)) if cells is None else cells
    block = TABLES[name]
    return view(cells, name, title=block["title"], note=note, layout=block["layout"])


def by_address(cells):
    return {cell.address: cell for cell in cells}


def records(view_):
    return list(csv.DictReader(io.StringIO(to_csv(view_))))


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("name", list(TABLES))
def test_markdown_word_for_word(name):
    assert to_markdown(table(name)) == GOLDEN[name]


def test_addresses():
    addresses = set(by_address(make_cells()))
    assert len(addresses) == len(make_cells())
    assert {
        "T1[cmi,0.4].eer_z", "T2[cmi,0.4].vc_mcas", "T2[cmi,0.9999].vc_mcas_max", "T3[beta,0.9].kl_s",
        "T3[vanilla,0.0].elbo", "T1[trivial].eer_z", "T1[trivial_centred].eer_z", "T3[trivial].eer_z",
        "T2[real].vc_mcas", "T1[quoted].eer_z", "T1[quoted].eer_s", "T3[cmi,0.4].eer_s_full",
    } <= addresses  # fmt: skip
    assert not any("T2[vanilla" in address or "T1[cmi,0.9999" in address for address in addresses)
    assert not any("T3[quoted" in address or "T2[quoted" in address for address in addresses)
    assert "T1[quoted].kl_z" not in addresses  # the paper quotes none


def test_gammas_choose_the_rows():
    def rows(name):
        return list(dict.fromkeys((c.objective, c.gamma) for c in cells if c.table == name and c.gamma is not None))

    cells = make_cells(grid=GRID[::-1])
    assert rows("T1") == list(GRID[:9])
    assert rows("T2") == list(GRID[1:])
    assert rows("T3") == list(GRID)


@pytest.mark.parametrize("name", list(LAYOUTS))
def test_columns_of_a_layout_have_keys_of_their_own(name):
    keys = [column.key for column in LAYOUTS[name].columns]
    assert len(set(keys)) == len(keys)
    assert LAYOUTS[name].column("no-such") is None


@pytest.mark.parametrize("layout", ["eer", "conversion", "elbo"])
def test_every_column_finds_its_metric(layout):
    metrics, (baseline,) = make_metrics("cmi", 0.4, 0), make_baselines().values()
    assert {c.key for c in LAYOUTS[layout].columns if read_pointer(metrics, c.pointer) is None} == set()
    rows = LAYOUTS[layout].baselines(None)
    assert all(read_pointer(baseline.metrics, column.pointer) for row in rows for column in row.columns)


def test_mean_max_and_paper_of_conversion():
    cells = by_address(make_cells())
    mean, best = cells["T2[cmi,0.4].vc_mcas"], cells["T2[cmi,0.4].vc_mcas_max"]
    values = [make_metrics("cmi", 0.4, seed)["vc_mcas"]["percent"] for seed in SEEDS]
    assert [run.value for run in mean.runs] == [run.value for run in best.runs] == values
    assert (best.value, best.se, best.aggregate, best.paper) == (max(values), None, "max", 86.6)
    assert mean.value == pytest.approx(sum(values) / 3)
    assert (mean.paper, mean.paper_se) == (84.33, None)


def test_paper_errors_stand_in_table_3_only():
    cells = by_address(make_cells())
    assert (cells["T3[cmi,0.4].eer_z"].paper, cells["T3[cmi,0.4].eer_z"].paper_se) == (3.43, 0.26)
    assert (cells["T1[cmi,0.4].eer_z"].paper, cells["T1[cmi,0.4].eer_z"].paper_se) == (3.43, None)
    assert cells["T3[cmi,0.9999].eer_z"].paper is None
    assert cells["T3[cmi,0.4].eer_z_full"].paper is None


def test_the_quoted_row_is_never_ours_and_never_missing():
    params = make_params()
    for cells in (make_cells(), build_cells(params, {}, {})):
        cell = by_address(cells)["T1[quoted].eer_z"]
        assert (cell.value, cell.paper, cell.expected, cell.n, cell.runs) == (None, 4.82, 0, 0, ())
        assert (cell.aggregate, cell.problem, cell.gamma) == ("quoted", "", None)
        rows = markdown_rows(to_markdown(table("T1", cells)))
        assert rows[2] == ["–", "DSAE* (quoted, not run)", "", "[4.82]", "[18.89]"]
        line = records(table("T1", cells))[0]
        assert (line["model"], line["eer_z"], line["eer_z_paper"], line["problems"]) == ("quoted", "", "4.82", "")
        assert r"-- & DSAE* (quoted, not run) &  & {\scriptsize[4.82]} & {\scriptsize[18.89]} \\" in to_latex(
            table("T1", cells)
        )


def test_a_table_without_printed_numbers_quotes_nothing():
    tables = {"T1": {name: value for name, value in TABLES["T1"].items() if name != "paper"}}
    text = to_markdown(table("T1", make_cells(tables=tables)))
    assert "DSAE*" not in text
    assert "[" not in text
    assert "DSAE (γ 0)" in text


def test_baselines_of_a_run_that_is_missing_say_so():
    params = make_params()
    cells = by_address(build_cells(params, make_runs(params), {}))
    for address in ("T1[trivial].eer_z", "T1[trivial_centred].eer_z", "T2[real].vc_mcas", "T3[trivial].eer_z"):
        assert (cells[address].value, cells[address].problem) == (None, "missing (1/1 run)")
    found = by_address(make_cells())
    assert [found[f"T1[{row}].eer_z"].value for row in ("trivial", "trivial_centred")] == [20.1, 19.7]
    assert found["T3[trivial].eer_z_full"].value == 21.0
    assert found["T2[real].vc_mcas"].value == 96.2


def test_failed_and_missing_seeds_are_words_in_mean_and_max():
    params, config = make_params(), key("cmi", 0.4)
    runs = make_runs(params)
    del runs[config, 1]
    runs[config, 2] = dataclasses.replace(runs[config, 2], status="failed", metrics={})
    cells = build_cells(params, runs, make_baselines())
    found = by_address(cells)
    problem = "failed (1/3 seeds), missing (1/3 seeds)"
    for address in ("T1[cmi,0.4].eer_z", "T2[cmi,0.4].vc_mcas", "T2[cmi,0.4].vc_mcas_max", "T3[cmi,0.4].elbo"):
        assert (found[address].value, found[address].se, found[address].problem) == (None, None, problem)
    rows = markdown_rows(to_markdown(table("T2", cells)))
    assert rows[3] == ["0.4", "CMI-VAE", f"{problem} [84.33]", f"{problem} [86.6]"]
    assert problem in to_latex(table("T2", cells))
    line = records(table("T2", cells))[1]
    assert (line["vc_mcas_max"], line["vc_mcas_max_n"], line["vc_mcas_max_paper"]) == ("", "1", "86.6")
    assert f"vc_mcas_max: {problem}" in line["problems"]


def test_one_seed_has_no_error():
    text = to_markdown(table("T2", seeds=(0,)))
    assert "One seed, so no s.e.;" in text
    assert markdown_rows(text)[2] == ["0.4", "β-VAE", "85.20 [83.73]", "85.2 [85.8]"]


def test_every_value_follows_from_its_own_record():
    for cell in make_cells():
        if cell.value is not None:
            assert AGGREGATES[cell.aggregate]([run.value for run in cell.runs]) == (cell.value, cell.se)


def test_csv_has_all_columns_and_the_papers_errors():
    line = next(line for line in records(table("T3")) if (line["model"], line["gamma"]) == ("cmi", "0.4"))
    assert (line["eer_z_paper"], line["eer_z_paper_se"], line["eer_z_full_paper_se"]) == ("3.43", "0.26", "")
    assert float(line["eer_z_full"]) == pytest.approx(float(line["eer_z"]) + 0.25)
    assert {"i_zs_bce", "i_zs_posthoc_bce", "active_units", "mi_xz", "elbo_full", "kl_s_full"} <= set(line)
    assert "eer_z_paper_se" not in records(table("T1"))[0]
    assert "eer_z_full" in records(table("T1"))[0]
    assert float(records(table("T2"))[0]["kl_z"]) == 159.0


@pytest.mark.parametrize(("name", "columns"), [("T1", 3), ("T2", 2), ("T3", 8)])
def test_latex_has_a_field_for_each_column_and_widens_only_what_is_wide(name, columns):
    text = to_latex(table(name))
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count(" & ") for line in body} == {columns + 1}
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert text.count("{") == text.count("}")
    assert ("table*" in text) == ("resizebox" in text) == ("graphicx" in text) == (name == "T3")
    assert (r"{\scriptsize[3.43\,$\pm$\,0.26]}" in text) == (name == "T3")


def test_cells_come_back_from_their_lines():
    cells = make_cells()
    assert from_jsonl(to_jsonl(cells)) == cells


def test_synthetic_speech_says_so_under_every_table_it_reaches():
    for name in TABLES:
        for writer in (to_markdown, to_latex):
            assert "SYNTHETIC speech: " in writer(table(name, label="demo", note="n", reader="synth"))
            assert "SYNTHETIC" not in writer(table(name, label="demo", note="n"))
    text = to_markdown(table("T1", label="demo", reader="synth"))
    assert text.split("Differs from the paper or the defaults:\n\n")[1].startswith("- SYNTHETIC speech: ")
    assert "T1[" not in text  # on the whole table, quoted row or not


@pytest.mark.parametrize(("reader", "word"), [("manifest", "the user's own"), ("librispeech", "LibriSpeech")])
def test_another_corpus_is_named(reader, word):
    assert f"- corpus: {word} (paper: TIMIT)" in to_markdown(table("T1", label="own", reader=reader))


def test_deviations_of_speech_name_what_differs_and_only_that():
    assert {cell.deviations for cell in make_cells()} == {()}
    neutral = make_cells(data={"source": "somewhere"}, embed={"voices": 0})
    assert {cell.deviations for cell in neutral} == {()}
    cells = by_address(
        make_cells(
            reader="manifest", epochs=30, data={"splits": {"dev": "valid"}, "max_trials": 500, "parts": ("a", "b")}
        )
    )
    assert cells["T1[cmi,0.4].eer_z"].deviations[1:] == (
        "train.epochs 30 (paper: 6000)",
        "data.splits dev=valid (default: none)",
        "data.max_trials 500 (default: all)",
    )
    assert cells["T1[quoted].eer_z"].deviations == ()


def test_a_classifier_that_did_not_converge_marks_its_cells_only():
    params = make_params()
    runs = make_runs(params)
    metrics = make_metrics("beta", 0.4, 1)
    metrics["vc_mcas"]["converged"] = False
    place = key("beta", 0.4), 1
    runs[place] = dataclasses.replace(runs[place], metrics=metrics)
    cells = build_cells(params, runs, make_baselines())
    marked = [cell.address for cell in cells if cell.deviations]
    assert marked == ["T2[beta,0.4].vc_mcas", "T2[beta,0.4].vc_mcas_max"]
    assert (
        "- VC-mCAS: logistic regression stopped at max_iter (seeds 1): T2[beta,0.4].vc_mcas, T2[beta,0.4].vc_mcas_max"
    ) in to_markdown(table("T2", cells))


def test_an_estimate_is_held_against_kl_z_of_the_same_list():
    params = make_params()
    runs, place = make_runs(params), (key("vanilla", 0.0), 1)
    metrics = make_metrics("vanilla", 0.0, 1)
    metrics["core"]["kl_z"], metrics["full"]["kl_z"] = 1.0, 9.0
    runs[place] = dataclasses.replace(runs[place], metrics=metrics)
    found = {cell.address: cell.deviations for cell in build_cells(params, runs, make_baselines()) if cell.deviations}
    assert set(found) == {"T3[vanilla,0.0].i_zs", "T3[vanilla,0.0].i_zs_posthoc"}
    assert all("over KL(z) + 0.3 nats" in note and note.endswith("(seeds 1)") for (note,) in found.values())


WHOLE = {"speakers": 630, "core_speakers": 24, "train": 3328, "valid": 368, "test": 1344, "core": 192,
         "core_trials": 18336}  # fmt: skip
WITH_SA = {"train": 4160, "valid": 460, "test": 1680, "core": 240, "core_trials": 28680}
KALDI = {"train": 3696, "valid": 400, "test": 944}


@pytest.mark.parametrize(
    ("data", "corpus", "words"),
    [
        ({}, {}, None),
        ({"use_sa": True}, WITH_SA, None),
        ({"val": "kaldi_dev"}, KALDI, None),
        ({"val": "utterance"}, {"train": 3326, "valid": 370}, None),
        ({"max_trials": 500}, {"core_trials": 500}, None),
        ({}, {"speakers": 94, "core_speakers": 16}, "94 of 630 speakers, 16 of 24 core test speakers"),
        ({}, {"speakers": 16, "core_speakers": 0}, "so that all test speakers stand for them"),
        # All speakers, and of some of them an utterance is not there or too short.
        (
            {},
            {"train": 3327},
            "630 of 630 speakers, 24 of 24 core test speakers, 3,695 of 3,696 utterances of its train",
        ),
        ({}, {"valid": 367}, "3,695 of 3,696 utterances of its train part"),
        ({}, {"test": 1343}, "1,343 of 1,344 of its test part, 192 of 192 core"),
        ({}, {"test": 1343, "core": 191, "core_trials": 18145}, "191 of 192 core utterances, 18,145 of 18,336 core"),
        ({}, {"core_trials": 18335}, "18,335 of 18,336 core trials"),
        ({}, WITH_SA, "4,620 of 3,696 utterances"),
        (
            {"use_sa": True},
            {},
            "3,696 of 4,620 utterances of its train part, 1,344 of 1,680 of its test part, 192 of 240",
        ),
        ({"val": "kaldi_dev"}, KALDI | {"valid": 399}, "1,343 of 1,344 of its test part"),
        ({"val": "kaldi_dev"}, {}, "3,328 of 3,696 utterances of its train part, 1,712 of 1,344"),
    ],
)
def test_a_part_of_timit_says_so_in_every_cell(data, corpus, words):
    params, baselines = make_params(data=data), make_baselines()
    baselines["timit"].metrics["corpus"] = WHOLE | corpus
    cells = [cell for cell in build_cells(params, make_runs(params), baselines) if cell.aggregate != "quoted"]
    found = {tuple(note for note in cell.deviations if note.startswith("corpus INCOMPLETE: ")) for cell in cells}
    assert [len(notes) for notes in found] == [0 if words is None else 1]
    assert all(words in note for notes in found for note in notes)
    judged = [agreement(cell, "table1").word for cell in cells if cell.table == "T1" and cell.paper is not None]
    assert (set(judged) == {OTHER}) == (words is not None)


@pytest.mark.parametrize("reader", ["manifest", "librispeech", "synth"])
def test_only_timit_is_held_against_timit(reader):
    params, baselines = make_params(label="own", reader=reader), make_baselines()
    baselines["timit"].metrics["corpus"] = WHOLE | {"speakers": 5}
    cells = build_cells(params, make_runs(params), baselines)
    assert not any("INCOMPLETE" in note for cell in cells for note in cell.deviations)


def test_a_key_that_the_reader_does_not_read_is_no_deviation():
    params = make_params()
    splits = {"data": params.datasets["timit"].data.model_copy(update={"splits": {"a": "test"}, "use_sa": True})}
    changed = {"timit": params.datasets["timit"].model_copy(update=splits)}
    found = deviations(params.model_copy(update={"datasets": changed}), "timit")
    assert found == ("data.use_sa True (default: False)",)
