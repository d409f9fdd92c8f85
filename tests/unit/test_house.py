"""House rules over all code, and that the two doors, DVC and Snakemake, describe the same house."""

import ast
import re
import subprocess
from pathlib import Path
from typing import get_args

import pytest
import test_specs
import tiny
import yaml
from pydantic import BaseModel

from cmivae.provenance.specs import DEFAULTS, Study
from cmivae.study.loading import load_params
from cmivae.study.params import BLOCKS, Params
from cmivae.workflow import Workflow

SOURCE = tiny.REPOSITORY / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
RULES = [tiny.REPOSITORY / "Snakefile", *sorted((tiny.REPOSITORY / "workflow").rglob("*.smk"))]
WORKSPACES = ("", "demo", "reduced", "reduced-speech", "extensions")
SEEDS = {"torch.manual_seed", "np.random.seed", "random.seed"}  # of the whole process
MACHINE_PATH = re.compile(r"(?<![\w.}/*-])/(?:" + "|".join(("work", "root", "home", "Users", "mnt", "scratch")) + r")/")


def short(path: Path) -> str:
    return str(path.relative_to(tiny.REPOSITORY))


def dotted(node: ast.AST) -> str:
    """``np.load`` of the expression ``np.load``; empty for what is not names and dots."""
    if isinstance(node, ast.Name):
        return node.id
    inner = dotted(node.value) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner else ""


def offences(tree: ast.Module) -> list[str]:
    """What the house does not allow in a module; what is unsafe has a test of its own (``test_security.py``)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            found.append("bare except")
        elif isinstance(node, ast.Assert):
            found.append("assert")
        elif isinstance(node, ast.Call) and dotted(node.func) in SEEDS:
            found.append(dotted(node.func))
    return found


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_module_keeps_the_house_rules(path):
    assert offences(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("text", ["torch.manual_seed(0)", "try:\n    f()\nexcept:\n    g()", "assert x"])
def test_the_rules_can_be_broken(text):
    assert offences(ast.parse(text))


def test_packages_hold_no_code():
    """Code digests follow modules, not packages' own files, so nothing may be hidden there."""
    for path in SOURCE.rglob("__init__.py"):
        body = [node for node in ast.parse(path.read_text()).body if not isinstance(node, ast.Expr)]
        names = [ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign)]
        assert len(names) == len(body)
        assert names == (["__version__"] if path.parent.name == "cmivae" else [])


def _texts() -> list[Path]:
    top = [path for path in tiny.REPOSITORY.iterdir() if path.is_file() and not path.name.startswith(".git")]
    for folder in ("src", "workflow", "tests", "profiles", "docs", "paper", "benchmarks"):
        top += (tiny.REPOSITORY / folder).rglob("*")
    for name in WORKSPACES:
        top += (tiny.REPOSITORY / name / ".dvc").glob("config")
        top += (tiny.REPOSITORY / name).glob("params.yaml")
    kinds = {".py", ".smk", ".yaml", ".yml", ".md", ".toml", ".json", ".csv", ".txt", ".lock", ".cff", ".html", ""}
    return sorted({path for path in top if path.is_file() and path.suffix in kinds})


def test_no_file_holds_a_path_of_one_machine():
    found = {short(path): MACHINE_PATH.findall(path.read_text(errors="replace")) for path in _texts()}
    assert {name: paths for name, paths in found.items() if paths} == {}
    assert MACHINE_PATH.search(f'"{"/"}root/x"')


@pytest.mark.parametrize("path", RULES, ids=short)
def test_rules_hold_no_logic(path):
    code = re.sub(r"#.*", "", path.read_text())
    assert not re.search(r"^\s*(def|class|run:|while)\b|\blambda\b", code, flags=re.MULTILINE)
    assert not re.search(r"\b(open|eval|exec|Path)\(", code)
    assert "script:" not in code


# --- the two doors ---------------------------------------------------------------------------------------------------


class Stage:
    """One expanded stage of ``dvc.yaml``."""

    def __init__(self, name: str, kind: str, block: dict):
        self.name, self.kind, self.command = name, kind, block["cmd"]
        self.deps, self.params = block["deps"], block["params"]
        self.outs = [next(iter(out)) for out in block["outs"]]
        self.flags = [next(iter(out.values())) for out in block["outs"]]


