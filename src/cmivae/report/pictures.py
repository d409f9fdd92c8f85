"""Figures, sheets of spectrograms and sounds as data URIs: the very bytes that the figures stage recorded."""

import base64
import csv
from dataclasses import dataclass
from pathlib import Path

from cmivae.audit.book import FIGURES, Book
from cmivae.audit.points import cells_of, read_points, row_name
from cmivae.results.render import config_title, objective_name
from cmivae.study.params import Figure

PAIRS = 2  # of sounds of each configuration, and the first seed only: a page is to be sent by mail
CONFIGS = 4  # that can be heard: the first and the last two of a figure that has more
KINDS = ("source", "target", "converted", "reconstruction")  # of sounds, in the order of the sheet
SHEET = "sheet"  # stem of the sheet's files beside a run's sounds
TYPES = {".png": "image/png", ".wav": "audio/wav"}


@dataclass(frozen=True)
class Point:
    """A drawn point and the address of the cell that it shows."""

    source: str
    name: str
    gamma: str
    x: str
    y: str
    address: str


@dataclass(frozen=True)
class Picture:
    """A figure as it was drawn; ``problem`` where there is none."""

    name: str
    title: str
    kind: str
    uri: str = ""
    points: tuple[Point, ...] = ()
    headings: tuple[str, str] = ("", "")
    problem: str = ""


@dataclass(frozen=True)
class Sound:
    """One sound; ``says`` is what it is, in words."""

    kind: str
    heading: str
    says: str
    numbers: str
    uri: str


@dataclass(frozen=True)
class Pair:
    """A source, a target, and the conversion by each configuration."""

    title: str
    sounds: tuple[Sound, ...]


@dataclass(frozen=True)
class Sheet:
    """The spectrograms of one run."""

    title: str
    uri: str
    alt: str


@dataclass(frozen=True)
class Voices:
    """What a page of voices has to hear and see."""

    name: str
    title: str
    pairs: tuple[Pair, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    left_out: str = ""
    problem: str = ""


def pictures(book: Book, drawn: bool) -> list[Picture]:
    """Curves and grids of samples.

    Args:
        drawn: whether the figures are there and current.
    """
    figures = book.study.params.figures
    return [_picture(book, name, figure, drawn) for name, figure in figures.items() if figure.kind != "voices"]


def voices(book: Book, drawn: bool) -> list[Voices]:
    """Converted voices: the first pairs of the first seed."""
    figures = book.study.params.figures
    return [_voices(book, name, figure, drawn) for name, figure in figures.items() if figure.kind == "voices"]


def _picture(book: Book, name: str, figure: Figure, drawn: bool) -> Picture:
    path = book.workspace / FIGURES / f"{name}.png"
    if not drawn or not path.is_file():
        return Picture(name, figure.title, figure.kind, problem="not drawn yet")
    points = _points(book, name, figure) if figure.kind == "curve" else ()
    across = "β" if figure.x == "beta" else "KL(z) [nats]"
    return Picture(name, figure.title, figure.kind, _uri(path), points, (across, figure.metric or ""))


def _points(book: Book, name: str, figure: Figure) -> tuple[Point, ...]:
    kind, found = book.study.params.datasets[figure.dataset].kind, []
    for row in read_points(book, name):
        cells = cells_of(book, name, row_name(row))
        cell = next((each for each in cells if each.column == row["metric"]), None)
        across = row["beta"] if figure.x == "beta" else row["kl_z"]
        found.append(
            Point(
                row["source"], objective_name(row["objective"], kind), row["gamma"], across, row["value"],
                cell.address if cell else "",
            )
        )  # fmt: skip
    return tuple(found)


def _voices(book: Book, name: str, figure: Figure, drawn: bool) -> Voices:
    folder = book.workspace / FIGURES / name
    if not drawn or not folder.is_dir():
        return Voices(name, figure.title, problem="no sound was made yet")
    seed, params = book.study.params.seeds[0], book.study.params
    keys = list(figure.configs) if len(figure.configs) <= CONFIGS else [*figure.configs[:2], *figure.configs[-2:]]
    runs = {key: folder / f"{key}-s{seed}" for key in keys}
    runs = {key: path for key, path in runs.items() if (path / f"{SHEET}.csv").is_file()}
    if not runs:
        return Voices(name, figure.title, problem="no run of this figure has a sound: see its page for why")
    shown = f"{len(keys)} of {len(figure.configs)} configurations" if len(keys) < len(figure.configs) else ""
    seeds = f"seed {seed} of {len(params.seeds)}" if len(params.seeds) > 1 else ""
    rows = {key: _rows(path) for key, path in runs.items()}
    titles = {key: config_title(params.configs[key], "speech") for key in runs}
    numbers = list(dict.fromkeys(row["pair"] for row in next(iter(rows.values()))))
    pairs = tuple(_pair(number, runs, titles, rows) for number in numbers[:PAIRS])
    of_pairs = f"{PAIRS} of {len(numbers)} pairs" if len(numbers) > PAIRS else ""
    left_out = ", ".join(filter(None, [of_pairs, shown, seeds]))
    sheets = tuple(_sheet(titles[key], path, rows[key]) for key, path in runs.items())
    return Voices(name, figure.title, pairs, sheets, left_out)


def _rows(path: Path) -> list[dict[str, str]]:
    with (path / f"{SHEET}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _pair(number: str, runs: dict[str, Path], titles: dict[str, str], rows: dict[str, list[dict[str, str]]]) -> Pair:
    """One pair's sounds; runs, titles and rows of the sheets are by configuration."""
    sounds: list[Sound] = []
    first = next(iter(runs))
    for kind in KINDS:
        for key in runs if kind in ("converted", "reconstruction") else [first]:
            row = next((r for r in rows[key] if (r["pair"], r["kind"]) == (number, kind)), None)
            if row is not None:
                own = kind in ("source", "target")
                heading = kind.capitalize() if own else f"{kind.capitalize()}: {titles[key]}"
                length = f"{float(row['seconds']):.2f} s, {float(row['rms_db']):.1f} dB".replace("-", "−")
                sounds.append(Sound(kind, heading, _says(row), length, _uri(runs[key] / row["file"])))
    row = next(r for r in rows[first] if r["pair"] == number)
    return Pair(f"Pair {number}: {_speaker(row, 'source')} to {_speaker(row, 'target')}", tuple(sounds))


def _says(row: dict[str, str]) -> str:
    source, target = _speaker(row, "source"), _speaker(row, "target")
    return {
        "source": f"{source}, {row['source_utterance']}",
        "target": f"{target}, {row['target_utterance']}",
        "converted": f"words of {source}, voice of {target}",
        "reconstruction": f"{source}, its own voice",
    }[row["kind"]]


def _speaker(row: dict[str, str], side: str) -> str:
    sex = {"F": "female", "M": "male"}.get(row[f"{side}_sex"], row[f"{side}_sex"])
    return f"{row[side]} ({sex})"


def _sheet(title: str, path: Path, rows: list[dict[str, str]]) -> Sheet:
    named = "; ".join(
        f"{number}: {_speaker(row, 'source')} to {_speaker(row, 'target')}"
        for number, row in {row["pair"]: row for row in rows}.items()
    )
    alt = f"Spectrograms of {title}: a row for each pair, columns {', '.join(KINDS)}. Rows {named}."
    return Sheet(title, _uri(path / f"{SHEET}.png"), alt)


def _uri(path: Path) -> str:
    return f"data:{TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
