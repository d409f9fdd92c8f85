"""The page without a browser: same records, same bytes; every number with its record; honest where nothing was run."""

import json
import re
from html.parser import HTMLParser

import made_up
import pytest
import tiny

from cmivae.audit.book import Book
from cmivae.cli import main
from cmivae.provenance.specs import Study
from cmivae.report.costs import costs, total
from cmivae.report.numbers import printed_count
from cmivae.report.page import duration, size
from cmivae.report.training import trainings
from cmivae.report.words import WORDS, judge
from cmivae.results import verdicts
from cmivae.results.agreement import CONSISTENT, DIFFERS, NOT_PRINTED, NOT_RUN, OTHER, UNRESOLVED, agreement
from cmivae.study.loading import load_params

VOID = {"meta", "link", "img", "br", "input", "line", "polyline", "circle"}


class Whole(HTMLParser):
    """A page whose tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.words, self.addresses = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.addresses += [value for name, value in attributes if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        self.words += text if self.open and self.open[-1] not in ("script", "style") else ""


def records(text):
    return json.loads(re.search(r'<script type="application/json" id="records">(.*?)</script>', text, re.DOTALL)[1])


@pytest.fixture(scope="module")
def text(page):
    return page.read_text()


def test_same_records_same_bytes(space, study, page, tmp_path):
    before = page.read_bytes()
    made_up.make(space, Study(load_params(space / "params.yaml")), study["results/report"])
    assert page.read_bytes() == before


def test_it_is_whole_and_needs_nothing_else(text):
    found = Whole(text)
    assert found.open == []
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    assert "http" not in found.words
    assert "default-src 'none'" in text
    assert "<b>& more</b>" not in text


def test_each_number_has_all_that_made_it(text, space):
    found = records(text)
    cells = Book(space).cells()
    assert list(found["cells"]) == [cell.address for cell in cells]
    for cell in cells:
        one = found["cells"][cell.address]
        row = found["rows"][one["row"]]
        assert (one["value"], one["se"], one["n"], one["expected"]) == (cell.value, cell.se, cell.n, cell.expected)
        assert [run[0] for run in one["runs"]] == [run.run for run in cell.runs]
        if not cell.runs:
            continue
        assert {"metrics.json"} <= set(found["runs"][cell.runs[0].run]["metrics"])
        assert all(len(found["data"][folder]["content"]) == 64 for folder in row["data"])
        assert len(found["code"][row["code"]]["digest"]) == 64
        assert found["environment"][row["environment"]]["libraries"]
        assert row["rebuild"].startswith("snakemake --cores all -- runs/")
        if cell.gamma is not None:
            assert found["runs"][cell.runs[0].run]["seed"] == 0
            assert len(found["runs"][cell.runs[0].run]["weights"]["model.safetensors"]) == 64
            assert found["params"][row["params"]]["train.epochs"] in (300, 6000)


def test_words_for_claims_are_explained_as_everywhere(text):
    words = Whole(text).words
    assert all(word in words and meaning in words for word, meaning in verdicts.WORDS.items())
    assert verdicts.LEGEND in words


def test_every_verdict_word_but_the_quoted_is_in_the_made_up_study(text, space):
    params = load_params(space / "params.yaml")
    seen = {judge(cell, params).word for cell in Book(space).cells()}
    assert {CONSISTENT, DIFFERS, UNRESOLVED, NOT_PRINTED, "failed"} <= seen <= WORDS.keys()


def test_a_number_of_another_scale_is_called_so_printed_or_not(space):
    params = load_params(space / "params.yaml")
    for cell in Book(space).cells():
        word = agreement(cell, params.tables[cell.table].paper).word
        object.__setattr__(cell, "label", "demo")
        judged = judge(cell, params)
        if cell.value is not None:
            assert judged.word == OTHER
            assert judged.interval is None
        elif word not in ("quoted", NOT_PRINTED):
            assert judged.word in (NOT_RUN, "failed")


def test_what_it_cost(space):
    found = costs(Book(space))
    by_place = {(each.stage, each.dataset): each for each in found}
    assert by_place["train", "mnist"].made == by_place["train", "mnist"].expected == 12
    assert by_place["train", "mnist"].wall == 12 * 3600
    assert by_place["train", "mnist"].each == 3600
    assert total(found).wall == 3600 * (7 * 3 * 3 + 2 * 3 + 2)
    assert ("report", "") not in by_place


def test_training_curves_show_every_seed_and_what_failed(space):
    by_key = {each.key: each for group in trainings(Book(space), {}).values() for each in group}
    chart = by_key["mnist-cmi-g030"].charts[0]
    assert [line.seed for line in chart.lines] == [0, 1, 2]
    assert "seed 2 ends at -107" in chart.says
    assert all(line.selected for line in chart.lines)
    assert by_key["mnist-mi-g030"].problems == ["seed 1 FAILED"]
    late = trainings(Book(space), {"runs/train/mnist-vanilla/s0": "made with other code"})
    assert late["mnist"][0].problems == ["seed 0 STALE: made with other code"]


def test_all_printed_numbers_are_counted():
    assert printed_count() == 579


@pytest.mark.parametrize(("value", "words"), [(None, "–"), (0.04, "0.0 s"), (90, "1.5 min"), (7200, "2.0 h")])
def test_durations(value, words):
    assert duration(value) == words


@pytest.mark.parametrize(("value", "words"), [(None, "–"), (12, "12 B"), (2500, "2.5 kB"), (3e9, "3.0 GB")])
def test_sizes(value, words):
    assert size(value) == words


# --- a look at what is not finished -----------------------------------------------------------------------------------


def test_the_paper_before_any_run_says_not_run_everywhere(tmp_path, capsys):
    (tmp_path / "params.yaml").write_text((tiny.REPOSITORY / "params.yaml").read_text())
    target = tmp_path / "out/page.html"
    assert main(["-C", str(tmp_path), "report", "--live", str(target)]) == 0
    assert "0 of 578 artefacts are current, 0 stale, 578 not made" in capsys.readouterr().out
    text = target.read_text()
    found = records(text)
    assert {cell["word"] for cell in found["cells"].values()} == {NOT_RUN, "quoted"}
    assert all(cell["value"] is None for cell in found["cells"].values())
    assert "A look at unfinished work" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "params.yaml"]  # nothing else is touched


def test_what_is_stale_is_said_and_in_no_number(tmp_path, capsys):
    space = tmp_path / "space"
    made_up.build(space, without=("results/report",))
    text = (space / "params.yaml").read_text()
    (space / "params.yaml").write_text(text.replace("train: {epochs: 300}", "train: {epochs: 300, clip: 1.0}"))
    assert main(["-C", str(space), "report"]) == 2
    assert "STALE runs/train/mnist-vanilla/s0: made with train.clip 5.0" in capsys.readouterr().err
    target = tmp_path / "page.html"
    assert main(["-C", str(space), "report", "--live", str(target)]) == 0
    page = target.read_text()
    cells = records(page)["cells"].values()
    assert {cell["word"] for cell in cells if cell["dataset"] == "mnist" and cell["runs"] == []} == {NOT_RUN}
    assert [cell for cell in cells if cell["dataset"] == "mnist" and "real" not in cell["row"] and cell["runs"]] == []
    assert any(cell["value"] is not None for cell in cells if cell["dataset"] == "timit")
    assert "seed 0 STALE: made with train.clip 5.0, params say 1.0" in page
    assert "not drawn yet" in page  # the figures that are there are of the stale runs
