"""What an edit of the code makes stale: meaning counts, comments do not, and only what a stage reaches."""

import shutil
from functools import cache

import pytest
import tiny

from cmivae.provenance import code, specs
from cmivae.provenance.code import FRAME, code_digests
from cmivae.provenance.specs import STAGES, Study
from cmivae.registry import MODELS, OBJECTIVES

MODULE = '''"""What it is."""

LIMIT = 3  # a limit


def f(x, y=None):
    """Add."""
    if x > LIMIT:
        return [x, y, "text", 1.0]
    return None


class A:
    """A class."""
'''
TRAIN = {"train", "embed", "evaluate", "tables", "figures"}


MEMO = {}


def by_content(function):
    """A cached function of a module that sees edits: remembered by the module's bytes instead of its name."""

    def call(module):
        key = function, code._path(module).read_bytes()
        if key not in MEMO:
            MEMO[key] = function.__wrapped__(module)
        return MEMO[key]

    return call


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A copy of the package that may be edited, seen by the digests in place of the real one."""
    copy = tmp_path / "cmivae"
    shutil.copytree(code.SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "SOURCE", copy)
    for module, name in ((code, "module_digest"), (code, "_imports"), (specs, "module_digest")):
        monkeypatch.setattr(module, name, by_content(getattr(module, name)))
    return copy


def add(path, text):
    with path.open("a") as file:
        file.write(text)


@cache
def unedited():
    return Study(tiny.params())


def digest_of(source, text):
    (source / "example.py").write_text(text)
    return code.module_digest("cmivae.example")


def changed(source, path, text):
    """Stages whose specs adding text to a file changes."""
    before = unedited().artefacts
    add(source / path, text)
    after = Study(tiny.params()).artefacts
    return {before[folder].stage for folder in before if before[folder].spec != after[folder].spec}


@pytest.mark.parametrize(
    ("old", "new"),
    [("# a limit", "# another word for it"), ("  # a limit", ""), ('"""Add."""', '"""Add two numbers."""'),
     ('    """Add."""\n', ""), ('"""What it is."""\n', ""), ('    """A class."""', '    """No class."""'),
     ("\n\n\n", "\n\n"), ("f(x, y=None)", "f(\n    x,\n    y=None,\n)"), ('"text"', "'text'"),
     ("x > LIMIT", "(x > LIMIT)"), ("    if x", "\n    # why\n    if x")],
)  # fmt: skip
def test_what_python_does_not_see_changes_nothing(old, new, source):
    assert old in MODULE
    assert digest_of(source, MODULE.replace(old, new)) == digest_of(source, MODULE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("LIMIT = 3", "LIMIT = 4"), ("LIMIT = 3", "LIMIT = 3.0"), ("LIMIT = 3", "LIMIT = -3"), ("1.0]", "1]"),
     ("1.0]", "True]"), ("x > LIMIT", "x >= LIMIT"), ("y=None", "y=0"), ("y=None", "y"), ("[x, y", "[y, x"),
     ('"text"', '"text "'), ('"text"', 'b"text"'), ("def f", "def g"), ("class A", "class A(dict)"),
     ("    return None\n", ""), ("f(x, y=None)", "f(x, *, y=None)")],
)  # fmt: skip
def test_what_python_sees_changes_the_digest(old, new, source):
    assert old in MODULE
    assert digest_of(source, MODULE.replace(old, new)) != digest_of(source, MODULE)


def test_text_that_is_no_docstring_counts(source):
    assert digest_of(source, 'X = """a"""\n') != digest_of(source, 'X = """b"""\n')


def test_training_reaches_what_it_uses_and_no_more():
    found = code_digests("cmivae.stages.train", MODELS["pixelcnn_vae"], OBJECTIVES["cmi"])
    wanted = {"stages.train", "models.pixelcnn_vae", "models.masked", "objectives.objectives",
              "objectives.density_ratio", "training.loop", "training.critics", "data.prepare"}  # fmt: skip
    assert {f"cmivae.{name}" for name in wanted} <= set(found)
    assert not {name for name in found if name.startswith(("cmivae.evaluation", "cmivae.results"))}


@pytest.mark.parametrize("stage", STAGES)
def test_frame_is_in_no_digest(stage):
    found = code_digests(f"cmivae.stages.{stage}", *MODELS.values(), *OBJECTIVES.values())
    assert f"cmivae.stages.{stage}" in found
    inner = {name.removeprefix("cmivae.") for name in found}
    assert not {name for name in inner if any(f"{name}.".startswith(f"{each}.") for each in FRAME)}


@pytest.mark.parametrize(
    ("path", "stages"),
    [("models/masked.py", TRAIN), ("models/init.py", TRAIN), ("objectives/density_ratio.py", TRAIN),
     ("training/loop.py", TRAIN), ("stages/train.py", TRAIN), ("stages/embed.py", TRAIN - {"train"}),
     ("evaluation/sampling.py", TRAIN - {"train"}), ("stages/evaluate.py", TRAIN - {"train", "embed"}),
     ("evaluation/mcas.py", {"baseline", "evaluate", "tables", "figures"}),
     ("stages/baseline.py", {"baseline", "tables", "figures"}),
     ("data/digits.py", {"prepare", "baseline"} | TRAIN), ("stages/prepare.py", {"prepare", "baseline"} | TRAIN),
     ("data/download.py", {"fetch", "prepare", "baseline"} | TRAIN),
     ("results/render.py", {"tables", "figures"}), ("results/printed/table4.csv", {"tables", "figures"}),
     ("stages/tables.py", {"tables", "figures"}), ("stages/figures.py", {"figures"}),
     ("results/canvas.py", {"figures"}), ("results/style.mplstyle", {"figures"}),
     ("stages/runner.py", set()), ("stages/overview.py", set()), ("provenance/ledger.py", set()),
     ("study/loading.py", set()),
     ("study/params.py", {"tables", "figures"}), ("cli.py", set()), ("progress.py", set()), ("errors.py", set())],
)  # fmt: skip
def test_an_edit_reaches_the_stages_below_it(path, stages, source):
    assert changed(source, path, "\nEDITED = 1\n") == stages


@pytest.mark.parametrize("path", ["models/masked.py", "training/loop.py", "results/render.py"])
def test_a_comment_reaches_nothing(path, source):
    assert changed(source, path, "\n# a thought\n") == set()


def test_a_new_import_is_followed(source):
    before = set(code_digests("cmivae.stages.prepare"))
    add(source / "data/prepare.py", "\ndef late():\n    from cmivae.evaluation import packing\n    return packing\n")
    assert set(code_digests("cmivae.stages.prepare")) - before == {"cmivae.evaluation.packing"}


def test_digests_are_by_name_and_of_the_content_alone(source):
    found = code_digests("cmivae.stages.embed", MODELS["pixelcnn_vae"])
    assert list(found) == sorted(found)
    assert unedited()["runs/embed/digits-cmi-g030/s0"].code.items() >= found.items()
