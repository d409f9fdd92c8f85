"""Tables: the paper's number beside ours, failures in words, warnings, the same bytes."""

import csv
import io

import pytest
from synthetic_study import GRID, key, make_baselines, make_cells, make_params, make_runs

from cmivae.errors import UserError
from cmivae.results.cells import build_cells
from cmivae.results.render import (
    Number,
    config_title,
    fixed,
    latex_number,
    latex_text,
    markdown_number,
    objective_name,
)
from cmivae.results.tables import to_csv, to_latex, to_markdown, view
from cmivae.study.params import Config

WRITERS = (to_csv, to_markdown, to_latex)


def table(**kwargs):
    cells = make_cells(**kwargs)
    return view(cells, "T4", title="Results on MNIST", note=kwargs.get("note", ""))


def records(view_):
    return list(csv.DictReader(io.StringIO(to_csv(view_))))


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[entry.strip() for entry in line.strip("|").split("|")] for line in lines]


def test_csv_has_full_precision_and_the_paper():
    lines = records(table())
    assert [(line["model"], line["gamma"]) for line in lines[:-2]] == [(o, str(g)) for o, g in GRID]
    cmi = lines[2]
    assert float(cmi["mcas"]) == pytest.approx(0.731, abs=1e-15)
    assert (cmi["mcas_n"], cmi["mcas_paper"], cmi["label"]) == ("3", "0.7716", "paper")
    assert float(cmi["nelbo"]) == 57.0
    assert cmi["problems"] == "i_zs_posthoc: not run; i_zs_posthoc_bce: not run"
    assert [(line["model"], line["gamma"], line["aolr"]) for line in lines[-2:]] == [
        ("real100", "", ""),
        ("real1000", "", "0.861"),
    ]


def test_markdown_shows_ours_error_and_paper_with_the_papers_digits():
    header, _, *rows = markdown_rows(to_markdown(table()))
    assert header[:4] == ["γ", "Model", "−ELBO", "KL(z)"]
    assert rows[0][:3] == ["0.0", "PixelCNN-VAE (γ 0)", "57.00 ± 0.58 [56.21]"]
    cmi = dict(zip(header, rows[2], strict=True))
    assert (cmi["γ"], cmi["Model"]) == ("0.3", "CMI-VAE")
    assert cmi["mCAS"] == "0.7310 ± 0.0006 [0.7716]"
    assert cmi["I(z;s) post hoc"] == "not run"
    assert rows[-2][1] == "real pixels (100 images)"
    assert rows[-1][1] == "real pixels (1,000 images)"


def test_latex_is_a_booktabs_table_with_a_field_for_each_column():
    text = to_latex(table())
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len(body) == 1 + len(GRID) + 2
    assert {line.count(" & ") for line in body} == {10}
    assert r"0.7310{\scriptsize\,$\pm$\,0.0006} {\scriptsize[0.7716]}" in text


@pytest.mark.parametrize("writer", [to_markdown, to_latex])
def test_the_paper_carries_no_warning_and_others_do(writer):
    assert "not the paper" not in writer(table())
    demo = writer(table(label="demo", note="digits, 50% of images", epochs=2))
    assert "DEMO run, not the paper: digits, 50" in demo
    assert "Workspace: demo" in demo
    assert "train.epochs 2 (paper: 300)" in demo
    assert "REDUCED run, not the paper" in writer(table(label="reduced"))


def test_the_caption_counts_seeds():
    assert "Mean ± s.e. over 3 seeds" in to_markdown(table())
    assert "One seed, so no s.e." in to_markdown(table(seeds=(0,)))
    assert "±" not in "".join(line for line in to_markdown(table(seeds=(0,))).splitlines() if line[0:1] == "|")


def test_failed_and_missing_seeds_are_words_not_numbers():
    params = make_params()
    runs = make_runs(params)
    del runs[key("cmi", 0.3), 1]
    found = view(build_cells(params, runs, make_baselines()), "T4", title="t", note="")
    row = markdown_rows(to_markdown(found))[2 + 2]
    assert row[1] == "CMI-VAE"
    assert all(entry.startswith("missing (1/3 seeds)") for entry in row[2:])
    line = records(found)[2]
    assert (line["mcas"], line["mcas_se"], line["mcas_n"], line["mcas_paper"]) == ("", "", "2", "0.7716")
    assert "mcas: missing (1/3 seeds)" in line["problems"]
    assert "missing (1/3 seeds)" in to_latex(found)


def test_a_table_without_printed_numbers_has_no_brackets():
    text = to_markdown(table(paper=None))
    assert "[" not in text
    assert "printed" not in text


@pytest.mark.parametrize("writer", WRITERS)
def test_the_same_cells_give_the_same_bytes(writer):
    assert writer(table()) == writer(table(grid=GRID[::-1]))


def test_a_table_without_cells_is_refused():
    with pytest.raises(UserError, match="0 workspaces"):
        view(make_cells(), "T9", title="t", note="")


def test_cells_of_two_workspaces_are_not_mixed():
    with pytest.raises(UserError, match="2 workspaces"):
        view(make_cells() + make_cells(label="demo"), "T4", title="t", note="")


def test_spelling():
    assert fixed(-0.001, 2) == "0.00"
    assert fixed(None, 2) == ""
    assert latex_text("50% of a_b & {γ}") == r"50\% of a\_b \& \{$\gamma$\}"
    assert objective_name("beta") == "β-VAE"
    assert objective_name("vanilla") == objective_name("vanilla", "image") == "PixelCNN-VAE (γ 0)"
    assert objective_name("vanilla", "speech") == "DSAE (γ 0)"
    assert objective_name("new-objective") == "new-objective"
    assert config_title(Config(dataset="timit", objective="vanilla", gamma=0.0), "speech") == "DSAE (γ 0)"
    assert config_title(Config(dataset="mnist", objective="beta", gamma=0.0001)) == "β-VAE, γ 0.0001"


@pytest.mark.parametrize(
    ("n", "markdown", "latex"),
    [
        (Number("1.0", "", "", ""), "1.0", "1.0"),
        (Number("1.0", "0.1", "1.2", ""), "1.0 ± 0.1 [1.2]", r"1.0{\scriptsize\,$\pm$\,0.1} {\scriptsize[1.2]}"),
        (Number("", "", "4.82", ""), "[4.82]", r"{\scriptsize[4.82]}"),
        (Number("", "", "3.4", "", "0.3"), "[3.4 ± 0.3]", r"{\scriptsize[3.4\,$\pm$\,0.3]}"),
        (Number("", "", "3.4", "not run"), "not run [3.4]", r"not run {\scriptsize[3.4]}"),
    ],
)
def test_spelling_of_numbers(n, markdown, latex):
    assert markdown_number(n) == markdown
    assert latex_number(n) == latex