def dvc_stages(values: dict) -> list[Stage]:
    """``dvc.yaml`` with ``foreach`` over mappings written out, for these params."""
    found = []
    for name, block in yaml.safe_load((tiny.REPOSITORY / "dvc.yaml").read_text())["stages"].items():
        if "foreach" not in block:
            found.append(Stage(name, name, block))
            continue
        for key, item in values[block["foreach"].removeprefix("${").removesuffix("}")].items():
            names = {"key": key} | {f"item.{field}": value for field, value in item.items()}
            found.append(Stage(f"{name}@{key}", name, _filled(block["do"], names)))
    return found


def _filled(value, names: dict):
    if isinstance(value, dict):
        return {_filled(key, names): _filled(inner, names) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, names) for inner in value]
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", lambda match: str(names[match.group(1)]), value)
    return value


def under(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def upstream(stage: Stage, stages: list[Stage]) -> list[Stage]:
    """The stage and all that it depends on."""
    found, waiting = [], [stage]
    while waiting:
        current = waiting.pop()
        if current in found:
            continue
        found.append(current)
        needs = [other for other in stages for out in other.outs for dep in current.deps if under(out, dep)]
        waiting += needs
    return found


@pytest.fixture(params=WORKSPACES, ids=["root", *WORKSPACES[1:]])
def doors(request):
    """Study, Snakemake's view of it and DVC's stages of one workspace."""
    path = tiny.REPOSITORY / request.param / "params.yaml"
    study = Study(load_params(path))
    return study, Workflow(study), dvc_stages(yaml.safe_load(path.read_text()))


def rule_inputs(target: str, workflow: Workflow) -> list[str]:
    """What a rule without output asks for, as its text in ``workflow/rules`` says."""
    if target.startswith("train_"):
        return workflow.runs_of("train", target.removeprefix("train_"))
    text = "\n".join(path.read_text() for path in RULES)
    body = re.search(rf"^rule {target}:\n(.*?)(?=^\S|\Z)", text, flags=re.MULTILINE | re.DOTALL).group(1)
    assert "output:" not in body
    found = []
    for name, argument in re.findall(r"study\.(\w+)(?:\(\"(\w+)\"\))?", body):
        value = getattr(workflow, name)
        found += value(argument) if argument else value
    return found


def made_by(stage: Stage, workflow: Workflow) -> set[str]:
    """Artefacts that the Snakemake target of a DVC stage stands for."""
    target = stage.command.rpartition(" -- ")[2]
    records = [target] if "/" in target else rule_inputs(target, workflow)
    return {record.removesuffix("/run.json") for record in records}


def test_each_dvc_stage_makes_what_its_snakemake_target_makes(doors):
    study, workflow, stages = doors
    for stage in stages:
        own = {folder for folder in made_by(stage, workflow) if not any(under(folder, dep) for dep in stage.deps)}
        assert own == {folder for folder in study.artefacts if any(under(folder, out) for out in stage.outs)}, (
            stage.name
        )
        assert {study[folder].stage for folder in own} == {stage.kind}


def test_every_artefact_is_out_of_one_dvc_stage(doors):
    study, _, stages = doors
    for folder in study.artefacts:
        assert len([stage for stage in stages for out in stage.outs if under(folder, out)]) == 1, folder


def test_dvc_keeps_finished_runs(doors):
    assert all(flags == {"persist": True} for stage in doors[2] for flags in stage.flags)


def test_inputs_of_artefacts_are_deps_of_their_dvc_stage(doors):
    study, _, stages = doors
    for folder, artefact in study.artefacts.items():
        stage = next(stage for stage in stages for out in stage.outs if under(folder, out))
        assert [name for name in artefact.inputs if not any(under(name, dep) for dep in stage.deps)] == [], folder


def test_dvc_deps_cover_the_code(doors):
    """An edited module must start a stage that it is in the specs of: itself, or since a stage above made other files.

    That a stage above is started is not enough: where the module is not in its specs, it leaves its files alone.
    """
    study, _, stages = doors
    code = {stage.name: _code(stage, study) for stage in stages}
    for stage in stages:
        starts = [(each, dep) for each in upstream(stage, stages) for dep in each.deps]
        missing = {
            file
            for file in code[stage.name]
            if not any(under(file, dep) and file in code[each.name] for each, dep in starts)
        }
        assert missing == set(), stage.name


def _code(stage: Stage, study: Study) -> set[str]:
    """Files of the modules in the specs of what a stage makes."""
    modules = {module for folder in _outs(stage, study) for module in study[folder].code}
    if stage.kind == "tables":
        modules |= set(DEFAULTS)
    return {f"src/{module.replace('.', '/')}.py" for module in modules}


def _outs(stage: Stage, study: Study) -> set[str]:
    return {folder for folder in study.artefacts if any(under(folder, out) for out in stage.outs)}


def test_dvc_deps_exist(doors):
    for stage in doors[2]:
        code = [dep for dep in stage.deps if dep.startswith("src/")]
        assert code
        assert all((tiny.REPOSITORY / dep).exists() for dep in code)


@pytest.fixture(scope="module")
def demo():
    """Study and DVC's stages of the demo."""
    return test_specs.study(), dvc_stages(test_specs.DEMO)


@pytest.mark.parametrize("key", [key for key, (_, stages) in test_specs.CHANGES.items() if stages])
def test_dvc_sees_each_parameter_that_counts(key, demo):
    """Where a parameter changes a spec, ``dvc repro`` must start that stage, or one above it that it changes too."""
    study, stages = demo
    stale = test_specs.predicted(key, study)
    reached = [stage for stage in stages if _outs(stage, study) & stale]
    assert reached
    for stage in reached:
        above = [each for each in upstream(stage, stages) if each in reached]
        seen = {param for each in above for param in each.params}
        assert any(key == param or key.startswith(f"{param}.") for param in seen), stage.name


@pytest.mark.parametrize(("of", "other"), [("digits", "synth"), ("synth", "digits")])
def test_dvc_starts_no_stage_of_one_data_set_for_a_key_of_another(of, other, demo):
    _, stages = demo
    for stage in stages:
        name = stage.name.partition("@")[2]
        if name == of or name.startswith(f"{of}-"):
            own = {name for each in upstream(stage, stages) for name in each.params}
            assert own
            assert not {name for name in own if name.startswith(f"datasets.{other}") or name == "datasets"}, stage.name


def test_workspaces_share_rules_and_pipeline():
    for name in WORKSPACES[1:]:
        for shared in ("Snakefile", "dvc.yaml", "workflow", "profiles", "src"):
            link = tiny.REPOSITORY / name / shared
            assert link.is_symlink()
            assert link.resolve() == (tiny.REPOSITORY / shared).resolve()
            assert not link.readlink().is_absolute()


# --- what a user is told ---------------------------------------------------------------------------------------------


def _errors(path: Path) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and dotted(node.func) in ("UserError", "Preempted")
    ]


