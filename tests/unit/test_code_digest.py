"""What an edit of the code makes stale: meaning counts, comments do not, and only what a stage reaches."""

import shutil
from functools import cache

import pytest
import test_specs
import tiny

from cmivae.provenance import code, specs
from cmivae.provenance.code import FRAME, code_digests
from cmivae.provenance.specs import Study
from cmivae.registry import CORPORA, MODELS, OBJECTIVES, READERS

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
RESULTS = {"tables", "figures", "report"}
DRAWN = RESULTS - {"tables"}
DATASETS = {"image": "digits", "speech": "synth"}  # of the demo, by kind


def of(kinds, *stages):
    """``train image`` and the like, and the results, which follow whatever an evaluation or an embedding is."""
    return {f"{stage} {kind}" for kind in kinds for stage in stages} | RESULTS


BOTH, IMAGE, SPEECH = tuple(DATASETS), ("image",), ("speech",)
TRAIN = ("train", "embed", "evaluate")
DATA = ("prepare", "baseline", *TRAIN)
RAW = ("fetch", *DATA)
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


def study():
    """The demo: a data set of each kind."""
    return Study(tiny.params(base=test_specs.DEMO))


@cache
def unedited():
    return study()


def digest_of(source, text):
    (source / "example.py").write_text(text)
    return code.module_digest("cmivae.example")


def changed(source, path, text):
    """Stages whose specs adding text to a file changes, as ``of`` writes them: each in all its artefacts of a kind."""
    before = unedited().artefacts
    add(source / path, text)
    after = study().artefacts
    found, kept = set(), set()
    for folder, artefact in before.items():
        kinds = {name: kind for kind, name in DATASETS.items()}
        name = " ".join(filter(None, [artefact.stage, kinds.get(test_specs.dataset_of(artefact))]))
        (kept if artefact.spec == after[folder].spec else found).add(name)
    assert not found & kept
    return found


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


@pytest.mark.parametrize(
    ("kind", "model", "own", "foreign"),
    [("image", "pixelcnn_vae", {"models.masked", "models.encoders", "data.prepare"},
      {"models.dsae", "models.speech_critic", "data.speech", "data.features", "stages.speech.items"}),
     ("speech", "dsae", {"models.speech_critic", "data.speech", "stages.speech.items"},
      {"models.pixelcnn_vae", "models.masked", "models.encoders", "data.prepare", "data.synth", "data.timit"})],
)  # fmt: skip
def test_training_reaches_what_it_uses_and_no_more(kind, model, own, foreign):
    found = code_digests(f"cmivae.stages.{kind}.train", MODELS[model], OBJECTIVES["cmi"])
    wanted = own | {f"stages.{kind}.train", f"models.{model}", "objectives.objectives", "objectives.density_ratio",
                    "stages.training", "stages.device", "training.loop", "training.critics",
                    "training.items"}  # fmt: skip
    assert {f"cmivae.{name}" for name in wanted} <= set(found)
    assert not {f"cmivae.{name}" for name in foreign} & set(found)
    assert not {name for name in found if name.startswith(("cmivae.evaluation", "cmivae.results"))}


@pytest.mark.parametrize("maker", sorted({artefact.maker for artefact in unedited().artefacts.values()}))
def test_frame_is_in_no_digest(maker):
    found = code_digests(maker, *MODELS.values(), *OBJECTIVES.values(), *READERS.values(), *CORPORA.values())
    assert maker in found
    inner = {name.removeprefix("cmivae.") for name in found}
    assert not {name for name in inner if any(f"{name}.".startswith(f"{each}.") for each in FRAME)}


@pytest.mark.parametrize("kind", BOTH)
def test_stages_of_a_kind_reach_no_stage_of_another(kind):
    (other,) = set(BOTH) - {kind}
    found = {
        module
        for artefact in unedited().artefacts.values()
        if test_specs.dataset_of(artefact) == DATASETS[kind]
        for module in artefact.code
    }
    assert f"cmivae.stages.{kind}.train" in found
    assert not {module for module in found if module.startswith(f"cmivae.stages.{other}")}


