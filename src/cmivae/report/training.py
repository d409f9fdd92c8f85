"""Training curves of every run: what validation said by epoch, as lines of small charts, drawn without a library."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cmivae.audit.book import Book
from cmivae.results.render import config_title
from cmivae.study.params import Params

WIDTH, HEIGHT = 124.0, 64.0  # of the drawing area, in units of the picture
POINTS = 120  # of a line, at most: more than the picture can show
SETTLED = 0.2  # of the epochs come before the scale is fixed: a loss falls by orders in the first few
METRICS = {  # key in curve.jsonl: what it is, and of which trainings
    "elbo": "ELBO",
    "kl_z": "KL(z)",
    "logit_estimator": "I(z;s), by the estimator",
}

Place = Callable[[float, float], tuple[float, float]]  # of an epoch and a value in the picture


@dataclass(frozen=True)
class Line:
    """One seed in one chart."""

    seed: int
    points: str  # of an SVG polyline
    last: float
    selected: tuple[float, float] | None  # where the epoch that was kept lies


@dataclass(frozen=True)
class Chart:
    """One metric of one configuration, all seeds."""

    title: str
    low: str
    high: str
    epochs: int
    lines: tuple[Line, ...]
    cut: bool  # early values lie outside

    @property
    def says(self) -> str:
        """The chart in words, for who does not see it."""
        ends = ", ".join(f"seed {line.seed} ends at {line.last:.4g}" for line in self.lines)
        return f"{self.title} over {self.epochs} epochs: {ends}"


@dataclass
class Trained:
    """A configuration and its charts; ``problems`` by seed where a run is missing, failed or stale."""

    key: str
    title: str
    charts: list[Chart] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def trainings(book: Book, stale: dict[str, str]) -> dict[str, list[Trained]]:
    """All configurations of the study by data set, in its order.

    Args:
        stale: reason by folder; a stale run is drawn, and said to be stale.
    """
    params = book.study.params
    found: dict[str, list[Trained]] = {}
    for key, config in params.configs.items():
        found.setdefault(config.dataset, []).append(_trained(book, params, key, stale))
    return found


def _trained(book: Book, params: Params, key: str, stale: dict[str, str]) -> Trained:
    config = params.configs[key]
    made = Trained(key, config_title(config, params.datasets[config.dataset].kind))
    curves: dict[int, list[dict]] = {}
    kept: dict[int, int | None] = {}
    for seed in params.seeds:
        folder = f"runs/train/{key}/s{seed}"
        record = book.record(folder)
        if record is None:
            made.problems.append(f"seed {seed} not run")
            continue
        if record.status == "failed":
            made.problems.append(f"seed {seed} FAILED")
        if folder in stale:
            made.problems.append(f"seed {seed} STALE: {stale[folder]}")
        path = record.path.parent / "curve.jsonl"
        if path.is_file():
            curves[seed] = _validations(path)
            kept[seed] = (record.values.get("selected") or {}).get("epoch")
    for metric, title in METRICS.items():
        chart = _chart(title, metric, curves, kept)
        made.charts += [chart] if chart else []
    return made


def _validations(path: Path) -> list[dict]:
    lines = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return [line for line in lines if line["kind"] == "valid"]


def _chart(title: str, metric: str, curves: dict[int, list[dict]], kept: dict[int, int | None]) -> Chart | None:
    series = {
        seed: [(each["epoch"], each[metric]) for each in lines if _finite(each.get(metric))]
        for seed, lines in curves.items()
    }
    series = {seed: values for seed, values in series.items() if values}
    if not series:
        return None
    last = max(epoch for values in series.values() for epoch, _ in values)
    first = min(epoch for values in series.values() for epoch, _ in values)
    settled = [y for values in series.values() for x, y in values if x - first >= SETTLED * (last - first)]
    low, high = min(settled), max(settled)
    margin = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    low, high = low - margin, high + margin

    def at(epoch: float, value: float) -> tuple[float, float]:
        x = 0.0 if last == first else (epoch - first) / (last - first) * WIDTH
        y = HEIGHT * (1 - (value - low) / (high - low))
        return round(x, 1), round(min(max(y, -HEIGHT), 2 * HEIGHT), 1)

    lines = tuple(_line(seed, values, kept.get(seed), at) for seed, values in series.items())
    cut = any(not low <= y <= high for values in series.values() for _, y in values)
    return Chart(title, _short(low), _short(high), last, lines, cut)


def _line(seed: int, values: Sequence[tuple[int, float]], kept: int | None, at: Place) -> Line:
    step = max(1, math.ceil(len(values) / POINTS))
    thinned = [*values[::step], *(values[-1:] if (len(values) - 1) % step else [])]
    points = " ".join(f"{x:g},{y:g}" for x, y in (at(*each) for each in thinned))
    selected = next((at(*each) for each in values if each[0] == kept), None)
    return Line(seed, points, values[-1][1], selected)


def _short(value: float) -> str:
    return f"{value:.4g}".replace("-", "−")


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
