"""Each command of the audit on a small built workspace: what it says, as JSON too, and how it refuses."""

import dataclasses
import json
import os
import re
import resource
import subprocess
import sys

import pytest
import tiny
import yaml
from built import CELL, TEXT, copy

from cmivae.audit import live, render, verdict
from cmivae.audit.address import parse, shell_safe
from cmivae.audit.book import Book
from cmivae.cli import main
from cmivae.errors import UserError
from cmivae.provenance.io import canonical
from cmivae.provenance.ledger import write_record
from cmivae.provenance.specs import Study
from cmivae.study.checks import config_key
from cmivae.study.loading import load_params
from cmivae.study.params import Config

RUN = "digits-cmi-g030/s0"


@pytest.fixture
def say(space, capsys):
    """Run a command in a workspace; returns its standard output."""

    def call(*arguments, at=space, code=0):
        assert main(["-C", str(at), *arguments]) == code
        out, error = capsys.readouterr()
        assert "Traceback" not in error
        return out if code == 0 else out + error

    return call


@pytest.fixture
def other(space, tmp_path):
    return copy(space, tmp_path / "other")


def edit(folder, old, new):
    text = (folder / "params.yaml").read_text()
    assert old in text
    (folder / "params.yaml").write_text(text.replace(old, new))


# --- addresses -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "means"),
    [("T4[cmi,0.3].aolr", "T4[cmi,0.3].aolr"), ("t4.cmi.g0.30.aolr", "T4[cmi,0.3].aolr"),
     ("t4[cmi, .3]", "T4[cmi,0.3]"), ("t4.cmi.g0.3", "T4[cmi,0.3]"),
     ("T4.vanilla.g0.mcas.se", "T4[vanilla,0.0].mcas.se"),
     ("t4.real100.mcas.sd", "T4[real100].mcas.sd"), ("f3a.beta.g0.0001", "F3a[beta,0.0001]"),
     ("T4[fhvae].eer_z", "T4[fhvae].eer_z")],
)  # fmt: skip
def test_both_spellings_of_an_address(text, means):
    address = parse(text, ["T4", "F3a"])
    assert str(address) == means
    assert str(parse(shell_safe(means), ["T4", "F3a"])) == means
    assert re.fullmatch(r"[a-z0-9._-]+", shell_safe(means))


@pytest.mark.parametrize(
    ("text", "says"),
    [("nonsense", "is not an address"), ("T9[cmi,0.3]", "no table or figure 'T9'"), ("claim:C2", "audit claim:C2"),
     ("", "is not an address"), ("T4[]", "is not an address"), ("T4[a]b", "is not an address")],
)  # fmt: skip
def test_what_is_no_address(text, says):
    with pytest.raises(UserError) as caught:
        parse(text, ["T4"])
    assert says in str(caught.value)


# --- audit -----------------------------------------------------------------------------------------------------------


def test_audit_of_a_cell_says_what_made_it(say, space):
    found = json.loads(say("audit", CELL, "--json"))
    assert found["shell_safe"] == "x4.cmi.g0.3.aolr"
    assert [run["seed"] for run in found["runs"]] == [0, 1]
    assert found["value"] == pytest.approx(sum(run["value"] for run in found["runs"]) / 2)
    assert found["params"]["train.lr"] == 0.003
    assert found["params_differ_over_seeds"] == []
    assert {each["key"] for each in found["neighbour"]["differs"]} == {"gamma", "objective"}
    assert [each["folder"] for each in found["data"]] == ["data/prepared/digits", "data/raw/digits"]
    assert found["stale"] == {}
    assert {each["why"] for each in found["dvc"]} == {"there is no dvc.lock here"}
    text = say("audit", "x4.cmi.g0.3.aolr")
    for word in ("verdict", "seed  run", "epoch 1", "train.lr 0.003", "deterministic on", "sha256", "rebuild", "prove"):
        assert word in text
    assert max(map(len, text.splitlines())) < 160