@pytest.mark.parametrize(
    ("path", "stages"),
    [("models/init.py", of(BOTH, *TRAIN)), ("models/terms.py", of(BOTH, *TRAIN)),
     ("models/critics.py", of(BOTH, *TRAIN)), ("objectives/density_ratio.py", of(BOTH, *TRAIN)),
     ("training/loop.py", of(BOTH, *TRAIN)), ("training/items.py", of(BOTH, *TRAIN)),
     ("stages/training.py", of(BOTH, *TRAIN)), ("stages/estimates.py", of(BOTH, "embed", "evaluate")),
     ("evaluation/posthoc.py", of(BOTH, "embed", "evaluate")), ("stages/finite.py", of(BOTH, "evaluate")),
     ("evaluation/information.py", of(BOTH, "evaluate")), ("evaluation/probes.py", of(BOTH, "baseline", "evaluate")),
     ("stages/device.py", of(BOTH, *TRAIN)),
     ("training/devices.py", of(IMAGE, *TRAIN) | of(SPEECH, *DATA)),
     # images alone
     ("models/masked.py", of(IMAGE, *TRAIN)), ("models/pixelcnn_vae.py", of(IMAGE, *TRAIN)),
     ("stages/image/train.py", of(IMAGE, *TRAIN)), ("stages/image/embed.py", of(IMAGE, "embed", "evaluate")),
     ("evaluation/sampling.py", of(IMAGE, "embed", "evaluate")),
     ("evaluation/embedding.py", of(IMAGE, "embed", "evaluate")),
     ("evaluation/packing.py", of(IMAGE, "baseline", "embed", "evaluate")),
     ("stages/image/evaluate.py", of(IMAGE, "evaluate")),
     ("evaluation/mcas.py", of(IMAGE, "baseline", "evaluate")), ("stages/image/baseline.py", of(IMAGE, "baseline")),
     ("data/digits.py", of(IMAGE, *DATA)), ("data/prepare.py", of(IMAGE, *DATA)),
     ("stages/image/prepare.py", of(IMAGE, *DATA)), ("data/download.py", of(IMAGE, *RAW)),
     ("stages/image/fetch.py", of(IMAGE, *RAW)),
     # speech alone
     ("models/dsae.py", of(SPEECH, *TRAIN)), ("models/speech_critic.py", of(SPEECH, *TRAIN)),
     ("stages/speech/train.py", of(SPEECH, *TRAIN)), ("stages/speech/items.py", of(SPEECH, *TRAIN)),
     ("stages/speech/embed.py", of(SPEECH, "embed", "evaluate")),
     ("evaluation/speech_embedding.py", of(SPEECH, "embed", "evaluate")),
     ("stages/speech/evaluate.py", of(SPEECH, "evaluate")),
     ("stages/speech/averages.py", of(SPEECH, "baseline", "evaluate")),
     ("evaluation/verification.py", of(SPEECH, "baseline", "evaluate")),
     ("evaluation/conversion.py", of(SPEECH, "baseline", "evaluate")),
     ("stages/speech/baseline.py", of(SPEECH, "baseline")), ("data/validation.py", of(SPEECH, *DATA)),
     ("data/speech.py", of(SPEECH, *DATA)), ("data/features.py", of(SPEECH, *DATA)),
     ("stages/speech/prepare.py", of(SPEECH, *DATA)), ("data/synth.py", of(SPEECH, *RAW)),
     ("data/formants.py", of(SPEECH, *RAW)), ("data/timit.py", of(SPEECH, *RAW)),
     ("data/audio.py", of(SPEECH, *RAW)), ("stages/speech/fetch.py", of(SPEECH, *RAW)),
     ("data/manifest.py", set()), ("data/librispeech.py", set()),  # readers that the demo does not use
     ("stages/speech/voices.py", DRAWN), ("evaluation/vocoder.py", DRAWN),
     # results and frame
     ("results/voices.py", DRAWN), ("results/voices.html", DRAWN),
     ("results/render.py", RESULTS), ("results/printed/table4.csv", RESULTS),
     ("results/printed/table1.csv", RESULTS),
     ("stages/tables.py", RESULTS), ("stages/figures.py", DRAWN),
     ("results/canvas.py", DRAWN), ("results/style.mplstyle", DRAWN),
     ("stages/runner.py", set()), ("stages/overview.py", set()), ("provenance/ledger.py", set()),
     ("study/loading.py", set()), ("study/checks.py", RESULTS),
     ("study/params.py", RESULTS), ("cli.py", set()), ("progress.py", set()), ("errors.py", set())],
)  # fmt: skip
def test_an_edit_reaches_the_stages_below_it(path, stages, source):
    assert changed(source, path, "\nEDITED = 1\n") == stages


@pytest.mark.parametrize("path", ["models/masked.py", "models/dsae.py", "training/loop.py", "results/render.py"])
def test_a_comment_reaches_nothing(path, source):
    assert changed(source, path, "\n# a thought\n") == set()


@pytest.mark.parametrize(
    ("kind", "module", "late"), [("image", "data/prepare.py", "packing"), ("speech", "data/speech.py", "conversion")]
)
def test_a_new_import_is_followed(kind, module, late, source):
    before = set(code_digests(f"cmivae.stages.{kind}.prepare"))
    add(source / module, f"\ndef late():\n    from cmivae.evaluation import {late}\n    return {late}\n")
    found = set(code_digests(f"cmivae.stages.{kind}.prepare")) - before
    reached = code_digests(f"cmivae.evaluation.{late}")
    assert f"cmivae.evaluation.{late}" in found
    assert found == set(reached) - before


@pytest.mark.parametrize(("kind", "model", "run"), [("image", "pixelcnn_vae", "digits-cmi-g030/s0"),
                                                    ("speech", "dsae", "synth-cmi-g080/s0")])  # fmt: skip
def test_digests_are_by_name_and_of_the_content_alone(kind, model, run, source):
    found = code_digests(f"cmivae.stages.{kind}.embed", MODELS[model])
    assert list(found) == sorted(found)
    assert unedited()[f"runs/embed/{run}"].code.items() >= found.items()
