"""The house's plan: imports run downward, metric cores know no paths, modules and functions stay short."""

import ast
import statistics
from pathlib import Path

import pytest
import tiny

SOURCE = tiny.REPOSITORY / "src/cmivae"
MODULES = sorted(SOURCE.rglob("*.py"))

# Low to high; a module may import its own layer and those below it. The longest prefix that fits decides.
LAYERS = (
    ("errors", "registry", "progress", "provenance.io"),
    ("study",),
    ("data",),
    ("models",),
    ("objectives",),
    ("training",),
    ("evaluation",),
    ("provenance",),
    ("results",),
    ("stages", "workflow"),
    ("audit",),
    ("report",),
    ("cli", "__main__"),
)
RESULTS_MAY_IMPORT = ("results", "provenance.io", "study", "errors", "registry", "progress")
CORES = (
    "models", "objectives", "evaluation.probes", "evaluation.mcas", "evaluation.information", "evaluation.packing",
    "evaluation.verification", "evaluation.conversion", "evaluation.speech_embedding", "evaluation.embedding",
)  # fmt: skip
OUTSIDE = {"pathlib", "os", "dvc", "snakemake", "shutil", "glob", "tempfile", "io"}
MODULE_LINES, MEDIAN_LINES, FUNCTION_LINES = 400, 150, 50


def name_of(path: Path) -> str:
    """``provenance.io`` of ``src/cmivae/provenance/io.py``; a package's own file has the package's name."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


NAMES = {name_of(path) for path in MODULES}


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere, in full; ``from package import module`` gives both."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} has a relative import, which code digests do not follow"
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(path: Path) -> set[str]:
    """Modules of cmivae that a file imports, without the package's name."""
    found = {name.removeprefix("cmivae.") for name in imports(path) if name.startswith("cmivae.")}
    return {name for name in found if name in NAMES}


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def layer(name: str) -> int:
    fits = [(len(prefix), depth) for depth, group in enumerate(LAYERS) for prefix in group if within(name, prefix)]
    assert fits, f"{name} belongs to no layer: give it one in LAYERS"
    return max(fits)[1]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_downward(path):
    name = name_of(path)
    if not name:
        assert own_imports(path) == set()
        return
    upward = {other for other in own_imports(path) if layer(other) > layer(name)}
    assert upward == set(), f"{name} imports from above"


def test_imports_have_no_circle():
    graph = {name_of(path): own_imports(path) - {name_of(path)} for path in MODULES}
    while free := {name for name, needs in graph.items() if not needs & graph.keys()}:
        graph = {name: needs for name, needs in graph.items() if name not in free}
    assert graph == {}


@pytest.mark.parametrize("path", sorted((SOURCE / "results").rglob("*.py")), ids=name_of)
def test_results_read_records_and_parameters_only(path):
    beyond = {name for name in own_imports(path) if not any(within(name, each) for each in RESULTS_MAY_IMPORT)}
    assert beyond == set()


@pytest.mark.parametrize("path", [p for p in MODULES if any(within(name_of(p), c) for c in CORES)], ids=name_of)
def test_models_objectives_and_metrics_know_no_paths(path):
    assert {name.partition(".")[0] for name in imports(path)} & OUTSIDE == set()
    assert not any(within(name, "provenance") for name in own_imports(path))


@pytest.mark.parametrize("core", CORES)
def test_cores_are_there(core):
    assert any(within(name, core) for name in NAMES)


@pytest.mark.parametrize(("kind", "other"), [("image", "speech"), ("speech", "image")])
def test_stages_of_a_kind_import_none_of_another(kind, other):
    own = [path for path in MODULES if within(name_of(path), f"stages.{kind}")]
    assert len(own) > 6
    for path in own:
        assert not {name for name in own_imports(path) if within(name, f"stages.{other}")}, path.name


def test_the_frame_loads_without_torch():
    heavy = {"torch", "sklearn", "matplotlib", "scipy", "safetensors"}
    for path in MODULES:
        if (
            within(name_of(path), "study")
            or within(name_of(path), "provenance")
            or name_of(path) in ("cli", "workflow")
        ):
            assert {name.partition(".")[0] for name in imports(path)} & heavy == set(), path.name


def test_modules_are_short():
    lines = {name_of(path): len(path.read_text().splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}
    assert statistics.median(count for count in lines.values() if count) <= MEDIAN_LINES


def test_modules_of_tests_are_short():
    others = [path for folder in ("tests", "benchmarks", "docs") for path in (tiny.REPOSITORY / folder).rglob("*.py")]
    lines = {path.name: len(path.read_text().splitlines()) for path in others}
    assert {name: count for name, count in lines.items() if count > MODULE_LINES} == {}
    assert len(lines) > 50


def long_functions(tree: ast.Module) -> dict[str, int]:
    """Functions of more lines than the house allows, signature and docstring counted."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    lines = {each.name: each.end_lineno - each.lineno + 1 for each in ast.walk(tree) if isinstance(each, kinds)}
    return {name: count for name, count in lines.items() if count > FUNCTION_LINES}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path):
    assert long_functions(ast.parse(path.read_text())) == {}


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_long_function_is_found(kind):
    text = f"{kind} f():\n" + "    g()\n" * (FUNCTION_LINES - 1)
    assert long_functions(ast.parse(text)) == {}
    assert long_functions(ast.parse(text + "    g()\n")) == {"f": FUNCTION_LINES + 1}
