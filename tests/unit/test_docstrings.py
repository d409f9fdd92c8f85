"""Public docstrings: everything that a reader may call says what it is, and arrays say their shapes."""

import ast
import re
from collections.abc import Iterator

import pytest
import tiny

SOURCE = tiny.REPOSITORY / "src/cmivae"
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__init__.py")
ARRAYS = re.compile(r"\b(Tensor|ndarray|NDArray)\b")
SHAPE = re.compile(r"\((?:[A-Z0-9]\w*\b[^()]*|\w+,[\w ,/+*-]*|\.\.\.[^()]*|)\)|any shape")  # (B, Z), (n,), (..., F), ()


def public(node: ast.AST, name: str = "") -> Iterator[tuple[str, ast.ClassDef | ast.FunctionDef]]:
    """Classes, functions and methods without an underscore, with their dotted names."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef) and not child.name.startswith("_"):
            yield f"{name}{child.name}", child
            if isinstance(child, ast.ClassDef):
                yield from public(child, f"{name}{child.name}.")


def is_overload(node: ast.AST) -> bool:
    return any(ast.unparse(each) == "overload" for each in getattr(node, "decorator_list", ()))


def undocumented(tree: ast.Module) -> list[str]:
    """What has no docstring."""
    found = [] if ast.get_docstring(tree) else ["the module"]
    return found + [name for name, node in public(tree) if not ast.get_docstring(node) and not is_overload(node)]


def without_shapes(source: str) -> list[str]:
    """Functions that take or return an array, with no shape in their docstring or beside their arguments."""
    found, lines, tree = [], source.splitlines(), ast.parse(source)
    for name, node in public(tree):
        if isinstance(node, ast.FunctionDef) and not is_overload(node):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            types = [each.annotation for each in arguments if each.annotation] + [node.returns or ast.Constant(None)]
            # A dictionary by name is a state dict: its shapes are the network's.
            texts = [text for text in map(ast.unparse, types) if not text.startswith("dict")]
            comments = [line.partition("#")[2] for line in lines[node.lineno - 1 : node.body[0].lineno - 1]]
            said = "\n".join([ast.get_docstring(node) or "", *comments])
            if ARRAYS.search(" ".join(texts)) and not SHAPE.search(said):
                found.append(name)
    return found


def name_of(path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_everything_public_has_a_docstring(path):
    assert undocumented(ast.parse(path.read_text())) == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_arrays_have_shapes(path):
    assert without_shapes(path.read_text()) == []


def test_the_rules_can_be_broken():
    bad = '"""M."""\ndef f(x: Tensor) -> Tensor:\n    """Doubles it."""\nclass A:\n    def g(self): ...\n'
    assert undocumented(ast.parse(bad)) == ["A", "A.g"]
    assert without_shapes(bad) == ["f"]
    good = '"""M."""\ndef f(x: Tensor) -> Tensor:\n    """Doubles it.  (B, Z) -> (B, Z)"""\n'
    assert undocumented(ast.parse(good)) + without_shapes(good) == []
