"""``make lint`` passes where Snakemake's linter ran to its end and found nothing but what it always finds."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import tiny

ALWAYS = "    * Specify a conda environment or container for each rule.:\n"
OTHER = "    * Do not access input and output files individually by index:\n"
CRASH = "Traceback (most recent call last):\nImportError: no module\n"
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def lint(folder: Path, said: str, code: int) -> subprocess.CompletedProcess:
    """Run the target with tools that pass, and a Snakemake that says this on standard error and exits so."""
    tools = folder / "tools"
    tools.mkdir()
    (folder / "demo").mkdir()
    for name in ("requirements.lock", "pyproject.toml", "ready"):
        (folder / name).touch()
    (tools / "said").write_text(said)
    scripts = dict.fromkeys(("ruff", "snakefmt", "mypy"), "exit 0")
    scripts["snakemake"] = f"cat '{tools / 'said'}' >&2; exit {code}"
    for name, body in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    command = ["make", "-f", str(tiny.REPOSITORY / "Makefile"), "lint", "READY=ready", "RUN="]
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("said", "code", "passes"),
    [(ALWAYS * 3, 1, True), (ALWAYS + OTHER, 1, False), (CRASH, 1, False), ("", 0, False), ("", 127, False)],
    ids=["only what it always finds", "another finding", "a crash", "nothing", "not installed"],
)
def test_lint(said, code, passes, tmp_path):
    done = lint(tmp_path, said, code)
    assert (done.returncode == 0) == passes, done.stderr
    assert (OTHER.strip() in done.stdout) == (OTHER in said)
    assert (CRASH in done.stderr) == (said == CRASH)
