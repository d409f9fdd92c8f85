"""Converted voices to see and hear: the sheet of spectrograms and the page of each run, and the page over all runs."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape
from importlib.resources import files
from string import Template
from textwrap import fill
from typing import Any
from urllib.parse import quote

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmivae.results.canvas import WARNING, new_figure, styled
from cmivae.results.render import warning
from cmivae.study.params import Style

KINDS = ("source", "target", "converted", "reconstruction")  # the columns of the sheet
SEXES = {"F": "female", "M": "male"}
SHEET = "sheet"  # stem of the sheet's files beside the page
SHOWN = 4.0  # seconds of each sound on the sheet: enough to tell one word from the next
RANGE = 70.0  # dB from the loudest point of the real sounds to the end of the colour scale
FLOOR = 1e-6  # magnitude that stands for silence


@dataclass(frozen=True)
class Speaker:
    """Who speaks in an utterance of the corpus."""

    name: str
    sex: str  # F or M
    utterance: str = ""  # its name in the corpus

    def __str__(self) -> str:
        return f"{self.name} ({SEXES.get(self.sex, self.sex)})"


@dataclass(frozen=True)
class Voice:
    """One sound: its file and what was measured on it."""

    kind: str  # of KINDS
    file: str  # beside the page
    seconds: float
    rms_db: float  # dB of full scale
    frames: NDArray[np.floating]  # (T, F) linear magnitude, from 0 Hz to half the sampling rate
    gain: float = 1.0  # below 1 where it was scaled down so as not to clip


@dataclass(frozen=True)
class PairView:
    """One conversion: what the source says in the target's voice."""

    source: Speaker
    target: Speaker
    voices: tuple[Voice, ...]  # one of each of KINDS, in any order

    def voice(self, kind: str) -> Voice:
        """The sound of one kind.

        Raises:
            KeyError: the pair has none.
        """
        return {voice.kind: voice for voice in self.voices}[kind]

    def says(self, kind: str) -> str:
        """What a sound of this kind is, in words."""
        return {
            "source": str(self.source),
            "target": str(self.target),
            "converted": f"words of {self.source}, voice of {self.target}",
            "reconstruction": f"{self.source}, its own voice",
        }[kind]


