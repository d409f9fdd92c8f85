"""The documentation's transcripts are what the commands say: made anew here and compared."""

import importlib.util
import shutil

import pytest
import tiny
from built import TEXT
from workspace import Workspace

DOCS = tiny.REPOSITORY / "docs"


@pytest.fixture
def make_audit():
    spec = importlib.util.spec_from_file_location("make_audit", DOCS / "make_audit.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def recorded(space, tmp_path):
    """The built study in a git repository, recorded in ``dvc.lock`` and committed."""
    made = Workspace.create(tmp_path / "space")
    (made.folder / "params.yaml").write_text(TEXT)
    for name in ("data", "runs", "results"):
        shutil.copytree(space / name, made.folder / name)
    made.run("cmivae", "record")
    made.commit("built")
    return made.folder


def test_transcripts_are_what_the_commands_say(make_audit, recorded):
    made, kept = make_audit.document(recorded), (DOCS / "audit.md").read_text()
    assert make_audit.masked(made) == make_audit.masked(kept), "python docs/make_audit.py WORKSPACE > docs/audit.md"


def test_ten_questions_have_a_command_each(make_audit):
    assert len(make_audit.QUESTIONS) == 10
    text = (DOCS / "audit.md").read_text()
    for question, command in make_audit.QUESTIONS:
        assert f"{question}**\n\n```\n$ cmivae {' '.join(command)}\n" in text
