"""The RO-Crate of an archive: every run and number is in it, and the public validator, where at hand, accepts it."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml
from built import copy

from cmivae.audit import export as module
from cmivae.audit.book import Book
from cmivae.cli import main
from cmivae.errors import UserError

pytest.importorskip("rocrate", reason="ro-crate-py is an extra: pip install cmivae[rocrate]")
VALIDATOR = os.environ.get("ROC_VALIDATOR", "")  # a Python that has roc-validator and rocraters
METADATA = "ro-crate-metadata.json"
WHO = "Jane Doe, 0000-0002-1825-0097"


def crate_of(space, folder, by=None):
    """A crate of a built workspace, and its entities by id."""
    fake = copy(space, folder / "with rules")
    (fake / "Snakefile").write_text("# rules\n")
    module.export(Book(fake), str(folder / "crate"), ro_crate=True, by=by)
    return folder / "crate", graph_of(folder / "crate")


def graph_of(crate):
    return {entity["@id"]: entity for entity in json.loads((crate / METADATA).read_text())["@graph"]}


@pytest.fixture(scope="module")
def images(space, tmp_path_factory):
    return crate_of(space, tmp_path_factory.mktemp("images"), WHO)


@pytest.fixture(scope="module")
def sounds(speech, tmp_path_factory):
    return crate_of(speech, tmp_path_factory.mktemp("sounds"))


def of_type(graph, kind):
    return [entity for entity in graph.values() if kind in (entity["@type"], *entity["@type"])]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_every_run_and_number_is_described(images, space):
    crate, graph = images
    book = Book(space)
    actions = of_type(graph, "CreateAction")
    assert len(actions) == len(book.study.artefacts) + 1
    assert {entity["@id"] for entity in listed(graph["./"]["mentions"])} == {action["@id"] for action in actions}
    assert len(of_type(graph, "PropertyValue")) == sum(cell.value is not None for cell in book.cells())
    files = {str(path.relative_to(crate)) for path in crate.rglob("*") if path.is_file()}
    assert {entity["@id"] for entity in of_type(graph, "File")} == files - {METADATA, "SHA256SUMS"}
    assert subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=crate, check=False).returncode == 0


def test_actions_name_tool_files_time_and_person(images):
    _, graph = images
    (train,) = [
        each for each in of_type(graph, "CreateAction") if each["name"] == "train runs/train/digits-cmi-g030/s0"
    ]
    tool = graph[train["instrument"]["@id"]]
    assert tool["url"]["@id"] == "src/cmivae/stages/image/train.py"
    assert train["object"]["@id"] == "data/prepared/digits/run.json"
    assert train["result"]["@id"] == "runs/train/digits-cmi-g030/s0/run.json"  # weights are left out
    assert train["actionStatus"] == "http://schema.org/CompletedActionStatus"
    assert train["endTime"].endswith("+00:00")
    assert train["agent"]["@id"] == graph["./"]["author"]["@id"] == "https://orcid.org/0000-0002-1825-0097"
    assert graph[train["agent"]["@id"]]["name"] == "Jane Doe"


def test_the_workflow_has_a_step_and_a_tool_for_each_stage(images, sounds):
    for _, graph in (images, sounds):
        workflow = graph["Snakefile"]
        tools = {entity["@id"] for entity in workflow["hasPart"]}
        assert tools == {entity["@id"] for entity in of_type(graph, "SoftwareApplication")}
        steps = [graph[entity["@id"]] for entity in workflow["step"]]
        assert {step["workExample"]["@id"] for step in steps} == tools
        assert min(steps, key=lambda step: int(step["position"]))["name"] == "rule fetch"
        assert all(action["instrument"]["@id"] in tools | {"Snakefile"} for action in of_type(graph, "CreateAction"))


def test_without_a_name_nobody_is_named(sounds):
    _, graph = sounds
    assert not any("agent" in action for action in of_type(graph, "CreateAction"))
    assert graph[graph["./"]["author"]["@id"]]["name"] == "the cmivae authors"


@pytest.mark.parametrize("who", ["Jane Doe, 12", ", 0000-0002-1825-0097", "Jane Doe, Somewhere", ""])
def test_a_name_that_cannot_be_read_is_refused(who, space, tmp_path):
    with pytest.raises(UserError, match="is not NAME or NAME, ORCID"):
        crate_of(space, tmp_path, who)
    assert not (tmp_path / "crate").exists()


@pytest.mark.parametrize("text", ["authors: [", "- a list"])
def test_a_citation_that_cannot_be_read_is_named(text, space, tmp_path, monkeypatch):
    (tmp_path / "CITATION.cff").write_text(text)
    monkeypatch.setattr(module, "REPOSITORY", tmp_path)
    with pytest.raises(UserError) as error:
        crate_of(space, tmp_path)
    assert error.value.where == "CITATION.cff"


def test_a_name_without_a_crate_is_a_mistake(space, tmp_path, capsys):
    assert main(["-C", str(space), "export", str(tmp_path / "x"), "--by", "Jane Doe"]) == 2
    assert "add --ro-crate" in capsys.readouterr().err


def test_a_run_that_failed_is_said_to_have_failed(space, tmp_path):
    from cmivae.audit.crate_run import FAILED, _action
    from cmivae.provenance.ledger import Record

    class Crate:
        def add(self, entity):
            return entity.properties()

    record = Book(space).record("runs/train/digits-cmi-g030/s0")
    broken = Record(record.values | {"status": "failed", "failure": {"what": "NaN"}}, record.path)
    made = _action(Crate(), broken, {}, {"@id": "#tool"})
    assert (made["actionStatus"], "NaN" in made["error"]) == (FAILED, True)


# --- the public validator, where there is one -------------------------------------------------------------------------


@pytest.fixture
def validate():
    if not VALIDATOR:
        pytest.skip("set ROC_VALIDATOR to a Python that has roc-validator and rocraters: see docs/audit.md")

    def ask(*crates):
        script = Path(__file__).with_name("validate_crate.py")
        return subprocess.run([VALIDATOR, script, *crates], capture_output=True, text=True, check=False)

    return ask


def test_the_public_validator_accepts_crates_of_images_and_of_speech(images, sounds, validate):
    done = validate(images[0], sounds[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("85 REQUIRED checks of 5 profiles: all passed") == 2
    assert done.stdout.count("  recommended ") == 4 + 3, done.stdout  # docs/audit.md lists them


def test_all_that_is_recommended_is_there_once_the_citation_is_filled_in(space, tmp_path, monkeypatch, validate):
    fake = tmp_path / "repository"
    fake.mkdir()
    for name in module.OF_CODE:
        (fake / name).write_bytes((module.REPOSITORY / name).read_bytes())
    citation = yaml.safe_load((fake / "CITATION.cff").read_text())
    citation["authors"] = [{"name": "A Group", "website": "https://example.org/group"}]
    citation["repository-code"] = "https://example.org/group/cmivae"
    (fake / "CITATION.cff").write_text(yaml.safe_dump(citation))
    monkeypatch.setattr(module, "REPOSITORY", fake)
    crate, graph = crate_of(space, tmp_path, "A Group")
    assert graph["./"]["publisher"]["@id"] == "https://example.org/group"
    done = validate(crate)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("  ")]
    assert len(told) == 1, told
    assert "(2) process-run-crate-0.5_5.1" in told[0]  # the Snakefile, a file of the crate, as two types of software


def test_the_public_validator_refuses_a_crate_without_its_workflow_s_tools(images, tmp_path, validate):
    values = json.loads((images[0] / METADATA).read_text())
    for entity in values["@graph"]:
        if entity["@id"] == "Snakefile":
            del entity["hasPart"]
    for path in images[0].rglob("*"):
        if path.is_file():
            there = tmp_path / path.relative_to(images[0])
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(path.read_bytes())
    (tmp_path / METADATA).write_text(json.dumps(values))
    done = validate(tmp_path)
    assert done.returncode == 1
    assert "REQUIRED checks of 5 profiles: 1 FAILED" in done.stdout
