"""Small labels beside points that touch neither each other nor the points."""

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Offsets in points, near before far: above, below, right, left, then the corners.
_DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
_DISTANCES = (6.0, 9.0, 12.5, 16.0)


def place(axes: Axes, wanted: Sequence[tuple[float, float, str, str]], obstacles: Sequence[Bbox]) -> int:
    """Write labels at the first free spot near their points; drop one that has no free spot.

    Args:
        axes: final limits must be set.
        wanted: (x, y, text, colour) in data units, the most important first.
        obstacles: boxes in display units that no label may touch.

    Returns:
        How many labels were written.
    """
    canvas = FigureCanvasAgg(cast(Figure, axes.figure))
    renderer, frame = canvas.get_renderer(), axes.get_window_extent(canvas.get_renderer())
    taken, written = list(obstacles), 0
    for x, y, text, colour in wanted:
        note = axes.annotate(
            text, (x, y), xytext=(0, 0), textcoords="offset points", ha="center", va="center",
            fontsize=5.5, color=colour, zorder=6,
            path_effects=[withStroke(linewidth=1.2, foreground="white")],
        )  # fmt: skip
        box = _first_free(note, renderer, frame, taken)
        if box is None:
            note.remove()
        else:
            taken.append(box)
            written += 1
    return written


def _first_free(note: Annotation, renderer: RendererBase, frame: Bbox, taken: Sequence[Bbox]) -> Bbox | None:
    for distance, (right, up) in itertools.product(_DISTANCES, _DIRECTIONS):
        note.set_position((right * distance, up * distance))
        box = note.get_window_extent(renderer)
        inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        if inside and not any(box.overlaps(other) for other in taken):
            return box
    return None


def along(axes: Axes, path: Sequence[tuple[float, float]], points: float) -> list[Bbox]:
    """Small boxes, in display units, that cover a line of data points drawn ``points`` wide."""
    half = points / 2 * axes.figure.dpi / 72
    corners = axes.transData.transform(path) if path else np.empty((0, 2))  # (P, 2)
    boxes = []
    for start, end in itertools.pairwise(corners):
        steps = 2 + int(np.hypot(*(end - start)) / (2 * half))
        for px, py in np.linspace(start, end, steps):
            boxes.append(Bbox.from_extents(px - half, py - half, px + half, py + half))
    return boxes


def around(axes: Axes, x: float, y: float, points: float) -> Bbox:
    """The box, in display units, of a marker ``points`` wide at (x, y) in data units."""
    half = points / 2 * axes.figure.dpi / 72
    px, py = axes.transData.transform((x, y))
    return Bbox.from_extents(px - half, py - half, px + half, py + half)