@dataclass(frozen=True)
class RunView:
    """One run and its conversions."""

    name: str  # its folder, e.g. T1-cmi04-s0
    title: str  # e.g. "CMI-VAE, γ 0.4, seed 0"
    label: str  # of the workspace
    note: str
    pairs: tuple[PairView, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()  # name and value of what is worth knowing, e.g. ("EER(z)", "6.2 %")
    problem: str = ""  # why there is nothing to hear: the overview then links no page
    rate: int = 16000  # Hz
    hop_length: int = 160  # samples


def sheet(run: RunView, style: Style, *, seconds: float = SHOWN) -> Figure:
    """Spectrograms with one colour scale: a row for each pair, a column for each kind of sound.

    The scale ends at the loudest point of sources and targets, so that a model that is too loud hides nothing else.

    Args:
        run: with at least one pair.
        style: its width is that of a figure with one panel; the sheet is 1.7 times as wide.
        seconds: at most so much of the beginning of each sound.

    Raises:
        ValueError: the run has no pairs.
        KeyError: a pair lacks a kind of sound.
    """
    if not run.pairs:
        raise ValueError(f"{run.name} has no pairs to draw")
    shown = round(seconds * run.rate / run.hop_length)  # frames
    levels = [[_decibels(pair.voice(kind).frames[:shown]) for kind in KINDS] for pair in run.pairs]
    loudest = max(float(level.max()) for row in levels for level in row[:2])  # of sources and targets
    longest = max(len(level) for row in levels for level in row) * run.hop_length / run.rate  # seconds
    with styled():
        width = 1.7 * style.width
        figure = new_figure(width, 0.39 * style.height * len(run.pairs) + 0.75, style.dpi)
        grid = figure.subplots(len(run.pairs), len(KINDS), sharex=True, sharey=True, squeeze=False)
        for number, (axes_row, pair, row) in enumerate(zip(grid, run.pairs, levels, strict=True), 1):
            axes_row[0].set_ylabel(f"pair {number}")
            for axes, title, level in zip(axes_row, _titles(pair), row, strict=True):
                image = _panel(axes, level - loudest, run)
                axes.set_title(title, fontsize=7, parse_math=False)
        grid[0, 0].set_xlim(0, longest)
        cut = any(len(voice.frames) > shown for pair in run.pairs for voice in pair.voices)
        first = f" (the first {seconds:g} s of each sound)" if cut else ""
        figure.supxlabel(f"time [s]{first}; 0 dB is the loudest point of sources and targets", fontsize=8)
        figure.supylabel("frequency [kHz]", fontsize=8)
        bar = figure.colorbar(image, ax=grid, extend="both", pad=0.01, aspect=14 * len(run.pairs), fraction=0.03)
        bar.set_label("level [dB]")
        _head(figure, run)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return figure


def sheet_records(run: RunView) -> list[dict[str, Any]]:
    """One record for each sound, for the CSV beside the sheet."""
    return [
        {"label": run.label, "run": run.name, "pair": number, "kind": voice.kind, "file": voice.file,
         "source": pair.source.name, "source_sex": pair.source.sex, "source_utterance": pair.source.utterance,
         "target": pair.target.name, "target_sex": pair.target.sex, "target_utterance": pair.target.utterance,
         "seconds": voice.seconds, "rms_db": voice.rms_db, "gain": voice.gain}
        for number, pair in enumerate(run.pairs, 1)
        for voice in map(pair.voice, KINDS)
    ]  # fmt: skip


def page(run: RunView) -> str:
    """The page of a run: its four sounds of each pair side by side and the sheet, all files beside it.

    The text is the same for the same run. It needs nothing from the network, and no script to work.

    Raises:
        KeyError: a pair lacks a kind of sound.
    """
    parts = ['<nav><a href="../index.html">All runs</a></nav>', f"<h1>Voice conversion: {escape(run.title)}</h1>"]
    parts += [f'<p class="run">Run {escape(run.name)}</p>', _banner(run.label, run.note)]
    parts += [f'<p class="lead">{_ABOUT}</p>', _facts(run.facts), _problem(run)]
    for number, pair in enumerate(run.pairs, 1):
        cards = [_card(pair, pair.voice(kind), f"Pair {number}") for kind in KINDS]
        parts.append(_section(f"pair{number}", _pair_title(number, pair), f'<ul class="voices">{_lines(cards)}</ul>'))
    if run.pairs:
        parts.append(_section("sheet", "Spectrograms", _sheet_figure(run)))
    return _whole(f"Voice conversion: {run.title}", parts)


def overview(runs: Sequence[RunView], *, title: str, label: str, note: str) -> str:
    """The page one folder above the runs': a link to each, and each pair as all runs convert it.

    Runs with a problem are listed without a link. Pairs are the same where their place and both utterances are.

    Raises:
        KeyError: a pair lacks a kind of sound.
    """
    parts = [f"<h1>{escape(title)}</h1>", _banner(label, note), f'<p class="lead">{_ABOUT}</p>']
    parts.append(_section("runs", "Runs", f'<ul class="runs">{_lines(map(_link, runs))}</ul>' if runs else "None."))
    heard: dict[tuple[int, Speaker, Speaker], list[tuple[RunView, PairView]]] = {}
    for run in runs:
        for place, pair in enumerate(run.pairs):
            heard.setdefault((place, pair.source, pair.target), []).append((run, pair))
    for number, each in enumerate(heard.values(), 1):
        (first, pair), about = each[0], f"Pair {number}"
        cards = [_card(pair, pair.voice(kind), about, folder=first.name) for kind in ("source", "target")]
        cards += [_card(p, p.voice("converted"), about, folder=r.name, heading=r.title) for r, p in each]
        parts.append(_section(f"pair{number}", _pair_title(number, pair), f'<ul class="voices">{_lines(cards)}</ul>'))
    return _whole(title, parts)


def _panel(axes: Axes, level: NDArray[np.floating], run: RunView) -> Any:
    # level: (T, F) dB; frame i is drawn from its first sample to that of the next
    end = len(level) * run.hop_length / run.rate
    axes.set_facecolor("#ececec")  # beyond the end of a shorter sound
    axes.grid(False)
    return axes.imshow(
        level.T, origin="lower", aspect="auto", extent=(0, end, 0, run.rate / 2000), vmin=-RANGE, vmax=0, cmap="magma"
    )


def _head(figure: Figure, run: RunView) -> None:
    # A character is about half as wide as it is high; text that is too wide would be cut off silently.
    per_line = int(figure.get_figwidth() * 72 / (8 * 0.59))
    stop = warning(run.label, run.note)
    head = [fill(line, per_line) for line in (run.title, stop) if line]
    figure.suptitle("\n".join(head), fontsize=8, color=WARNING if stop else "black", parse_math=False)


def _decibels(frames: NDArray[np.floating]) -> NDArray[np.float64]:
    return 20.0 * np.log10(np.maximum(np.asarray(frames, dtype=np.float64), FLOOR))


def _titles(pair: PairView) -> tuple[str, ...]:
    # in the order of KINDS; narrow, as panels are
    source, target = (str(replace(each, name=_short(each.name))) for each in (pair.source, pair.target))
    who = (source, target, f"{source} → {target}", f"{source}, own voice")
    return tuple(f"{kind}\n{each}" for kind, each in zip(KINDS, who, strict=True))


def _short(text: str, most: int = 8) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# --- pieces of the pages: text comes in as it is and is escaped where it meets a tag ----------------------------------

_ABOUT = (
    "The model splits speech into who says it (z, one a segment) and what is said (s, one a frame). "
    "<em>Converted</em> is s of the source decoded with z of the target. <em>Reconstruction</em> is the source "
    "decoded with its own z: it shows what the model and the way back to sound cost by themselves. All sounds, source "
    "and target too, are made from their magnitude frames with Griffin-Lim, so that they differ by their frames only. "
    "Levels are RMS against full scale."
)


def _card(pair: PairView, voice: Voice, about: str, *, folder: str = "", heading: str = "") -> str:
    name, says = heading or voice.kind.capitalize(), pair.says(voice.kind)
    address = escape(quote(f"{folder}/{voice.file}" if folder else voice.file))
    numbers = f"{voice.seconds:.2f}&nbsp;s · {_signed(voice.rms_db)}&nbsp;dB"
    if voice.gain < 1:
        numbers += f" · turned down {-20 * math.log10(voice.gain):.1f}&nbsp;dB so as not to clip"
    spoken = escape(f"{about}, {voice.kind}{f', {heading}' if heading else ''}: {says}")
    return _lines([
        f'<li class="voice {escape(voice.kind)}">',
        f"<h3>{escape(name)}</h3>",
        f"<p>{escape(says)}</p>",
        f'<p class="numbers">{numbers}</p>',
        f'<audio controls preload="metadata" src="{address}" aria-label="{spoken}">'
        f'<a href="{address}">Download the sound</a></audio>',
        "</li>",
    ])  # fmt: skip


def _sheet_figure(run: RunView) -> str:
    rows = "; ".join(f"{n}: {pair.source} to {pair.target}" for n, pair in enumerate(run.pairs, 1))
    alt = escape(f"Spectrograms, a row for each pair, columns {', '.join(KINDS)}. Rows {rows}.")
    return _lines([
        '<figure class="sheet"><div class="scroll" role="region" tabindex="0" aria-label="Sheet of spectrograms">',
        f'<img src="{SHEET}.png" alt="{alt}"></div>',
        "<figcaption>A row for each pair, one colour scale for all. As "
        f'<a href="{SHEET}.png">picture</a>, <a href="{SHEET}.pdf">PDF</a>, '
        f'<a href="{SHEET}.csv">table of the sounds</a>.</figcaption></figure>',
    ])  # fmt: skip


def _link(run: RunView) -> str:
    name = f'<span class="run">{escape(run.name)}</span>'
    if run.problem:
        return f"<li><strong>{escape(run.title)}</strong>{name}{_problem(run)}</li>"
    address = escape(quote(f"{run.name}/index.html"))
    return f'<li><strong><a href="{address}">{escape(run.title)}</a></strong>{name}{_facts(run.facts)}</li>'


def _pair_title(number: int, pair: PairView) -> str:
    said = ", ".join(speaker.utterance for speaker in (pair.source, pair.target) if speaker.utterance)
    small = f" <small>{escape(said)}</small>" if said else ""
    return f"Pair {number}: {escape(str(pair.source))} to {escape(str(pair.target))}{small}"


def _section(name: str, heading: str, inside: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{heading}</h2>\n{inside}\n</section>'


def _banner(label: str, note: str) -> str:
    stop = warning(label, note)
    return f'<p class="warning" role="note">{escape(stop)}</p>' if stop else ""


def _problem(run: RunView) -> str:
    return f'<p class="problem">{escape(run.problem)}</p>' if run.problem else ""


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    inside = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="facts">{inside}</dl>' if facts else ""


def _whole(title: str, parts: Sequence[str]) -> str:
    template = Template((files("cmivae.results") / "voices.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body=_lines(part for part in parts if part))


def _lines(parts: Iterable[str]) -> str:
    return "\n".join(parts)


def _signed(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