def test_audit_of_each_cell_row_and_point(say, space):
    book = Book(space)
    for cell in book.cells():
        assert json.loads(say("audit", cell.address, "--json"))["value"] == cell.value
    for row in ("X4[cmi,0.3]", "X4[vanilla,0.0]", "X4[real20]", "X3[cmi,0.3]", "X3[real20]", "X5[cmi,0.3]"):
        assert say("audit", row).startswith(row)
        assert json.loads(say("audit", row, "--json"))["runs"]
    assert "kl_z 0." in say("audit", "X3[cmi,0.3]")
    assert "IS NOT" not in say("audit", "X3[cmi,0.3]")


def test_audit_of_a_part(say):
    assert say("audit", f"{CELL}.se").startswith(f"{CELL}.se = ")
    assert json.loads(say("audit", f"{CELL}.n", "--json"))["asked"] == 2


@pytest.mark.parametrize(
    ("address", "says"),
    [("X4[cmi,0.4]", "known: X4[vanilla,0.0], X4[cmi,0.3]"), ("X4[cmi,0.3].foo", "known: nelbo"),
     ("X3[cmi,0.9]", "it draws: vanilla,0.0"), ("X5[vanilla,0]", "it shows: digits-cmi-g030"),
     ("claim:C9", "known: C1, C2")],
)  # fmt: skip
def test_audit_says_what_there_is(address, says, say):
    assert says in say("audit", address, code=2)


def test_audit_sees_what_changed_since(other, say):
    edit(other, "lr: 0.003", "lr: 0.004")
    text = say("audit", CELL, at=other)
    assert "STALE      runs/train/digits-cmi-g030/s0: made with train.lr 0.003, params say 0.004" in text
    assert "train.lr 0.003" in text  # what made it, not what params say now


def test_audit_without_cells_or_runs_refuses(other, say):
    (other / "runs/evaluate" / RUN / "run.json").unlink()
    assert "has no record" in say("audit", CELL, at=other, code=2)
    (other / "results/tables/cells.jsonl").unlink()
    assert "there are no cells yet" in say("audit", CELL, at=other, code=2)


