"""Teeth: random damage to a built workspace is found, with the right file named; an undamaged one never alarms."""

import json
import random
import shutil

import pytest
import tiny
from built import CELL, artefact_files, copy, overwrite, verified

from cmivae.audit.book import Book
from cmivae.provenance.io import digest, sha256_file, write_json
from cmivae.provenance.ledger import read_record, seal, state
from cmivae.provenance.specs import Study
from cmivae.study.loading import load_params

EMBEDDED, METRICS = "runs/embed/digits-cmi-g030/s0", "runs/evaluate/digits-cmi-g030/s0"


@pytest.fixture(scope="module")
def victim(space, tmp_path_factory):
    """A copy to be damaged and mended again."""
    return copy(space, tmp_path_factory.mktemp("victim") / "space")


@pytest.fixture(scope="module")
def study(space):
    return Study(load_params(space / "params.yaml"))


def flip(content: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]


def digit(content: bytes, rng: random.Random) -> bytes:
    """Another digit somewhere, as a person would edit a number; a flipped bit where there is none."""
    places = [i for i, byte in enumerate(content) if byte in b"0123456789"]
    if not places:
        return flip(content, rng)
    at = rng.choice(places)
    return content[:at] + str((int(chr(content[at])) + rng.randrange(1, 10)) % 10).encode() + content[at + 1 :]


def swap(content: bytes, rng: random.Random) -> bytes:
    """Two different bytes change places: size and byte counts stay."""
    at = rng.randrange(len(content) - 1)
    other = next((i for i in range(at + 1, len(content)) if content[i] != content[at]), None)
    if other is None:
        return flip(content, rng)
    found = bytearray(content)
    found[at], found[other] = found[other], found[at]
    return bytes(found)


def cut(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content))]


def more(content: bytes, rng: random.Random) -> bytes:
    return content + rng.choice([b" ", b"\n", b"\0", b"{}"])


def lose(content: bytes, rng: random.Random) -> None:
    return None


DAMAGE = (flip, digit, swap, cut, more, lose)


def tamper(path, rng) -> str:
    """Damage one file; time and mode stay."""
    act = rng.choice(DAMAGE)
    content = act(path.read_bytes(), rng)
    if content is None:
        path.unlink()
    else:
        overwrite(path, content)
    return act.__name__


def tampered(victim, study, count: int) -> set[tuple[str, str]]:
    """Damage one file after the other, of each stage alike, and verify; returns the kinds of files that were hit."""
    groups: dict[str, list] = {}
    for path in artefact_files(victim):
        groups.setdefault("/".join(path.relative_to(victim).parts[:2]), []).append(path)
    rng, hit, missed = random.Random(count), {}, []
    for number in range(count):
        path = rng.choice(groups[rng.choice(sorted(groups))])
        before, times = path.read_bytes(), path.stat()
        act = tamper(path, rng)
        report = verified(victim, "L2", study=study)
        name = str(path.relative_to(victim))
        hit.setdefault((name.split("/")[1], path.name), set()).add(act)
        if not report.findings or report.bad != {name}:
            missed.append((number, act, name, sorted(report.bad)))
        path.write_bytes(before)
        overwrite(path, before)
        path.chmod(times.st_mode)
    assert missed == []
    assert {stage for stage, _ in hit} == {group.partition("/")[2] for group in groups}
    assert verified(victim, "L2").findings == []
    return set(hit)


@pytest.mark.parametrize("count", [250, pytest.param(500, marks=pytest.mark.slow)])
def test_every_random_tampering_is_found_and_the_file_is_named(count, victim, study):
    assert len(tampered(victim, study, count)) > 15


@pytest.mark.parametrize("count", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_every_random_tampering_of_speech_is_found(count, speech, tmp_path):
    study = Study(load_params(speech / "params.yaml"))
    assert len(tampered(copy(speech, tmp_path / "space"), study, count)) > 8


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_every_random_tampering_of_the_demo_is_found(tmp_path):
    demo = tiny.REPOSITORY / "demo"
    study = Study(load_params(demo / "params.yaml"))
    for artefact in study.artefacts.values():
        if reason := state(demo, artefact):
            pytest.skip(f"run make demo first: {artefact.folder} of demo/ is not current ({reason})")
    victim = tmp_path / "demo"
    for name in ("data", "runs", "results"):
        shutil.copytree(demo / name, victim / name)
    shutil.copy(demo / "params.yaml", victim)
    assert len(tampered(victim, study, 500)) > 20


@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.slow)])
def test_no_false_alarm_over_clean_verifications(count, space, study):
    alarms = [report.findings for _ in range(count) if (report := verified(space, study=study)).findings]
    assert alarms == []


