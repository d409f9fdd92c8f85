"""What the runner adds to a stage: the data set's name in a mistake, memory in words, and a source that is not read."""

import pytest
import test_specs
import tiny
import yaml

from cmivae.cli import main
from cmivae.errors import EXIT_USER, UserError
from cmivae.provenance import ledger
from cmivae.provenance.specs import Study
from cmivae.stages import runner
from cmivae.stages.runner import _placed, build


@pytest.fixture(autouse=True)
def quick_records(monkeypatch):
    for module in (ledger, runner):
        monkeypatch.setattr(module, "git_state", lambda: None)


@pytest.fixture
def here(tmp_path):
    """A workspace with the data sets and readers of the demo."""
    return tiny.workspace(tmp_path, yaml.safe_dump(test_specs.DEMO))


def said(folder, capsys, *arguments) -> str:
    """What a command says that ends with exit code 2."""
    assert main(["-C", str(folder), *arguments]) == EXIT_USER
    error = capsys.readouterr().err
    assert error.startswith("cmivae: ")
    assert "Traceback" not in error
    return error


@pytest.mark.parametrize("before", [False, True], ids=["not made", "current"])
@pytest.mark.parametrize("more", [[], ["--force"]], ids=["", "force"])
@pytest.mark.parametrize("name", ["digits", "synth"])
def test_a_reader_that_takes_no_folder_refuses_one(name, more, before, here, capsys):
    if before and name == "digits":
        assert main(["-q", "-C", str(here), "fetch", name]) == 0
    error = said(here, capsys, "fetch", name, "--from", "nowhere", *more)
    assert f"{name} takes no folder\n  where --from nowhere\n" in error
    assert "TIMIT" not in error


def test_data_that_is_current_says_that_the_source_was_not_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(runner, "SELF_SUPPLIED", ())  # so that the digits stand for a reader with a source
    folder = tiny.workspace(tmp_path)
    assert main(["-q", "-C", str(folder), "fetch", "digits"]) == 0
    for more in ([], ["--force"]):
        assert capsys.readouterr().err == ""
        assert main(["-q", "-C", str(folder), "fetch", "digits", "--from", "nowhere", *more]) == 0
        assert "nowhere was not read" in capsys.readouterr().err


def test_a_live_report_takes_no_force(here, capsys):
    error = said(here, capsys, "report", "--force", "--live", str(here / "page.html"))
    assert "--live and --force do not go together" in error
    assert not (here / "page.html").exists()


@pytest.mark.parametrize(
    ("folder", "where", "placed"),
    [
        ("data/prepared/synth", "params.yaml:datasets.*.data.val", "params.yaml:datasets.synth.data.val"),
        (
            "runs/embed/synth-vanilla/s1",
            "params.yaml:datasets.*.embed.voices",
            "params.yaml:datasets.synth.embed.voices",
        ),
        ("runs/train/digits-cmi-g060/s0", "params.yaml:configs.*.gamma", "params.yaml:configs.digits-cmi-g060.gamma"),
        ("runs/evaluate/digits-vanilla/s0", "", "evaluate digits-vanilla/s0"),
        ("results/tables", "", "tables"),
        ("data/raw/digits", "data/raw/digits/digits.csv", "data/raw/digits/digits.csv"),
    ],
)
def test_a_mistake_is_placed(folder, where, placed):
    assert _placed(where, test_specs.study()[folder]) == placed


def test_of_two_data_sets_the_one_is_named(tmp_path, capsys):
    """Too few digits of a class, which only the stage can see."""
    values = tiny.values()
    values["datasets"]["other"] = tiny.values()["datasets"]["digits"]
    tiny.put(values, "datasets.other.data", {"probe_per_class": 112})
    folder = tiny.workspace(tmp_path, yaml.safe_dump(values))
    assert main(["-q", "-C", str(folder), "fetch", "other"]) == 0
    assert "params.yaml:datasets.other.data.probe_per_class\n" in said(folder, capsys, "prepare", "other")


CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to")
GPU = RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")


@pytest.mark.parametrize("error", [CPU, GPU, MemoryError("Unable to allocate 7. TiB")], ids=["cpu", "gpu", "numpy"])
def test_too_little_memory_is_a_mistake_with_a_fix(error, tmp_path, monkeypatch):
    assert _built(error, tmp_path, monkeypatch).what == "there is too little memory"


def test_another_error_of_a_stage_goes_through(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="shapes"):
        _built(RuntimeError("shapes do not fit"), tmp_path, monkeypatch)


def _built(error: Exception, folder, monkeypatch) -> UserError | None:
    """What comes of a stage that raises this."""

    class Stage:
        @staticmethod
        def make(context):
            raise error

    study = Study(tiny.params())
    monkeypatch.setattr(runner, "import_module", lambda name: Stage)
    return tiny.mistake(lambda: build(tiny.workspace(folder), study, study["data/raw/digits"]))