@pytest.mark.parametrize("path", MODULES, ids=short)
def test_every_mistake_of_a_user_has_a_fix(path):
    without = [node.lineno for node in _errors(path) if not {"fix", None} & {word.arg for word in node.keywords}]
    assert without == []


def _places() -> list[str]:
    """Every ``params.yaml:KEY`` that an error, or a constant for one, holds in full."""
    nodes = [node for path in MODULES for node in ast.walk(ast.parse(path.read_text()))]
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    texts += [_spelled(node) for node in nodes if isinstance(node, ast.JoinedStr)]
    return sorted({text for text in texts if re.match(r"params\.yaml: ?\S+$", text) and not text.endswith(".")})


def _spelled(text: ast.JoinedStr) -> str:
    return "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in text.values)


def _known(model: type, parts: list[str]) -> bool:
    """Whether a key is of the schema; ``*`` stands for a name of the user's."""
    if not parts:
        return True
    if isinstance(model, type) and issubclass(model, BaseModel):
        fields = [field for name, field in model.model_fields.items() if parts[0] in (name, "*")]
        return any(_known(field.annotation, parts[1:]) for field in fields)
    if parts[0] != "*" or not get_args(model):
        return False
    inner = get_args(model)[1]
    blocks = BLOCKS.values() if model is Params.model_fields["datasets"].annotation else [inner]
    return any(_known(block, parts[1:]) for block in blocks)


def _key_of(place: str) -> list[str]:
    return place.removeprefix("params.yaml:").split(".")


@pytest.mark.parametrize("place", _places())
def test_a_key_that_an_error_names_is_there(place):
    assert _known(Params, _key_of(place))


def test_keys_that_are_not_there_are_seen():
    assert len(_places()) > 10
    wrong = ("data.valid_fraction", "model.cut", " data.source", "datasets.*.data.sorce", "datasets.digits.data.source")
    assert [place for place in wrong if _known(Params, _key_of(place))] == []


def test_the_lock_of_the_demo_is_not_in_git():
    """It names what one machine made: committed, it would be changed by every ``make demo``."""
    done = subprocess.run(["git", "ls-files"], cwd=tiny.REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout of git")
    tracked = done.stdout.splitlines()
    assert "demo/params.yaml" in tracked
    assert "demo/dvc.lock" not in tracked
