"""The digest of the code that makes an artefact: over syntax trees, so that comments and formatting do not count.

The digest covers every module of cmivae that a stage imports, directly or not, found in the source without running
it, so that it is known before anything is built. Left out is the frame (``FRAME``): what those modules decide is
in the spec as values (resolved parameters, input digests), or does not touch a number (messages, records).
"""

import ast
import hashlib
import sys
from functools import cache
from pathlib import Path

PACKAGE = "cmivae"
SOURCE = Path(__file__).resolve().parents[1]
FRAME = ("errors", "cli", "registry", "study", "provenance", "progress", "workflow", "stages.runner", "stages.overview")


def code_digests(*targets: str) -> dict[str, str]:
    """Digest of each module that the targets reach, e.g. ``cmivae.models.pixelcnn_vae:PixelCnnVae``.

    Returns: module name to SHA-256, sorted by name, without the frame.
    """
    reached: set[str] = set()
    waiting = [target.partition(":")[0] for target in targets]
    while waiting:
        module = waiting.pop()
        if module in reached or _is_frame(module):
            continue
        reached.add(module)
        waiting.extend(_imports(module))
    return {module: module_digest(module) for module in sorted(reached)}


@cache
def module_digest(module: str) -> str:
    """SHA-256 over the syntax tree of a module, docstrings left out."""
    tree = ast.parse(_path(module).read_bytes())
    return hashlib.sha256(_dump(_without_docstrings(tree)).encode()).hexdigest()


def data_digest(pattern: str) -> str:
    """SHA-256 over the names and bytes of data files of the package that match, e.g. ``results/printed/*.csv``."""
    found = hashlib.sha256()
    for path in sorted(SOURCE.glob(pattern)):
        found.update(f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()


def imported_now() -> set[str]:
    """Modules of cmivae that this process has imported, without the frame."""
    names = {name for name in sys.modules if name == PACKAGE or name.startswith(f"{PACKAGE}.")}
    return {name for name in names if not _is_frame(name) and not _is_package(name)}


def _is_frame(module: str) -> bool:
    inner = module.partition(".")[2]
    return any(inner == name or inner.startswith(f"{name}.") for name in FRAME)


def _is_package(module: str) -> bool:
    return (SOURCE.parent / Path(*module.split("."))).is_dir()


def _path(module: str) -> Path:
    return SOURCE.parent / Path(*module.split(".")).with_suffix(".py")


@cache
def _imports(module: str) -> tuple[str, ...]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(_path(module).read_bytes())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return tuple(sorted(name for name in found if name.startswith(f"{PACKAGE}.") and _path(name).is_file()))


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.body and isinstance(node.body[0], ast.Expr) and _is_text(node.body[0].value):
            node.body = node.body[1:]
    return tree


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _dump(node: object) -> str:
    """A tree as text, without empty fields, so that all supported Pythons agree on it."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []))
        return f"{type(node).__name__}({','.join(f'{name}={_dump(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)
