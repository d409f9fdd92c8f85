"""A workspace whose numbers are made up and whose records are real: every stage's artefact, written in no time.

It calls itself the paper, so that every verdict word has a number; nothing of it is ever trained.
"""

import base64
import csv
import io
import json
import math
import wave
from pathlib import Path

import synthetic_speech
import synthetic_study

from cmivae.provenance.context import Context
from cmivae.provenance.io import write_bytes, write_json, write_text
from cmivae.provenance.ledger import read_record, write_record
from cmivae.provenance.specs import Artefact, Study
from cmivae.report import stage as report
from cmivae.stages import tables
from cmivae.study.loading import load_params

FAILED = "mnist-mi-g030", 1  # diverged: its row has no number
TEXT = """
label: paper
note: ""
seeds: [0, 1, 2]
datasets:
  mnist:
    reader: mnist
    data: {}
    model: {name: pixelcnn_vae}
    critic: {}
    train: {epochs: 300}
    embed: {}
    evaluate: {}
  timit:
    reader: timit
    data: {}
    model: {name: dsae}
    critic: {}
    train: {epochs: 6000}
    embed: {}
    evaluate: {}
configs:
  mnist-vanilla: {dataset: mnist, objective: vanilla, gamma: 0.0}
  mnist-beta-g030: {dataset: mnist, objective: beta, gamma: 0.3}
  mnist-cmi-g030: {dataset: mnist, objective: cmi, gamma: 0.3}
  mnist-mi-g030: {dataset: mnist, objective: mi, gamma: 0.3}
  timit-vanilla: {dataset: timit, objective: vanilla, gamma: 0.0}
  timit-beta-g040: {dataset: timit, objective: beta, gamma: 0.4}
  timit-cmi-g040: {dataset: timit, objective: cmi, gamma: 0.4}
tables:
  T1: {title: "Verification <b>& more</b>", dataset: timit, layout: eer, paper: table1}
  T4: {title: "Results on MNIST", dataset: mnist, paper: table4}
figures:
  F3: {title: "A curve", kind: curve, dataset: mnist, metric: aolr}
  F5: {title: "Samples", kind: samples, dataset: mnist, configs: [mnist-cmi-g030]}
  F6: {title: "Voices", kind: voices, dataset: timit, configs: [timit-beta-g040, timit-cmi-g040]}
style: {dpi: 60}
"""
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
METRICS = {"mnist": synthetic_study.make_metrics, "timit": synthetic_speech.make_metrics}
BASELINES = {"mnist": synthetic_study.make_baselines, "timit": synthetic_speech.make_baselines}


def build(folder: Path, text: str = TEXT, without: tuple[str, ...] = ()) -> Study:
    """Write params and every artefact but those whose folder begins with one of ``without``."""
    write_text(folder / "params.yaml", text)
    study = Study(load_params(folder / "params.yaml"))
    for artefact in study.artefacts.values():
        if not artefact.folder.startswith(without) or not without:
            make(folder, study, artefact)
    return study


def make(folder: Path, study: Study, artefact: Artefact) -> None:
    """One artefact and its record."""
    target = folder / artefact.folder
    run = artefact.run
    failed = run is not None and (run.key, run.seed) == FAILED
    context = Context(folder, study, artefact, target)
    if artefact.stage == "tables":
        tables.make(context)
    elif artefact.stage == "report":
        report.make(context)
    elif artefact.stage == "figures":
        _figures(context)
    elif artefact.stage == "train":
        write_bytes(target / "model.safetensors", artefact.spec.encode())
        write_text(target / "curve.jsonl", "".join(json.dumps(each) + "\n" for each in _curve(run.seed, failed)))
    elif artefact.stage == "evaluate" and not failed:
        write_json(
            target / "metrics.json", METRICS[run.config.dataset](run.config.objective, run.config.gamma, run.seed)
        )
    elif artefact.stage == "baseline":
        write_json(target / "metrics.json", BASELINES[artefact.dataset]()[artefact.dataset].metrics)
    else:
        write_text(target / "content.txt", artefact.spec)
    segment = {"start": "2026-01-02T03:04:05Z", "stop": "2026-01-02T04:04:05Z", "wall_s": 3600.0, "cpu_s": 3500.0,
               "peak_mb": 800.0}  # fmt: skip
    inputs = [read_record(folder, name) for name in artefact.inputs]
    more = {"segments": [segment]} | ({"selected": {"epoch": 20}} if artefact.stage == "train" else {})
    status = "failed" if failed and artefact.stage in ("train", "embed", "evaluate") else "complete"
    write_record(target, study.params.label, artefact, inputs, status=status, **more)


def _curve(seed: int, failed: bool) -> list[dict]:
    return [
        {"kind": "valid", "epoch": epoch, "step": epoch, "elbo": -60.0 - 900.0 / epoch - seed, "kl_z": 20.0 + seed,
         "logit_estimator": 2.0 - 1.0 / epoch}
        for epoch in range(1, 8 if failed else 21)
    ]  # fmt: skip


def _figures(context: Context) -> None:
    """Pictures of one dot; points as the real stage writes them, of one cell each; sounds of a tenth of a second."""
    params, folder = context.params, context.folder
    cells = tables.views(params, _cells(context))
    for name, figure in params.figures.items():
        if figure.kind == "voices":
            for key in figure.configs:
                for seed in params.seeds:
                    _voices(folder / name / f"{key}-s{seed}", f"{key}-s{seed}")
            continue
        write_bytes(folder / f"{name}.png", DOT)
        own = (view for view in cells if params.tables[view.name].dataset == figure.dataset)
        table = next(view for view in own if view.name == (figure.table or view.name))
        across = {"beta": "beta"} if figure.x == "beta" else {"kl_z": "kl_z"}
        rows = [
            {"source": "ours", "objective": row.objective, "gamma": row.gamma,
             **{x: row.cells["kl_z"].value if x == "kl_z" else 1 - row.gamma for x in across},
             "metric": figure.metric, "value": row.cells[figure.metric].value}
            for row in table.rows
            if figure.kind == "curve" and row.gamma is not None and row.cells[figure.metric].value is not None
        ]  # fmt: skip
        write_text(folder / f"{name}.csv", _csv(rows))


def _cells(context: Context):
    from cmivae.results.cells import from_jsonl

    return from_jsonl((context.workspace / "results/tables/cells.jsonl").read_text())


def _voices(folder: Path, run: str) -> None:
    rows = []
    for number, (source, target) in enumerate((("mabc0", "fdef0"), ("fghi0", "mjkl0"), ("mmno0", "fpqr0")), 1):
        for kind in ("source", "target", "converted", "reconstruction"):
            name = f"pair{number}-{kind}.wav"
            write_bytes(folder / name, _wav(200 + 50 * number))
            rows.append({"run": run, "pair": number, "kind": kind, "file": name, "source": source, "source_sex": "M",
                         "source_utterance": f"{source}/sx1", "target": target, "target_sex": "F",
                         "target_utterance": f"{target}/sx2", "seconds": 0.1, "rms_db": -20.5})  # fmt: skip
    write_bytes(folder / "sheet.png", DOT)
    write_text(folder / "sheet.csv", _csv(rows))


def _wav(pitch: float) -> bytes:
    samples = (round(9000 * math.sin(2 * math.pi * pitch * i / 16000)) for i in range(1600))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"".join(value.to_bytes(2, "little", signed=True) for value in samples))
    return buffer.getvalue()


def _csv(rows: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["source"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
