"""What no code of ours may do, found in its syntax tree: run text or pickles, start a shell, unpack what leads out.

Names are followed through imports: ``from torch import load as l`` is ``torch.load``. A function that is only allowed
with certain arguments must be called by its name, so that the arguments can be seen.
"""

import ast
import re

MODULES = {"pickle", "_pickle", "cPickle", "joblib", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle"}
NEVER = {
    "eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec", "builtins.compile",
    "os.system", "os.popen", "pty.spawn", "subprocess.getoutput", "subprocess.getstatusoutput",
    "asyncio.create_subprocess_shell", "commands.getoutput", "tempfile.mktemp",
    "yaml.unsafe_load", "yaml.unsafe_load_all", "yaml.full_load", "yaml.full_load_all",
    "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader", "yaml.CLoader",
    "torch.hub.load", "torch.jit.load", "torch.package.PackageImporter", "numpy.lib.format.read_array",
}  # fmt: skip
SAFE_LOADERS = {"_SafeLoader", "SafeLoader", "yaml.SafeLoader", "CSafeLoader", "yaml.CSafeLoader"}
LOADS = {"torch.load", "yaml.load", "yaml.load_all", "numpy.load"}  # allowed with the right arguments only
UNPACKS = ("extractall", "extract", "unpack_archive")  # of a tar: with the data filter; a zip file has none


def unsafe(tree: ast.Module) -> list[str]:
    """What a module does that it may not, each with its line."""
    names, called = _imported(tree), set()
    found = []
    for node in ast.walk(tree):
        for module in _modules(node):
            if module.partition(".")[0] in MODULES:
                found.append((node.lineno, f"import {module}"))
        if isinstance(node, ast.Call):
            called.add(id(node.func))
            if (what := _bad_call(node, names)) is not None:
                found.append((node.lineno, what))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            name = _dotted(node, names)
            if name in NEVER or (name in LOADS and id(node) not in called):
                found.append((node.lineno, name))
    return [f"line {line}: {what}" for line, what in sorted(set(found))]


def unquoted(text: str) -> list[str]:
    """What a Snakemake rule puts into a shell command without quotes (``:q``): only numbers may stand bare."""
    found = []
    for command in re.findall(r"^ {4}shell:\n((?:^ {8}.*\n?)+)", text, flags=re.MULTILINE):
        for field in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", command):
            if not field.endswith(":q") and not re.fullmatch(r"threads|resources\.\w+", field):
                found.append(field)
    return found


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def _imported(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for, e.g. ``np`` for ``numpy``."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.AST, names: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    inner = _dotted(node.value, names) if isinstance(node, ast.Attribute) else ""
    return f"{inner}.{node.attr}" if inner else ""


def _bad_call(node: ast.Call, names: dict[str, str]) -> str | None:
    name = _dotted(node.func, names)
    last = name.rpartition(".")[2] or getattr(node.func, "attr", "")
    given = {word.arg: ast.unparse(word.value) for word in node.keywords}
    if given.get("shell", "False") != "False":
        return f"{name}(shell=…)"
    if given.get("allow_pickle", "False") != "False" or (name == "numpy.load" and len(node.args) > 2):
        return f"{name}(allow_pickle=…)"
    if name == "torch.load" and given.get("weights_only") != "True":
        return "torch.load without weights_only=True"
    if name in ("yaml.load", "yaml.load_all") and given.get("Loader") not in SAFE_LOADERS:
        return f"{name} without a safe loader"
    if last in UNPACKS and given.get("filter") not in ("'data'", "tarfile.data_filter"):
        return f"{last} without filter='data'"
    if last in ("read_pickle", "to_pickle") or (last == "YAML" and given.get("typ") == "'unsafe'"):
        return last
    return None