def test_same_results_when_all_is_computed_again(space):
    report = verified(space, "L5")
    assert report.findings == []
    assert {done.level: done.count > 0 for done in report.done} == dict.fromkeys(
        ("L0", "L1", "L2", "L3", "L4", "L5"), True
    )
    assert all("exact" in done.tolerance for done in report.done if done.level > "L0")
    assert not (space / ".cmivae/scratch").exists() or not any((space / ".cmivae/scratch").rglob("*.pt"))


def forge(space, folder, name, content) -> None:
    """What a careful forger does: file, record and seal agree with each other, and so does all below."""
    (space / folder / name).write_bytes(content)
    path = space / folder / "run.json"
    values = json.loads(path.read_text())
    values["files"][name] = {"size": len(content), "sha256": sha256_file(space / folder / name)}
    _seal(path, values)
    study = Study(load_params(space / "params.yaml"))
    for artefact in study.artefacts.values():
        below = space / artefact.folder / "run.json"
        values = json.loads(below.read_text())
        for above in values["inputs"]:
            values["inputs"][above]["content"] = read_record(space, above).content
        _seal(below, values)


def _seal(path, values) -> None:
    values["content"] = digest(values["files"])
    write_json(path, values | {"seal": seal(values)})


def test_forged_metrics_pass_the_hashes_and_fail_the_digits_and_the_embeddings(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    metrics = json.loads((fake / METRICS / "metrics.json").read_text())
    metrics["aolr"]["accuracy"] += 0.1
    forge(fake, METRICS, "metrics.json", json.dumps(metrics, indent=1, sort_keys=True).encode() + b"\n")
    found = verified(fake, "L3").findings
    assert any(f.level == "L1" and f.path == "results/tables/cells.jsonl" for f in found)  # its cells are older
    assert any(
        f.level == "L3" and f.path == f"{METRICS}/metrics.json" and "/aolr/accuracy" in f.expected for f in found
    )


def test_forged_tables_fail_the_digits(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    text = (fake / "results/tables/X4.md").read_text()
    number = next(word for word in text.split() if word.startswith("0."))
    forge(fake, "results/tables", "X4.md", text.replace(number, "0.9999", 1).encode())
    (finding,) = verified(fake, "L2").findings
    assert (finding.level, finding.path) == ("L2", "results/tables/X4.md")
    assert "0.9999" in finding.found


def test_a_figure_that_draws_other_numbers_fails(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    text = (fake / "results/figures/X3.csv").read_text()
    drawn = text.splitlines()[1].split(",")[4]
    forge(fake, "results/figures", "X3.csv", text.replace(drawn, "9.5").encode())
    (finding,) = verified(fake, "L2").findings
    assert (finding.level, finding.path) == ("L2", "results/figures/X3.csv")
    assert "kl_z" in finding.expected


def test_a_damaged_embedding_is_named_with_the_numbers_that_it_poisons_and_the_fix(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    path = fake / EMBEDDED / "latents.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    overwrite(path, bytes(content))
    report = verified(fake, "L3")
    (finding,) = report.findings
    assert (finding.level, finding.path) == ("L1", f"{EMBEDDED}/latents.safetensors")
    assert "same size" in finding.found
    assert set(finding.poisons) == {"X4[cmi,0.3]", "X3", "X5"}
    assert "dvc pull" in finding.fix
    assert any("not made again" in note for done in report.done for note in done.notes)


def test_an_address_asks_only_for_what_it_is_made_of(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    shutil.rmtree(fake / "runs/embed/digits-vanilla")
    assert verified(fake, "L2", CELL).findings == []
    assert {f.level for f in verified(fake, "L2").findings} == {"L0"}
    assert {f.level for f in verified(fake, "L2", "x4.vanilla.g0.aolr").findings} == {"L0"}


def test_params_that_say_otherwise_are_told(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    text = (fake / "params.yaml").read_text()
    (fake / "params.yaml").write_text(text.replace("lr: 0.003", "lr: 0.004"))
    found = verified(fake, "L2").findings
    assert {f.path.split("/")[1] for f in found if f.level == "L0"} == {"train"}
    assert "made with train.lr 0.003, params say 0.004" in found[0].what


def test_lineage_walks_back_to_the_raw_data(space):
    closure = Book(space).closure(METRICS)
    assert closure == {METRICS, EMBEDDED, EMBEDDED.replace("embed", "train"), "data/prepared/digits", "data/raw/digits"}


def test_a_seal_cannot_be_taken_away_and_older_records_are_told(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    path = fake / METRICS / "run.json"
    values = json.loads(path.read_text())
    del values["seal"]
    write_json(path, values)
    (finding,) = verified(fake).findings
    assert "lost its seal" in finding.what
    for name in ("run", "cost"):
        del values[name]
    write_json(path, values)
    report = verified(fake)
    assert report.findings == []
    assert any("1 records are from before there were seals" in note for done in report.done for note in done.notes)
