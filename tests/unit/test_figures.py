"""Figures: drawn points are the cells, nothing is left out silently, no label collides, same bytes."""

import csv
import io

import matplotlib as mpl
import numpy as np
import pytest
import synthetic_speech
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


def speech(table="T3", metric="i_zs", layout="elbo", x="beta", **kwargs):
    return curves(synthetic_speech.make_cells(**kwargs), table, metric, layout=layout, x=x)


def test_figure_4_has_all_objectives_against_beta():
    found = speech()
    betas = [1.0, 0.6, 0.2, 0.1, 0.01, 0.001, 0.0001]
    assert {name: [p.x for p in points] for name, points in lines(found.ours).items()} == {"beta": betas, "cmi": betas}
    assert {name: [p.x for p in points] for name, points in lines(found.paper).items()} == {
        "beta": betas[:5], "cmi": betas[:5],
    }  # fmt: skip
    printed = next(p for p in found.paper if (p.objective, p.gamma) == ("beta", 0.99))
    assert (printed.x, printed.y, printed.x_se, printed.y_se) == (0.01, 3.27, None, 0.15)
    figure = draw(found)
    (axes,) = figure.axes
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_ylabel()) == ("log", "β = 1 − γ", "I(z;s) [nats]")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [f"{beta:g}" for beta in sorted(betas)]
    assert figure.findobj(Annotation) == []  # the axis says gamma
    assert "DSAE (γ 0)" in words(figure)
    assert "numbers at points" not in words(figure)


def test_csv_of_figure_4_has_beta(tmp_path):
    found = speech()
    *_, path = save(draw(found), plotted(found), tmp_path / "F4")
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert len(rows) == 13 + 9
    assert "kl_z" not in rows[0]
    assert [(row["gamma"], row["beta"]) for row in rows[:2]] == [("0.0", "1.0"), ("0.4", "0.6")]
    assert (rows[-1]["source"], rows[-1]["value"], rows[-1]["metric_se"]) == ("paper", "2.85", "0.07")


def test_curves_of_speech_have_units_and_baselines():
    found = speech("T1", "eer_z", "eer", "kl_z")
    assert (found.baseline.row, found.baseline.value) == ("trivial", 20.1)  # scored as EER(z) is: without centring
    figure = draw(found)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("KL(z) [nats]", "EER(z) [%]")
    assert "mean spectrum, cosine" in words(figure)
    assert {note.get_text() for note in figure.findobj(Annotation)} <= {"0.4", "0.8", "0.9", "0.99"}
    for x in ("kl_z", "beta"):
        found = speech("T2", "vc_mcas", "conversion", x)
        assert found.baseline.value == 96.2
        assert len(found.paper) == (12 if x == "beta" else 0)  # Table 2 prints no KL(z)
        assert "real segments (same classifier)" in words(draw(found))


def test_figure_4_without_runs_says_so_and_shows_the_paper():
    found = curves(build_cells(synthetic_speech.make_params(), {}, {}), "T3", "i_zs", layout="elbo", x="beta")
    assert len(found.left_out) == 13
    assert "cmi γ 0.9999 missing (3/3 seeds)" in words(draw(found))
    tables = {"T3": {"title": "x", "dataset": "timit", "layout": "elbo"}}
    empty = build_cells(synthetic_speech.make_params(tables=tables), {}, {})
    assert "missing (3/3 seeds)" in words(draw(curves(empty, "T3", "i_zs", layout="elbo", x="beta")))


def test_a_metric_that_the_table_does_not_have_is_refused():
    with pytest.raises(UserError, match="no column 'i_zs'"):
        speech("T1", "i_zs", "eer", "kl_z")


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
