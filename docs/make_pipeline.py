"""Draws docs/pipeline.svg, the picture of the pipeline: python docs/make_pipeline.py > docs/pipeline.svg

Counts are those of the root params.yaml. Colours follow the reader's light or dark setting.
"""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

from cmivae.provenance.specs import STAGES
from cmivae.study.loading import load_params
from cmivae.study.runs import expand

WIDTH, HEIGHT = 1120, 476
LEFT, TOP, BOX, GAP, TALL = 30, 190, 126, 29.6, 96  # of the row of stages
HOLDS = {  # stage: folder, and two lines on what lies there
    "fetch": ("data/raw", "raw files,", "by content hash"),
    "prepare": ("data/prepared", "fixed splits,", "shared index lists"),
    "train": ("runs/train", "weights, critics,", "learning curve"),
    "embed": ("runs/embed", "latents, logits,", "samples, voices"),
    "evaluate": ("runs/evaluate", "metrics, from", "embeddings alone"),
    "tables": ("results/tables", "Tables 1 to 5: a", "record a number"),
    "figures": ("results/figures", "Figures 3 to 5,", "voices to hear"),
}
STYLE = """
  :root { --ink: #1f2933; --soft: #52606d; --box: #ffffff; --line: #7b8794; --page: #f7f9fb; --flow: #0b69a3;
          --back: #b44d12; --many: #e4ecf3; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #e4e7eb; --soft: #a9b6c4; --box: #1d2733; --line: #6b7a8c; --page: #121920; --flow: #63b3ed;
            --back: #f0a36b; --many: #223343; } }
  text { font-family: system-ui, -apple-system, "Segoe UI", "DejaVu Sans", Helvetica, sans-serif; fill: var(--ink); }
  .name { font: 600 12.5px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
  .stage { font-size: 14px; font-weight: 700; fill: var(--flow); }
  .small { font-size: 12.5px; fill: var(--soft); } .head { font-size: 15px; font-weight: 700; }
  .audit { font-size: 13.5px; fill: var(--back); font-weight: 600; }
  .box { fill: var(--box); stroke: var(--line); stroke-width: 1.2; } .many { fill: var(--many); stroke: var(--line); }
  .flow { fill: none; stroke: var(--flow); stroke-width: 2; marker-end: url(#flow); }
  .made { fill: none; stroke: var(--line); stroke-width: 1.4; stroke-dasharray: 5 4; marker-end: url(#made); }
  .page { fill: var(--page); stroke: none; }
  .back { fill: none; stroke: var(--back); stroke-width: 2; marker-end: url(#back); }
"""


def text(x: float, y: float, words: str, kind: str, anchor: str = "middle") -> str:
    """One line of text."""
    return f'<text x="{x:g}" y="{y:g}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    """A rounded rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" class="{kind}"/>'


def path(kind: str, *points: tuple[float, float]) -> str:
    """A line through points, with an arrow at its end."""
    steps = " L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path d="M{steps}" class="{kind}"/>'


def titled(x: float, width: float, title: str, below: str, kind: str = "head") -> str:
    """A box of the upper row with its title and a line below."""
    middle = x + width / 2
    return box(x, 24, width, 66) + text(middle, 51, title, kind) + text(middle, 73, below, "small")


def marker(name: str) -> str:
    """The arrow head of a kind of line."""
    colour = "line" if name == "made" else name
    shape = f'<path d="M0 0 L8 4 L0 8 Z" style="fill: var(--{colour})"/>'
    size = 'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"'
    return f'<marker id="{name}" {size}>{shape}</marker>'


def place(number: int) -> float:
    """Left edge of a stage's box."""
    return LEFT + number * (BOX + GAP)


