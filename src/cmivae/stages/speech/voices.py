"""Converted voices to listen to: sounds, a sheet of spectrograms and a page for each run, and one page over all."""

from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file
from torch import Tensor

from cmivae.data.features import magnitude
from cmivae.data.speech import Span, Speech, load
from cmivae.data.tensors import read_tensors
from cmivae.evaluation.vocoder import Stft, check_sound, level, to_wav, to_wave
from cmivae.progress import log
from cmivae.provenance.context import Context
from cmivae.provenance.io import write_bytes, write_text
from cmivae.provenance.ledger import Record
from cmivae.results.canvas import save
from cmivae.results.cells import Cell
from cmivae.results.render import config_title
from cmivae.results.voices import SHEET, PairView, RunView, Speaker, Voice, overview, page, sheet, sheet_records
from cmivae.study.params import Figure, SpeechData
from cmivae.study.runs import Run, expand

FACTS = ("kl_z", "eer_z", "eer_s", "vc_mcas")  # columns shown on the page of a run


def make_voices(context: Context, name: str, figure: Figure, cells: list[Cell]) -> None:
    """Write ``<name>/index.html`` and ``<name>/<config>-s<seed>/`` for each run of the figure's configurations."""
    folder, params = context.folder / name, context.params
    speech = load(context.workspace / "data/prepared" / figure.dataset)
    data = cast(SpeechData, params.datasets[figure.dataset].data)  # study.checks lets no other kind have a page
    runs = [run for key in figure.configs for run in expand(params) if run.key == key]
    views = [_run(context, run, folder, speech, data, cells) for run in runs]
    write_text(folder / "index.html", overview(views, title=figure.title, label=params.label, note=params.note))


def _run(context: Context, run: Run, folder: Path, speech: Speech, data: SpeechData, cells: list[Cell]) -> RunView:
    record, params = context.input(f"runs/embed/{run.name}"), context.params
    name = f"{run.key}-s{run.seed}"
    title = f"{config_title(run.config, 'speech')}, seed {run.seed}"
    if record.status == "failed":
        log.error("voices: %s failed and has no voice", run.name)
        return RunView(name, title, params.label, params.note, problem="The training of this run failed.")
    try:
        pairs = _pairs(record, folder / name, speech, data)
    except ValueError as error:  # silent, or not finite: heard of in words
        log.error("voices: %s has no sound: %s", run.name, error)
        return RunView(name, title, params.label, params.note, problem=f"No sound can be made of this run: {error}.")
    view = RunView(name, title, params.label, params.note, pairs, _facts(run, cells), hop_length=data.hop_length)
    if pairs:
        save(sheet(view, params.style), sheet_records(view), folder / name / SHEET)
    write_text(folder / name / "index.html", page(view))
    return view


def _pairs(record: Record, folder: Path, speech: Speech, data: SpeechData) -> tuple[PairView, ...]:
    stored = read_tensors(record.path.parent / "voices.safetensors", load_file)
    pairs, frames = [], speech.frames("test")
    for number, pair in enumerate(stored["pairs"].tolist()):
        source, target = (speech.of("test")[index] for index in pair)
        length = source.segments * speech.segment  # the tail that fills no segment was not converted
        sounds = {
            "source": frames[source.first : source.first + length],
            "target": frames[target.first : target.first + target.frames],
            "converted": stored[f"converted{number}"],
            "reconstruction": stored[f"copied{number}"],
        }
        voices = tuple(_voice(kind, number + 1, each, folder, speech, data) for kind, each in sounds.items())
        pairs.append(PairView(_speaker(source), _speaker(target), voices))
    return tuple(pairs)


def _voice(kind: str, number: int, frames: Tensor, folder: Path, speech: Speech, data: SpeechData) -> Voice:
    linear = magnitude(frames, speech.scale, data)  # (T, F)
    wave, gain = level(to_wave(linear, Stft.of(data)))
    sound = check_sound(wave)
    file = f"pair{number}-{kind}.wav"
    write_bytes(folder / file, to_wav(wave))
    return Voice(kind, file, sound.seconds, sound.rms_db, linear.to(torch.float32).numpy(), gain)


def _speaker(span: Span) -> Speaker:
    return Speaker(span.speaker, span.gender, span.name)


def _facts(run: Run, cells: list[Cell]) -> tuple[tuple[str, str], ...]:
    """What the tables say of this one run."""
    found = {}
    for cell in cells:
        for part in cell.runs:
            if part.run == f"runs/evaluate/{run.name}" and cell.column in FACTS and isinstance(part.value, float):
                found[cell.column] = part.value
    units = {"kl_z": ("KL(z)", "nats"), "eer_z": ("EER(z)", "%"), "eer_s": ("EER(s)", "%"), "vc_mcas": ("VC-mCAS", "%")}
    return tuple((units[key][0], f"{found[key]:.2f} {units[key][1]}") for key in FACTS if key in found)
