"""The command line, called in this process: help, names that do not exist, exit codes, other folders."""

import re

import pytest
import test_specs
import tiny

from cmivae import __version__
from cmivae.audit import commands as audit
from cmivae.cli import DATASET_STAGES, RESULT_STAGES, main
from cmivae.errors import EXIT_USER, UserError
from cmivae.provenance import ledger
from cmivae.provenance.ledger import read_record
from cmivae.provenance.specs import STAGES, Study
from cmivae.registry import RUN_STAGES
from cmivae.stages import runner
from cmivae.stages.runner import locate

COMMANDS = (*STAGES, "check", "stale", "show", "record", "schema", *audit.COMMANDS)


@pytest.fixture(autouse=True)
def quick_records(monkeypatch):
    for module in (ledger, runner):
        monkeypatch.setattr(module, "git_state", lambda: None)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A workspace, and this process standing in it."""
    monkeypatch.chdir(tiny.workspace(tmp_path))
    return tmp_path


def test_every_stage_is_a_command(monkeypatch, capsys):
    assert set(DATASET_STAGES + RUN_STAGES + RESULT_STAGES) == set(STAGES)
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit):
        main(["--help"])
    listed = re.findall(r"^    (\w+) ", capsys.readouterr().out, flags=re.MULTILINE)
    assert set(listed) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    out = capsys.readouterr().out
    example = re.search(r"Example: cmivae (.*)", out).group(1).split()
    assert command in example


def test_version(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.strip() == f"cmivae {__version__}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["trian", "x", "0"], "invalid choice: 'trian'"), ([], "COMMAND"), (["train", "digits-vanilla"], "seed"),
     (["train", "digits-vanilla", "one"], "invalid int value: 'one'"), (["check", "--frce"], "--frce")],
)  # fmt: skip
def test_wrong_arguments_exit_two(arguments, says, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["prepare", "digit"], ("the study has no prepare 'digit'", "did you mean 'digits'?")),
     (["fetch", "mnist"], ("the study has no fetch 'mnist'", "known: digits")),
     (["train", "digits-cmi-g03", "0"], ("'digits-cmi-g03/s0'", "did you mean 'digits-cmi-g030/s0'?")),
     (["embed", "digits-cmi-g030", "7"], ("'digits-cmi-g030/s7'", "did you mean 'digits-cmi-g030/s")),
     (["evaluate", "qqqq", "0"], ("'qqqq/s0'", "known: digits-vanilla/s0, digits-vanilla/s1")),
     (["show", "T4"], ("no table 'T4'", "known: D4")),
     (["tables"], ("STALE runs/evaluate/digits-vanilla/s0: it was not made yet", "snakemake or dvc repro")),
     (["train", "digits-cmi-g030", "0"], ("STALE data/prepared/digits: it was not made yet",))],
)  # fmt: skip
def test_what_is_not_there_is_said_with_a_suggestion(arguments, says, here, capsys):
    assert main(arguments) == EXIT_USER
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("cmivae: ")
    assert "Traceback" not in error
    for text in says:
        assert text in error


@pytest.mark.parametrize("base", [tiny.values(), test_specs.DEMO], ids=["tiny", "demo"])
@pytest.mark.parametrize("stage", STAGES)
def test_locate_finds_every_artefact(stage, base):
    study = Study(tiny.params(base=base))
    assert study.of_stage(stage)
    for artefact in study.of_stage(stage):
        run = artefact.run
        where = {"config": run.key, "seed": run.seed} if run else {"dataset": artefact.dataset or ""}
        assert locate(study, stage, **where) is artefact


def test_locate_shortens_a_long_list():
    study = tiny.study({"seeds": list(range(5))})
    with pytest.raises(UserError) as caught:
        locate(study, "train", config="zzz", seed=0)
    assert caught.value.fix.endswith(" …")


def test_check_counts_the_runs(capsys):
    for name, count in (("", 189), ("demo", 16), ("reduced", 3), ("reduced-speech", 10)):
        assert main(["-C", str(tiny.REPOSITORY / name), "check"]) == 0
        assert f"= {count} runs" in capsys.readouterr().out


def test_empty_workspace_is_wholly_stale(here, capsys):
    assert main(["stale"]) == 0
    lines = capsys.readouterr().out.splitlines()
    count = len(tiny.study().artefacts)
    assert lines[-1] == f"0 of {count} artefacts are current"
    assert len(lines) == count + 1
    assert all(line.endswith(": it was not made yet") for line in lines[:-1])


def test_show_prints_missing_cells_of_an_empty_workspace(here, capsys):
    assert main(["show"]) == 0
    out = capsys.readouterr().out
    assert "Digits" in out
    assert "three runs a seed" in out
    rows = [line for line in out.splitlines() if line.startswith("|") and "missing" in line]
    assert len(rows) >= 3
    assert not re.search(r"\d\.\d{2}", "".join(rows))  # and no number of any metric


def test_record_refuses_an_empty_workspace(here, capsys):
    assert main(["record"]) == EXIT_USER
    error = capsys.readouterr().err
    assert "nothing was recorded" in error
    assert "data/raw/digits: it was not made yet" in error
    assert not (here / "dvc.lock").exists()


def test_another_folder_with_a_space(tmp_path, monkeypatch, capsys):
    workspace = tiny.workspace(tmp_path / "my work γ")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["-C", "../my work γ", "fetch", "digits"]) == 0
    record = read_record(workspace, "data/raw/digits")
    assert record.spec == tiny.study()["data/raw/digits"].spec
    assert record.values["params"]["reader"] == "digits"
    first = capsys.readouterr().err
    assert "data/raw/digits complete" in first
    assert main(["-C", "../my work γ", "fetch", "digits"]) == 0
    assert "data/raw/digits is current" in capsys.readouterr().err
    assert main(["-C", "../my work γ", "-q", "fetch", "digits", "--force"]) == 0
    assert capsys.readouterr().err == ""
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_half_written_record_is_made_again(here, capsys):
    assert main(["fetch", "digits"]) == 0
    path = here / "data/raw/digits/run.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert main(["stale"]) == 0
    assert "data/raw/digits: it has no complete run.json" in capsys.readouterr().out
    assert main(["fetch", "digits"]) == 0
    assert read_record(here, "data/raw/digits") is not None


def test_interrupt_exits_130_in_one_line(here, monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cmivae.stages.runner.build", interrupt)
    assert main(["fetch", "digits"]) == 130
    assert capsys.readouterr().err == "cmivae: stopped\n"


def test_exit_code_of_an_error_is_passed_on(here, monkeypatch, capsys):
    def busy(*arguments, **options):
        raise UserError("busy", where="x", why="y", fix="z", code=75)

    monkeypatch.setattr("cmivae.stages.runner.build", busy)
    assert main(["fetch", "digits"]) == 75
    assert capsys.readouterr().err == "cmivae: busy\n  where x\n  why   y\n  fix   z\n"
