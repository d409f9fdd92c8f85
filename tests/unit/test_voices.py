"""Converted voices: pages are whole, safe and need nothing else; the sheet shows every sound and cuts nothing off."""

import csv
import io
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from urllib.parse import unquote, urlsplit

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from cmivae.results.canvas import save
from cmivae.results.voices import KINDS, RANGE, PairView, RunView, Speaker, Voice, overview, page, sheet, sheet_records
from cmivae.study.params import Style

STYLE = Style(dpi=60)
EMPTY = {"meta", "link", "img", "br", "hr", "input", "source"}
NASTY = '<script>alert("&1")</script>'


def make_pair(number, source="mdab0", target="felc0", seconds=1.0):
    rng = np.random.default_rng(number)
    voices = []
    for kind in KINDS:
        length = round(100 * seconds * (0.7 if kind == "target" else 1))
        frames = rng.uniform(0.001, 1, (length, 201)).astype(np.float32)
        gain = 0.5 if kind == "converted" else 1.0
        voices.append(Voice(kind, f"pair{number}-{kind}.wav", length / 100, -23.4, frames, gain))
    return PairView(Speaker(source, "M", f"{source}/sx139"), Speaker(target, "F", f"{target}/si756"), tuple(voices))


def make_run(name="T1-cmi04-s0", label="demo", pairs=2, **changes):
    run = RunView(
        name, "CMI-VAE, γ 0.4, seed 0", label, "synthetic speech", tuple(make_pair(n + 1) for n in range(pairs)),
        (("EER(z)", "6.21 %"),),
    )  # fmt: skip
    return replace(run, **changes)