def big_study(folder):
    """189 runs of made-up files and true records, and their cells."""
    values = yaml.safe_load((tiny.REPOSITORY / "params.yaml").read_text())
    values["label"] = "other"
    for config in [each for each in values["configs"].values() if each["gamma"]][:13]:
        more = config | {"gamma": round(config["gamma"] + 0.05, 2)}
        values["configs"][config_key(Config(**more))] = more
    folder.mkdir()
    (folder / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return Study(load_params(folder / "params.yaml"))


HALF = {"mean": 0.5, "accuracy": 0.5, "converged": True, "per_subset": [0.4, 0.6]}
METRICS = {"elbo": -1.0, "kl_z": 1.0, "recon": 1.0, "i_zs": {}} | dict.fromkeys(
    ("mcas", "aolr", "mcas_svm", "aosvm", "lr100", "svm100", "lr1000", "svm1000"), HALF
)


def test_audit_of_a_cell_of_a_large_study_takes_less_than_a_second(tmp_path):
    from cmivae.stages.runner import build

    study = big_study(tmp_path / "big")
    for artefact in study.artefacts.values():
        folder = tmp_path / "big" / artefact.folder
        if artefact.stage == "tables":
            build(tmp_path / "big", study, artefact)
        else:
            folder.mkdir(parents=True)
            (folder / "metrics.json").write_text(json.dumps(METRICS))
            inputs = [Book(tmp_path / "big").record(name) for name in artefact.inputs]
            write_record(folder, "other", artefact, inputs, segments=[{"start": "x", "stop": "y"}])
    assert len(study.of_stage("train")) >= 189
    command = [
        sys.executable,
        "-X",
        "importtime",
        "-m",
        "cmivae",
        "-C",
        str(tmp_path / "big"),
        "audit",
        "t4.cmi.g0.3.aolr",
    ]
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert "T4[cmi,0.3].aolr = 0.5" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert imported & {"torch", "sklearn", "matplotlib", "dvc", "snakemake"} == set()
    print("audit of one cell among", len(study.of_stage("train")), "runs:", taken)
    assert min(taken) < 1.5  # seconds of the processor, since the machine may be busy


# --- why, diff, plan, status, doctor ----------------------------------------------------------------------------------


def test_why_names_the_cause_and_what_must_be_made_again(other, say):
    assert "current" in say("why", RUN, at=other)
    edit(other, "c: 1.0", "c: 2.0")
    text = say("why", RUN, at=other)
    assert "param   c: made with 1.0, params.yaml says 2.0" in text
    assert "to make again: evaluate; and below: tables, figures, report" in text
    assert "stays as it is: raw, prepared, train, embed" in text
    assert "STALE runs/evaluate/digits-cmi-g030/s0" in say("why", f"runs/evaluate/{RUN}", at=other)
    assert "digits-vanilla" not in say("why", CELL, at=other)
    assert "no run, folder or number 'qqq'" in say("why", "qqq", at=other, code=2)


def test_why_names_changed_code(other, say, monkeypatch):
    from cmivae.provenance import code

    real = code.module_digest
    monkeypatch.setattr(code, "module_digest", lambda name: "0" if name == "cmivae.evaluation.mcas" else real(name))
    assert "code    src/cmivae/evaluation/mcas.py changed since it was made" in say("why", RUN, at=other)


def test_diff_of_cells_and_of_runs(say):
    found = json.loads(say("diff", CELL, "x4.vanilla.g0.aolr", "--json"))
    assert {each["key"] for each in found["differs"]} == {"gamma", "objective"}
    assert found["test"]["n"] == 2
    mean = sum(each["a"] - each["b"] for each in found["seeds"]) / 2
    assert found["test"]["difference"] == pytest.approx(mean)
    text = say("diff", "digits-cmi-g030/s0", "digits-cmi-g030/s1")
    assert "/aolr/accuracy" in text
    assert "differs    in no parameter" in text
    assert "seed       0 -> 1" in text
    assert "is a row" in say("diff", "X4[cmi,0.3]", CELL, code=2)
    assert "cannot be compared" in say("diff", CELL, RUN, code=2)


def test_diff_of_nelbo_has_the_sign_of_the_table(say, space):
    found = json.loads(say("diff", "X4[cmi,0.3].nelbo", "X4[vanilla,0.0].nelbo", "--json"))
    cell = Book(space).cells("X4[cmi,0.3].nelbo")[0]
    assert sum(each["a"] for each in found["seeds"]) / 2 == pytest.approx(cell.value)


def test_plan_counts_and_estimates(other, say):
    edit(other, "seeds: [0, 1]", "seeds: [0, 1, 2]")
    found = json.loads(say("plan", "--json", at=other))
    assert (found["runs"], found["trained"]) == (6, 4)
    (train,) = (row for row in found["stages"] if row["stage"] == "train")
    assert (train["done"], train["to_do"]) == (4, 2)
    assert train["hours"] == pytest.approx(train["rate_s"] * 2 / 3600)
    assert found["disk_bytes"] > 0
    assert found["disk_unknown"] == []
    text = say("plan", at=other)
    assert "GB more, " in text
    assert "6 runs, 4 trained" in text


def test_plan_without_a_measured_rate_says_so(tmp_path, say):
    (tmp_path / "params.yaml").write_text(TEXT)
    text = say("plan", at=tmp_path)
    assert "no rate yet for" in text
    assert "disk       unknown, since nothing has been made here yet; " in text
    assert "GB more" not in text
    assert "train digits" in text


def test_status_shows_what_runs_and_what_was_interrupted(other, say):
    from cmivae.stages.runner import lock

    assert "running    none" in say("status", at=other)
    edit(other, "lr: 0.003", "lr: 0.004")
    study = Study(load_params(other / "params.yaml"))
    artefact = study[f"runs/train/{RUN}"]
    scratch = other / ".cmivae/scratch/train" / RUN / artefact.spec[:16]
    scratch.mkdir(parents=True)
    (scratch / "curve.jsonl").write_text('{"kind": "valid", "epoch": 1, "step": 4, "loss": 2.5}\n{"kind": "tra')
    found = json.loads(say("status", "--json", at=other))
    assert found["jobs"] == []
    assert (found["interrupted"][0]["epoch"], found["interrupted"][0]["value"]) == (1, 2.5)
    with lock(other, artefact.folder):
        found = json.loads(say("status", "--json", at=other))
        if live._held_locks():
            assert [(job["artefact"], job["pid"]) for job in found["jobs"]] == [(artefact.folder, os.getpid())]
        text = say("status", at=other)
    assert "1/1" in text
    assert (scratch / "curve.jsonl").is_file()  # and asking took nothing away


def test_doctor_names_what_is_missing(say, tmp_path, other):
    text = say("doctor", at=other)
    assert "ok       data digits" in text
    (tmp_path / "empty").mkdir()
    assert "there is no params.yaml here" in say("doctor", at=tmp_path / "empty", code=2)
    edit(other, "reader: digits\n    data: {", "reader: mnist\n    data: {source: nowhere, ")
    text = say("doctor", at=other, code=2)
    assert "MISSING  data digits" in text


def test_verify_fails_with_exit_code_two_and_says_the_fix(other, say):
    path = other / "runs/embed" / RUN / "latents.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0\0")
    text = say("verify", "--level", "1", at=other, code=2)
    for word in ("FAILED at L1: runs/embed/digits-cmi-g030/s0/latents.safetensors", "poisons", "X4[cmi,0.3]", "fix"):
        assert word in text
    assert json.loads(say("verify", CELL, "--json", at=other, code=2).partition("\ncmivae: ")[0])["verified"] is False
    assert "All holds." in say("verify", "x4.vanilla.g0.aolr", at=other)
    assert "exclude" in say("verify", CELL, "--all", at=other, code=2)


