"""``cmivae doctor``: what this machine has of what a study needs, and for each thing that is missing the fix."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from cmivae.audit.book import Book
from cmivae.errors import UserError
from cmivae.provenance.environment import REPOSITORY, said, version_of
from cmivae.provenance.ledger import state

OWN = ("timit", "manifest")  # readers of corpora that only the user can bring
ROOM = 5e9  # bytes that should be free
CORE = ("torch", "numpy", "scipy", "scikit-learn", "matplotlib", "safetensors", "pydantic", "snakemake", "dvc")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


class Seen(NamedTuple):
    """One thing looked at: ``ok`` is None where it is wished for but not needed."""

    name: str
    ok: bool | None
    text: str
    fix: str = ""


def doctor(workspace: Path) -> tuple[list[str], int]:
    """Look at everything.

    Returns: lines to print, and how many things that are needed are missing.
    """
    looks: list[Callable[[], Iterator[Seen]]] = [_python, _packages, _tools, _device, lambda: _room(workspace)]
    seen = [each for look in looks for each in look()] + list(_workspace(workspace))
    marks = {True: "ok", False: "MISSING", None: "note"}
    lines = []
    for each in seen:
        lines.append(f"  {marks[each.ok]:<8} {each.name:<12} {each.text}")
        lines += [f"{'':<24}fix: {each.fix}"] if each.fix and each.ok is not True else []
    return lines, sum(each.ok is False for each in seen)


def _python() -> Iterator[Seen]:
    fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Seen("python", fits, platform.python_version(), "use Python 3.11, 3.12 or 3.13")


def _packages() -> Iterator[Seen]:
    pinned = _pins()
    for name in CORE:
        version = version_of(name)
        if version is None:
            yield Seen(name, False, "not installed", "make setup")
        elif name in pinned and version.partition("+")[0] not in pinned[name]:
            says = " or ".join(sorted(pinned[name]))
            yield Seen(name, None, f"{version}, the lock says {says}", "make setup; last bits may differ")
        else:
            yield Seen(name, True, version)
    if find_spec("rocrate") is None:
        yield Seen("rocrate", None, "not installed: only cmivae export --ro-crate needs it", "pip install rocrate")
    if version_of("ruamel.yaml.clib") is None:
        yield Seen(
            "yaml parser", None, "DVC parses YAML in pure Python", "pip install ruamel.yaml.clib: 3 times faster"
        )


def _pins() -> dict[str, set[str]]:
    """Versions that the lock allows; for another Python it may name another."""
    lock = REPOSITORY / "requirements.lock"
    text = lock.read_text(encoding="utf-8") if lock.is_file() else ""
    found: dict[str, set[str]] = {}
    for name, version in PIN.findall(text):
        found.setdefault(name.lower(), set()).add(version.partition("+")[0])
    return found


def _tools() -> Iterator[Seen]:
    for name, fix in (("git", "install git"), ("snakemake", "make setup, then source .venv/bin/activate"),
                      ("dvc", "make setup, then source .venv/bin/activate")):  # fmt: skip
        path = shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))
        yield Seen(f"{name} command", path is not None, "found" if path else "not on PATH", fix)


def _device() -> Iterator[Seen]:
    yield Seen("processors", True, f"{os.cpu_count()}, OMP_NUM_THREADS {os.environ.get('OMP_NUM_THREADS', 'not set')}")
    driver = said("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    if not driver:
        yield Seen("GPU", None, "none: the demo needs none, the paper's scale does", "a machine with an NVIDIA driver")
        return
    for text in driver.splitlines():
        yield Seen("GPU", True, text)
    if find_spec("torch") is not None:
        import torch

        works = torch.cuda.is_available()
        fix = f"a driver for CUDA {torch.version.cuda}, or a torch build for this driver"
        yield Seen("torch CUDA", works, "works" if works else "torch does not see the GPU", fix)


def _room(workspace: Path) -> Iterator[Seen]:
    free = shutil.disk_usage(workspace).free
    yield Seen("disk", free > ROOM, f"{free / 1e9:.0f} GB free", f"free some space: {ROOM / 1e9:.0f} GB at least")


def _workspace(workspace: Path) -> Iterator[Seen]:
    try:
        book = Book(workspace)
        params = book.study.params
    except UserError as error:
        yield Seen("params", False, error.what, error.fix or error.why)
        return
    yield Seen("params", True, f"{params.label}: {len(params.configs)} configurations, {len(params.seeds)} seeds")
    for name in params.datasets:
        yield _data(book, name)
    if book.is_archive:
        yield Seen("archive", True, "a release archive: audit and verify work, nothing is made here")
        return
    inside = said("git", "-C", str(workspace), "rev-parse", "--is-inside-work-tree")
    fix = "dvc config --local core.no_scm true, or git init: DVC needs one of them"
    yield Seen("git checkout", True if inside == "true" else None, "yes" if inside == "true" else "no", fix)
    config = "".join(path.read_text() for path in (workspace / ".dvc").glob("config*") if path.is_file())
    remote = "remote" in config
    text = "configured" if remote else "none: dvc push and pull have no place to go"
    yield Seen("DVC remote", True if remote else None, text, "dvc remote add --default NAME FOLDER-OR-URL")


def _data(book: Book, name: str) -> Seen:
    block = book.study.params.datasets[name]
    if state(book.workspace, book.study[f"data/raw/{name}"]) is None:
        return Seen(f"data {name}", True, "fetched")
    source = block.data.source
    if source is None:
        how = {"synth": "it is computed", "digits": "it comes with scikit-learn"}.get(block.reader)
        how = how or "downloads, or with --from FOLDER, from your copy"
        if block.reader in OWN:
            how = "with --from your copy of the corpus, or name it as data.source; it cannot be downloaded"
        return Seen(f"data {name}", None, "not fetched yet", f"cmivae fetch {name}: {how}")
    there = (book.workspace / Path(source).expanduser()).exists()
    fix = f"put the raw files there, or change params.yaml:datasets.{name}.data.source"
    return Seen(f"data {name}", there, f"source {'is there' if there else 'is not there'}", fix)
