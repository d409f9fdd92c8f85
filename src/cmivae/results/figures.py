"""Figures 3 and 4 (a metric against KL(z) or beta) and Figure 5 (samples of each z), drawn from cells and arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from cmivae.results.canvas import WARNING, new_figure, styled
from cmivae.results.curves import Baseline, Curves, Point, lines
from cmivae.results.labels import along, around, place
from cmivae.results.record import gamma_text
from cmivae.results.render import objective_name, warning
from cmivae.study.params import Style

# Okabe and Ito's colours, told apart by colour-blind readers; the marker says it once more.
LOOKS = {
    "vanilla": ("#000000", "D"),
    "beta": ("#0072b2", "o"),
    "cmi": ("#d55e00", "s"),
    "mi": ("#009e73", "^"),
}
OTHER = ("#cc79a7", "v")
EXTENSIONS = {  # docs/extensions.md
    "cmi-alpha": ("#e69f00", "P"),
    "cmi-split": ("#56b4e9", "X"),
    "mi-mmd": ("#7a7a00", "<"),
    "cmi-mmd": ("#882255", ">"),
}


def look(objective: str) -> tuple[str, str]:
    """Colour and marker of an objective; an extension has the same for all values of its keys."""
    if objective in LOOKS:
        return LOOKS[objective]
    return EXTENSIONS.get(objective.rpartition("-")[0], OTHER)


@dataclass(frozen=True)
class Panel:
    """One configuration of Figure 5: ten real images, one a class, and ten samples of each."""

    title: str
    real: NDArray[np.uint8]  # (10, 28, 28)
    samples: NDArray[np.uint8]  # (10, 10, 28, 28) class, sample


def curve_figure(found: Curves, *, title: str, note: str, style: Style) -> Figure:
    """Figure 3: one line for each objective, gamma beside its points, the baseline as a black line.

    Error bars are standard errors over seeds; hollow markers are the paper's printed numbers. Figure 4, against
    beta, has a logarithmic axis, which says gamma already.
    """
    with styled():
        figure = new_figure(style.width, style.height, style.dpi)
        axes = figure.add_subplot()
        if found.baseline:
            _draw_baseline(axes, found.baseline)
        if found.x == "beta":
            _beta_axis(axes, found)
        for objective, points in lines(found.paper).items():
            _draw_paper(axes, objective, points)
        for objective, points in lines(found.ours).items():
            _draw_ours(axes, objective, points)
        axes.set_xlabel("β = 1 − γ" if found.x == "beta" else "KL(z) [nats]")
        axes.set_ylabel(found.metric.heading + (f" [{found.metric.unit}]" if found.metric.unit else ""))
        axes.margins(0.05, 0.08)
        _words(figure, axes, title, warning(found.label, note), found.left_out)
        figure.legend(
            handles=_handles(found),
            loc="outside right center",
            title="" if found.x == "beta" else "numbers at points: γ",
            title_fontsize=6.5,
        )
        _freeze(figure)
        if found.x == "kl_z":
            _gamma_labels(axes, found)
    return figure


def samples_figure(panels: Sequence[Panel], *, title: str, label: str, note: str, style: Style) -> Figure:
    """Figure 5: a row for each class, the real image and then ten samples of its z; a panel a config."""
    with styled():
        columns = min(2, len(panels))
        rows = -(-len(panels) // columns)
        side = style.width / columns
        figure = new_figure(style.width, side * 0.98 * rows + 0.35, style.dpi)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.remove()
        for axes, panel in zip(grid.flat, panels, strict=False):
            axes.imshow(mosaic(panel), vmin=0, vmax=1, cmap="gray_r")
            axes.set_title(panel.title)
            axes.set_axis_off()
        _words(figure, None, title, warning(label, note), ())
        _freeze(figure)
    return figure


def mosaic(panel: Panel, *, gap: int = 2) -> NDArray[np.float64]:
    """The images of a panel side by side, (rows, columns) in [0, 1]; a wider gap follows the real image.

    Raises:
        ValueError: there are not as many rows of samples as real images.
    """
    if panel.real.shape[0] != panel.samples.shape[0]:
        raise ValueError(f"{panel.real.shape[0]} real images but {panel.samples.shape[0]} rows of samples")
    n, per_row, height, width = panel.samples.shape
    step_y, step_x, shift = height + gap, width + gap, 2 * gap
    picture = np.full((n * step_y - gap, (per_row + 1) * step_x - gap + shift), 0.12)
    picture[:, width : width + gap + shift] = 0.0  # white between real and sampled
    for row in range(n):
        y = row * step_y
        picture[y : y + height, :width] = panel.real[row]
        for column in range(per_row):
            x = (column + 1) * step_x + shift
            picture[y : y + height, x : x + width] = panel.samples[row, column]
    return picture


def sample_records(panels: Sequence[Panel], label: str) -> list[dict[str, Any]]:
    """One record for each drawn image, for the CSV beside Figure 5: how much of it is ink."""
    records = []
    for panel in panels:
        for row, (real, samples) in enumerate(zip(panel.real, panel.samples, strict=True)):
            for column, image in enumerate([real, *samples]):
                place_ = {"label": label, "panel": panel.title, "row": row, "column": column}
                source = "real" if column == 0 else "sample"
                records.append(place_ | {"source": source, "ink": float(np.mean(image))})
    return records


def _beta_axis(axes: Axes, found: Curves) -> None:
    """Logarithmic, with a tick at each beta of the study instead of powers of ten."""
    betas = sorted({p.x for p in (*found.ours, *found.paper)})
    axes.set_xscale("log")
    axes.set_xticks(betas, labels=[f"{beta:g}" for beta in betas])
    axes.set_xticks([], minor=True)


def _draw_ours(axes: Axes, objective: str, points: list[Point]) -> None:
    colour, _ = look(objective)
    axes.plot([p.x for p in points], [p.y for p in points], color=colour, zorder=3)
    # The first point of a line may be the vanilla one; its marker is drawn as such on every line.
    for p in points:
        own_colour, own_marker = look(p.objective)
        axes.errorbar(
            p.x, p.y, xerr=p.x_se, yerr=p.y_se, color=own_colour, marker=own_marker, elinewidth=0.8, zorder=4
        )  # fmt: skip


def _draw_paper(axes: Axes, objective: str, points: list[Point]) -> None:
    colour, _ = look(objective)
    axes.plot([p.x for p in points], [p.y for p in points], color=colour, ls="--", lw=0.6, alpha=0.8, zorder=2)
    for p in points:
        own_colour, own_marker = look(p.objective)
        if p.x_se is not None or p.y_se is not None:
            axes.errorbar(p.x, p.y, xerr=p.x_se, yerr=p.y_se, color=own_colour, elinewidth=0.4, capsize=1.0, zorder=2.4)
        axes.plot(p.x, p.y, color=own_colour, marker=own_marker, mfc="white", mew=0.6, ms=3.2, zorder=2.5)


def _draw_baseline(axes: Axes, baseline: Baseline) -> None:
    axes.axhline(baseline.value, color="black", lw=1.0, zorder=1.5)
    if baseline.sd:
        low, high = baseline.value - baseline.sd, baseline.value + baseline.sd
        axes.axhspan(low, high, color="black", alpha=0.09, lw=0, zorder=1)


def _handles(found: Curves) -> list[Any]:
    handles: list[Any] = []
    names = list(lines(found.ours) or lines(found.paper))
    if any(p.objective == "vanilla" for p in found.ours):
        names = ["vanilla", *(name for name in names if name != "vanilla")]
    kind = found.layout.kind
    for name in names:
        colour, marker = look(name)
        handles.append(Line2D([], [], color=colour, marker=marker, label=objective_name(name, kind)))
        if name == "vanilla":
            handles[-1].set_linestyle("none")
    if found.paper:
        handles.append(
            Line2D([], [], color="#555555", marker="o", ms=3.2, mfc="white", mew=0.6, ls="--", lw=0.6,
                   label="paper (printed)")
        )  # fmt: skip
    if found.baseline:
        name = _two_lines(objective_name(found.baseline.row, kind))
        handles.append(Line2D([], [], color="black", lw=1.0, label=name))
    if found.baseline and found.baseline.sd:
        handles.append(Patch(color="black", alpha=0.09, lw=0, label="± sd over subsets"))
    if any(p.x_se is not None or p.y_se is not None for p in found.ours):
        handles.append(Line2D([], [], color="#555555", marker="|", lw=0.8, label="± s.e. over seeds"))
    return handles


def _words(figure: Figure, axes: Axes | None, title: str, stop: str, left_out: Sequence[str]) -> None:
    # A character is about half as wide as it is high; text that is too wide would be cut off silently.
    per_line = int(figure.get_figwidth() * 72 / (7 * 0.59))
    if axes is not None:
        axes.set_title(fill(title, per_line), loc="left")
    head = [] if axes is not None else [title]
    colour = WARNING if stop else "black"
    head += [fill(stop, per_line)] if stop else []
    if head:
        figure.suptitle("\n".join(head), fontsize=7, color=colour)
    if left_out:
        figure.supxlabel(fill("Not shown: " + "; ".join(left_out), per_line), fontsize=6, color=WARNING)


def _freeze(figure: Figure) -> None:
    # Lay out once: labels are placed by their final positions.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def _gamma_labels(axes: Axes, found: Curves) -> None:
    obstacles = [around(axes, p.x, p.y, 5.0) for p in found.ours]
    obstacles += [around(axes, p.x, p.y, 3.5) for p in found.paper]
    for points in lines(found.ours).values():
        obstacles += along(axes, [(p.x, p.y) for p in points], 2.0)
    for p in found.ours:
        x_se, y_se = p.x_se or 0.0, p.y_se or 0.0
        obstacles += along(axes, [(p.x - x_se, p.y), (p.x + x_se, p.y)], 2.0)
        obstacles += along(axes, [(p.x, p.y - y_se), (p.x, p.y + y_se)], 2.0)
    # The paper labels the points of beta-VAE, so they come first. The legend has the gamma of vanilla.
    points = [p for p in found.ours if p.objective != "vanilla"]
    points.sort(key=lambda p: (p.objective != "beta", p.objective, p.gamma))
    wanted = [(p.x, p.y, gamma_text(p.gamma), look(p.objective)[0]) for p in points]
    place(axes, wanted, obstacles)


def _two_lines(name: str) -> str:
    return name.replace(" (", "\n(").replace(", ", ",\n")
