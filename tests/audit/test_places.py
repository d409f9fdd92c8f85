"""No path of this machine goes into what leaves it: not from params, dvc.lock or the records of fetched data."""

import shutil
from pathlib import Path

import pytest
import yaml
from built import SPEECH, TEXT, copy

from cmivae.audit.book import Book
from cmivae.audit.export import export
from cmivae.audit.places import forget_places, refuse_places
from cmivae.errors import UserError
from cmivae.provenance.io import read_json
from cmivae.provenance.ledger import read_record, seal
from cmivae.provenance.specs import Study
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

PLACE = "/some where/else/my corpus"


@pytest.mark.parametrize(
    ("spelled", "left"),
    [(f"'{PLACE}'", "outside/my corpus"), ("~/corpora/TIMIT", "outside/TIMIT"), ("../beside", "../beside")],
)
def test_an_archive_does_not_say_where_data_lay(spelled, left, space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    text = TEXT.replace("data: {n_train", f"data: {{source: {spelled}, n_train")
    (fake / "params.yaml").write_text(text)
    (fake / "dvc.lock").write_text(f"stages:\n  a:\n    params:\n      params.yaml:\n        source: {spelled}\n")
    export(Book(fake), str(tmp_path / "there"))
    assert load_params(tmp_path / "there/params.yaml").datasets["digits"].data.source == left
    lock = yaml.safe_load((tmp_path / "there/dvc.lock").read_text())
    assert lock["stages"]["a"]["params"]["params.yaml"]["source"] == left
    for path in (tmp_path / "there").rglob("*"):
        assert not path.is_file() or b"some where" not in path.read_bytes()


@pytest.fixture
def fetched(speech, tmp_path):
    """A workspace whose speech was indexed where it lies, and the record of that."""
    corpus, folder = tmp_path / "corpus", tmp_path / "space"
    shutil.copytree(speech / "data/raw/voices/TIMIT", corpus)
    folder.mkdir()
    synth = next(line for line in SPEECH.splitlines() if line.strip().startswith("synth:"))
    (folder / "params.yaml").write_text(SPEECH.replace("reader: synth", "reader: timit").replace(synth + "\n", ""))
    study = Study(load_params(folder / "params.yaml"))
    build(folder, study, study["data/raw/voices"], source=str(corpus))
    return folder, str(corpus)


def test_the_record_of_fetched_data_is_sealed_anew(fetched, tmp_path):
    space, corpus = fetched
    assert read_record(space, "data/raw/voices").values["source"] == corpus
    archive = copy(space, tmp_path / "archive")
    with pytest.raises(UserError, match="a path of this machine") as error:
        refuse_places(Book(space), archive)
    assert error.value.where == "data/raw/voices/run.json"
    assert forget_places(Book(space), archive) == {"data/raw/voices/run.json": "outside/corpus"}
    refuse_places(Book(space), archive)
    before, after = (read_json(Path(top) / "data/raw/voices/run.json") for top in (space, archive))
    assert after["seal"] == seal(after) != before["seal"]
    assert {key for key in before if before[key] != after[key]} == {"source", "seal"}


def test_a_path_in_a_note_is_refused(space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    (fake / "dvc.yaml").write_text(f"# {fake}\n")
    with pytest.raises(UserError, match="a path of this machine would go into the archive") as error:
        export(Book(fake), str(tmp_path / "there"))
    assert error.value.where == "dvc.yaml"
    assert not (tmp_path / "there").exists()