# --- verdicts ---------------------------------------------------------------------------------------------------------


def test_the_paired_test_is_scipys():
    from scipy import stats

    ours, theirs = [0.5, 0.7, 0.65, 0.9], [0.4, 0.65, 0.7, 0.6]
    found, known = verdict.paired(ours, theirs), stats.ttest_rel(ours, theirs)
    assert found["p"] == pytest.approx(known.pvalue)
    assert found["interval"] == pytest.approx(list(known.confidence_interval()), rel=1e-6)
    assert verdict.paired([0.5], [0.4])["p"] is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [({"paper": 0.5, "se": 0.001}, "consistent: difference +0 (95 % CI"),
     ({"paper": 0.9}, "differs: difference -0.4 ("),
     ({"paper": 0.5, "se": 0.1}, "not resolvable at this n: difference +0 (95 % CI"),
     ({"paper": None}, "not printed: "),
     ({"paper": 0.5, "label": "demo"}, "synthetic or reduced: difference +0; the demo workspace"),
     ({"paper": 0.5, "value": None, "missing": (0,)}, "not run: no value of ours: missing"),
     ({"paper": 0.5, "n": 1, "se": None}, "not resolvable at this n: difference +0; one seed"),
     ({"paper": 0.5, "aggregate": "quoted"}, "quoted: quoted by the paper")],
)  # fmt: skip
def test_verdict_against_the_paper(changes, says, space):
    cell = Book(space).cells(CELL)[0]
    cell = dataclasses.replace(cell, **({"label": "paper", "value": 0.5, "se": 0.02, "n": 3} | changes))
    assert render._verdict(verdict.against_paper(cell, "table4")).startswith(says)


def test_a_quoted_row_has_no_runs_and_says_so(space, tmp_path, capsys):
    fake = copy(space, tmp_path / "fake")
    path = fake / "results/tables/cells.jsonl"
    cell = json.loads(path.read_text().splitlines()[0])
    cell |= {"address": "X4[fhvae].eer_z", "objective": "fhvae", "gamma": None, "column": "eer_z", "value": None,
             "se": None, "n": 0, "expected": 0, "aggregate": "quoted", "runs": [], "paper": 0.034}  # fmt: skip
    with path.open("a") as file:
        file.write(canonical(cell) + "\n")
    assert main(["-C", str(fake), "audit", "x4.fhvae.eer_z"]) == 0
    out = capsys.readouterr().out
    assert "quoted by the paper" in out
    assert "none: this number is not made of runs" in out
    assert "paper 0.034" in out
