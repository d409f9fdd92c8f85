"""Figures: drawn points are the cells, nothing is left out silently, no label collides, same bytes."""

import csv
import io

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation
from synthetic_study import key, make_baselines, make_cells, make_params, make_runs

from cmivae.errors import UserError
from cmivae.results.canvas import save
from cmivae.results.cells import build_cells
from cmivae.results.curves import curves, lines, plotted
from cmivae.results.figures import Panel, curve_figure, mosaic, sample_records, samples_figure
from cmivae.study.params import Style

STYLE = Style(dpi=80)


def draw(found, note=""):
    return curve_figure(found, title="mCAS on MNIST", note=note, style=STYLE)


def words(figure):
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    return " ".join(" ".join(texts).split())


def panel(title="CMI-VAE, γ 0.3", classes=10):
    rng = np.random.default_rng(0)
    return Panel(
        title,
        rng.integers(0, 2, (classes, 28, 28), dtype=np.uint8),
        rng.integers(0, 2, (classes, 10, 28, 28), dtype=np.uint8),
    )


def test_points_are_the_cells():
    found = curves(make_cells(), "T4", "mcas")
    assert len(found.ours) == 7
    cmi = next(p for p in found.ours if (p.objective, p.gamma) == ("cmi", 0.3))
    assert (cmi.x, cmi.y) == (pytest.approx(22.1), pytest.approx(0.731))
    assert cmi.y_se == pytest.approx(0.001 / 3**0.5)
    printed = next(p for p in found.paper if (p.objective, p.gamma) == ("cmi", 0.3))
    assert (printed.x, printed.y, printed.y_se) == (17.52, 0.7716, None)
    assert (found.baseline.value, found.baseline.row) == (0.737, "real100")
    assert found.baseline.sd == pytest.approx(np.std([0.72, 0.75, 0.741], ddof=1))


def test_each_metric_has_its_own_baseline():
    cells = make_cells()
    assert curves(cells, "T4", "aolr").baseline.row == "real1000"
    assert curves(cells, "T4", "aosvm").baseline.sd is None
    assert curves(cells, "T4", "i_zs").baseline is None


def test_lines_start_at_vanilla_and_rise_with_gamma():
    drawn = lines(curves(make_cells(), "T4", "aolr").ours)
    assert list(drawn) == ["beta", "cmi", "mi"]
    assert [[p.gamma for p in points] for points in drawn.values()] == [[0.0, 0.3, 0.6]] * 3
    assert {points[0].objective for points in drawn.values()} == {"vanilla"}
    only = curves(make_cells(grid=(("vanilla", 0.0),)), "T4", "aolr")
    assert list(lines(only.ours)) == ["vanilla"]


def test_what_cannot_be_drawn_is_said():
    params = make_params()
    runs = make_runs(params)
    del runs[key("cmi", 0.3), 1]
    found = curves(build_cells(params, runs, make_baselines()), "T4", "mcas")
    assert found.left_out == ("cmi γ 0.3 missing (1/3 seeds)",)
    assert "Not shown: cmi γ 0.3 missing (1/3 seeds)" in words(draw(found))


def test_nothing_to_draw_is_still_a_figure_that_says_so():
    params = make_params()
    found = curves(build_cells(params, {}, {}), "T4", "mcas")
    assert len(found.left_out) == 7
    assert "missing (3/3 seeds)" in words(draw(found))


def test_the_label_is_visible_unless_it_is_the_paper():
    assert "not the paper" not in words(draw(curves(make_cells(), "T4", "mcas")))
    demo = draw(curves(make_cells(label="demo"), "T4", "mcas"), note="tiny")
    assert "DEMO run, not the paper: tiny" in words(demo)
    grid = samples_figure([panel()], title="t", label="reduced", note="", style=STYLE)
    assert "REDUCED run, not the paper" in words(grid)


def test_gamma_labels_are_there_and_do_not_collide():
    figure = draw(curves(make_cells(), "T4", "mcas"))
    renderer = FigureCanvasAgg(figure).get_renderer()
    notes = figure.findobj(Annotation)
    assert {note.get_text() for note in notes} == {"0.3", "0.6"}
    boxes = [note.get_window_extent(renderer) for note in notes]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_nothing_is_cut_off_at_the_edge():
    figure = draw(curves(make_cells(label="demo"), "T4", "mcas"), note="a note that is rather long " * 6)
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())  # inches
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_files_have_the_same_bytes_each_time_whatever_the_users_style(tmp_path):
    found = curves(make_cells(), "T4", "mcas")
    first = save(draw(found), plotted(found), tmp_path / "a" / "F3c")
    with mpl.rc_context({"font.size": 20, "lines.linewidth": 9, "savefig.dpi": 50}):
        second = save(draw(found), plotted(found), tmp_path / "b" / "F3c")
        assert mpl.rcParams["font.size"] == 20
    assert [path.name for path in first] == ["F3c.pdf", "F3c.png", "F3c.csv"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert b"CreationDate" not in first[0].read_bytes()


def test_the_csv_holds_every_drawn_point(tmp_path):
    found = curves(make_cells(), "T4", "mcas")
    *_, path = save(draw(found), plotted(found), tmp_path / "F3c")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["source"] for row in rows] == ["ours"] * 7 + ["paper"] * 7 + ["baseline"]
    assert float(rows[2]["value"]) == next(p.y for p in found.ours if p.objective == "cmi")
    assert rows[-1]["metric_se"] == ""
    assert float(rows[-1]["metric_sd"]) == found.baseline.sd


def test_an_unknown_table_is_refused():
    with pytest.raises(UserError, match="no cells"):
        curves(make_cells(), "T9", "mcas")


def test_mosaic_puts_each_image_in_its_place():
    one = panel()
    picture = mosaic(one, gap=2)
    np.testing.assert_array_equal(picture[30:58, :28], one.real[1])
    x = 28 + 2 + 4 + 30 * 3  # real image, gap, wider gap, three samples
    np.testing.assert_array_equal(picture[60:88, x : x + 28], one.samples[2, 3])
    assert picture.shape == (10 * 30 - 2, 11 * 30 - 2 + 4)
    with pytest.raises(ValueError, match="rows of samples"):
        mosaic(Panel("t", one.real[:5], one.samples))


def test_sample_grid_has_a_panel_for_each_config_and_a_record_for_each_image(tmp_path):
    panels = [panel("a", 2), panel("b", 2), panel("c", 2)]
    figure = samples_figure(panels, title="t", label="paper", note="", style=STYLE)
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c"]
    records = sample_records(panels, "paper")
    assert len(records) == 3 * 2 * 11
    assert records[1]["ink"] == panels[0].samples[0, 0].mean()
    first = save(figure, records, tmp_path / "a" / "F5")
    again = samples_figure(panels, title="t", label="paper", note="", style=STYLE)
    second = save(again, records, tmp_path / "b" / "F5")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