class Page(HTMLParser):
    """A page with every tag closed in order: what it refers to, its audio elements and its words."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.tags, self.words = [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        self.addresses += [attributes[key] for key in ("href", "src") if key in attributes]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.words = " ".join(f"{self.words} {data}".split())

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def files_of(run):
    """What the stage writes beside the page."""
    return {f"sheet.{suffix}" for suffix in ("png", "pdf", "csv")} | {
        voice.file for pair in run.pairs for voice in pair.voices
    }


def words(figure):
    return " ".join(" ".join(text.get_text() for text in figure.findobj(mpl.text.Text)).split())


def test_the_page_plays_each_sound_and_refers_to_nothing_else():
    run = make_run()
    found = Page(page(run))
    assert {unquote(address) for address in found.addresses} == files_of(run) | {"../index.html"}
    players = found.named("audio")
    assert [each["src"] for each in players] == [f"pair{n}-{kind}.wav" for n in (1, 2) for kind in KINDS]
    assert all("controls" in each for each in players)
    assert len({each["aria-label"] for each in players}) == 8
    assert "words of mdab0 (male), voice of felc0 (female)" in found.words
    assert "1.00 s · −23.4 dB · turned down 6.0 dB so as not to clip" in found.words
    assert found.words.count("turned down") == 2
    assert "EER(z) 6.21 %" in found.words


def test_the_page_can_be_read_by_all():
    text = page(make_run())
    found = Page(text)
    assert found.named("html")[0]["lang"] == "en"
    assert "width=device-width" in next(each["content"] for each in found.named("meta") if each.get("name"))
    (picture,) = found.named("img")
    assert "mdab0 (male) to felc0 (female)" in picture["alt"]
    names = {each["id"] for _, each in found.tags if "id" in each}
    assert {each["aria-labelledby"] for each in found.named("section")} == names
    assert "prefers-color-scheme: dark" in text
    assert len(found.named("h1")) == 1


@pytest.mark.parametrize("text", [page(make_run()), overview([make_run()], title="t", label="demo", note="")])
def test_pages_need_no_network(text):
    assert "http" not in text
    assert "@import" not in text
    assert "url(" not in text
    assert not any(urlsplit(address).scheme or address.startswith("/") for address in Page(text).addresses)


def test_what_a_corpus_or_user_says_is_text_and_never_a_tag():
    plain = page(make_run())
    speaker = replace(make_pair(1), source=Speaker(NASTY, NASTY, NASTY), target=Speaker("a&b", "F"))
    pair = replace(speaker, voices=tuple(replace(each, file=f'"{each.kind}&#?.wav') for each in speaker.voices))
    run = make_run(name=f"a {NASTY} b", title=NASTY, note=NASTY, pairs=1, facts=((NASTY, NASTY),))
    run = replace(run, pairs=(pair,), problem=NASTY)
    for text in (page(run), overview([run, replace(run, problem="")], title=NASTY, label="demo", note=NASTY)):
        assert text.count("<script") == plain.count("<script") == 1
        found = Page(text)
        assert NASTY in found.words
        assert unquote(found.named("audio")[0]["src"]).endswith('"source&#?.wav')
        assert not urlsplit(found.named("audio")[0]["src"]).fragment


@pytest.mark.parametrize(("label", "warns"), [("demo", True), ("reduced", True), ("synthetic", True), ("paper", False)])
def test_the_warning_is_there_unless_it_is_the_paper(label, warns):
    run = make_run(label=label, pairs=1)
    wanted = f"{label.upper()} run, not the paper: synthetic speech"
    every = overview([run], title="t", label=label, note="synthetic speech")
    for said in (Page(page(run)).words, Page(every).words, words(sheet(run, STYLE))):
        assert (wanted in said) is warns
        assert ("not the paper" in said) is warns


def test_the_overview_links_runs_and_plays_each_pair_as_all_convert_it():
    runs = [make_run("T1-vanilla-s0"), make_run("T1-cmi04-s0"), make_run("T1-mi-s0", pairs=0, problem="FAILED: NaN")]
    found = Page(overview(runs, title="Voices", label="demo", note="n"))
    links = [address for address in found.addresses if address.endswith("index.html")]
    assert links == ["T1-vanilla-s0/index.html", "T1-cmi04-s0/index.html"]
    assert "FAILED: NaN" in found.words
    first = [each["src"] for each in found.named("audio")][:4]
    assert first == [
        "T1-vanilla-s0/pair1-source.wav", "T1-vanilla-s0/pair1-target.wav",
        "T1-vanilla-s0/pair1-converted.wav", "T1-cmi04-s0/pair1-converted.wav",
    ]  # fmt: skip
    assert len(found.named("audio")) == 2 * (2 + 2)
    assert "None." in Page(overview([], title="Voices", label="demo", note="n")).words


def test_runs_with_other_pairs_are_not_heard_side_by_side():
    other = make_run("T1-mi-s0", pairs=0)
    other = replace(other, pairs=(make_pair(1, target="fpas0"),))
    found = Page(overview([make_run(pairs=1), other], title="Voices", label="demo", note="n"))
    assert [each["src"] for each in found.named("audio")] == [
        f"{run}/pair1-{kind}.wav" for run in ("T1-cmi04-s0", "T1-mi-s0") for kind in KINDS[:3]
    ]


def test_the_sheet_has_a_panel_for_each_sound_in_order():
    run = make_run(pairs=2)
    figure = sheet(run, STYLE)
    panels = figure.axes[:8]
    assert [axes.get_title().split("\n")[0] for axes in panels] == list(KINDS) * 2
    assert panels[2].get_title() == "converted\nmdab0 (male) → felc0 (female)"
    drawn = panels[6].images[0]
    assert drawn.get_array().shape == (201, 100)
    assert list(drawn.get_extent()) == [0, 1.0, 0, 8.0]
    assert {axes.images[0].get_clim() for axes in panels} == {(-RANGE, 0)}
    loudest = max(pair.voice(kind).frames.max() for pair in run.pairs for kind in KINDS[:2])
    level = 20 * np.log10(run.pairs[1].voice("converted").frames.T / loudest)
    np.testing.assert_allclose(drawn.get_array(), level, atol=1e-4)


def test_the_sheet_shows_the_beginning_of_long_sounds_and_says_so():
    long = sheet(make_run(pairs=1), STYLE, seconds=0.5)
    assert long.axes[0].images[0].get_array().shape == (201, 50)
    assert "the first 0.5 s of each sound" in words(long)
    assert "the first" not in words(sheet(make_run(pairs=1), STYLE))


@pytest.mark.parametrize(("pairs", "style"), [(1, STYLE), (3, Style(dpi=100))])
def test_nothing_on_the_sheet_collides_or_is_cut_off(pairs, style):
    long = tuple(make_pair(n + 1, "a very long name", "$another_one$") for n in range(pairs))
    figure = sheet(replace(make_run(note="a note that is rather long " * 8), pairs=long), style)
    renderer = FigureCanvasAgg(figure).get_renderer()
    box = figure.get_tightbbox(renderer)  # inches
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0
    assert box.x1 <= width
    assert box.y1 <= height
    panels = figure.axes[: 4 * pairs]
    titles = [axes.title.get_window_extent(renderer) for axes in panels]
    titles.append(figure._suptitle.get_window_extent(renderer))
    assert not any(a.overlaps(b) for i, a in enumerate(titles) for b in titles[:i])
    assert not any(title.overlaps(axes.get_window_extent(renderer)) for title in titles for axes in figure.axes)
    labels = [text.get_window_extent(renderer) for text in (figure._supxlabel, figure._supylabel)]
    labels += [axes.yaxis.label.get_window_extent(renderer) for axes in panels[::4]]
    assert not any(a.overlaps(b) for a, b in pairwise(labels))
    bar = figure.axes[-1]
    assert bar.yaxis.label.get_window_extent(renderer).height <= figure.bbox.height
    assert "$anothe…" in words(figure)


def test_same_input_same_bytes(tmp_path):
    run = make_run(pairs=1)
    first = save(sheet(run, STYLE), sheet_records(run), tmp_path / "a" / "sheet")
    with mpl.rc_context({"font.size": 20, "image.cmap": "gray"}):
        second = save(sheet(make_run(pairs=1), STYLE), sheet_records(run), tmp_path / "b" / "sheet")
    assert [path.name for path in first] == ["sheet.pdf", "sheet.png", "sheet.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert page(run) == page(make_run(pairs=1))


def test_the_csv_has_a_row_for_each_sound(tmp_path):
    run = make_run()
    *_, path = save(sheet(make_run(pairs=1), STYLE), sheet_records(run), tmp_path / "sheet")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["file"] for row in rows] == [f"pair{n}-{kind}.wav" for n in (1, 2) for kind in KINDS]
    assert rows[2]["gain"] == "0.5"
    assert {row["label"] for row in rows} == {"demo"}


def test_a_run_without_pairs_has_no_sheet_and_a_pair_needs_all_sounds():
    with pytest.raises(ValueError, match="no pairs"):
        sheet(make_run(pairs=0), STYLE)
    assert "FAILED" in Page(page(make_run(pairs=0, problem="FAILED: NaN"))).words
    half = replace(make_pair(1), voices=make_pair(1).voices[:2])
    with pytest.raises(KeyError, match="converted"):
        page(replace(make_run(), pairs=(half,)))