def row(runs: str) -> list[str]:
    """The stages from left to right; those of single runs stand for many."""
    parts, names = [], list(HOLDS)
    first, last = place(names.index("train")) - 13, place(names.index("evaluate")) + BOX + 21
    parts += [
        box(first, TOP - 32, last - first, TALL + 74, "many"),
        text((first + last) / 2, TOP + TALL + 31, runs, "small"),
    ]
    for number, (stage, (folder, *lines)) in enumerate(HOLDS.items()):
        x = place(number)
        if stage in ("train", "embed", "evaluate"):
            parts += [box(x + 8, TOP + 8, BOX, TALL), box(x + 4, TOP + 4, BOX, TALL)]
        parts += [box(x, TOP, BOX, TALL), text(x + BOX / 2, TOP - 11, stage, "stage")]
        parts.append(text(x + BOX / 2, TOP + 28, folder, "name"))
        parts += [text(x + BOX / 2, TOP + 54 + 19 * line, words, "small") for line, words in enumerate(lines)]
        if number:
            parts.append(
                path("flow", (x - GAP + (9 if 3 <= number <= 5 else 1), TOP + TALL / 2), (x - 2, TOP + TALL / 2))
            )
    return parts


def study() -> list[str]:
    """The upper row: from params.yaml to what the doors make."""
    span, first, last = 136, LEFT + BOX / 2, place(6) + BOX / 2  # a line from which both doors reach every stage
    return [
        titled(30, 238, "params.yaml", "data, models, γ, seeds", "name"),
        titled(340, 388, "a spec for every artefact", "digest of its parameters, inputs and code"),
        box(788, 12, 314, 90, "many"),
        titled(800, 136, "Snakemake", "one door"),
        titled(954, 136, "DVC", "the other door"),
        path("flow", (268, 57), (338, 57)),
        path("flow", (728, 57), (786, 57)),
        path("made", (945, 102), (945, span), (first, span), (first, TOP - 28)),
        path("made", (945, span), (last, span), (last, TOP - 28)),
        text(478, span - 9, "make what is stale and nothing else; both doors give the same bytes", "small"),
    ]


def baseline() -> list[str]:
    """The way round the model, below the stages."""
    start, end, under = place(1) + BOX / 2, place(5) + BOX / 2, TOP + TALL
    low, left, right = under + 76, place(2) - 13, place(4) + BOX + 21
    words = "runs/baseline: the same metrics without a model, once a data set"
    return [
        box(left, low - 22, right - left, 44),
        text((left + right) / 2, low + 5, words, "small"),
        path("flow", (start, under), (start, low), (left - 2, low)),
        path("flow", (right, low), (end, low), (end, under + 2)),
    ]


def report() -> list[str]:
    """The page below the figures, where the study has that stage."""
    x, under, low = place(6), TOP + TALL, TOP + TALL + 76
    return [
        path("flow", (x + BOX / 2, under), (x + BOX / 2, low - 24)),
        box(x, low - 22, BOX, 44),
        text(x + BOX / 2, low - 3, "report", "stage"),
        text(x + BOX / 2, low + 14, "all on one page", "small"),
    ]


def audit() -> list[str]:
    """The way back from a number, below everything."""
    start, end, line = place(6) + BOX / 2, LEFT + BOX / 2, HEIGHT - 62
    under = TOP + TALL
    origin = under + 98 if "report" in STAGES else under
    words = "cmivae audit: from any printed number back to its runs, weights, parameters, data and code"
    more = "cmivae verify: links, hashes, digits, metrics, embeddings, training, made again"
    return [
        path("back", (start, origin), (start, line), (end, line), (end, under + 3)),
        text(WIDTH / 2, line + 24, words, "audit"),
        text(WIDTH / 2, line + 45, more, "audit"),
    ]


def picture(counts: str) -> str:
    """The whole SVG."""
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        "<title>The pipeline: raw data to tables and figures, and the audit back from a number</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{''.join(marker(name) for name in ('flow', 'made', 'back'))}</defs>",
        box(0.5, 0.5, WIDTH - 1, HEIGHT - 1, "page"),
    ]
    below = report() if "report" in STAGES else []
    return "\n".join([*parts, *study(), *row(counts), *baseline(), *below, *audit(), "</svg>"]) + "\n"


def main() -> str:
    """The picture for the root workspace."""
    params = load_params(Path(__file__).resolve().parents[1] / "params.yaml")
    runs = len(expand(params))
    missing = set(STAGES) - HOLDS.keys() - {"baseline", "report"}
    if missing:
        raise SystemExit(f"stages without a box: {', '.join(missing)}")
    return picture(f"{len(params.configs)} configurations × {len(params.seeds)} seeds = {runs} runs at paper scale")


if __name__ == "__main__":
    sys.stdout.write(main())
