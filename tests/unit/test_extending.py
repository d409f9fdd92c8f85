"""docs/extending.md is true: its files, put into a copy of the source, give a data set, a model and an objective."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest
import tiny

PAGE = (tiny.REPOSITORY / "docs/extending.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w*)\n(.*?)```", flags=re.DOTALL)
FILES = ("raw/make_bars.py", "src/cmivae/data/bars.py", "src/cmivae/models/mini_vae.py",
         "src/cmivae/objectives/free_bits.py", "params.yaml")  # fmt: skip
REGISTRY = ("READERS", "MODELS", "OBJECTIVES")
# Runs the page's commands in one process: each would else load torch anew.
DRIVER = """
import shlex, sys
from cmivae.cli import main
for line in sys.stdin.read().splitlines():
    print("$", line, flush=True)
    code = main(shlex.split(line)[1:])
    if code:
        sys.exit(code)
"""


def block_after(words: str) -> str:
    """The first code block after the line of the page that begins with these words."""
    place = PAGE.index(f"\n{words}")
    return BLOCK.search(PAGE, place).group(2)


def commands() -> list[str]:
    return block_after("From raw file to audited number").splitlines()


@pytest.fixture(scope="module")
def extended(tmp_path_factory):
    """A copy of the source with the page's files and lines, in the folder of the page's study."""
    folder = tmp_path_factory.mktemp("extended")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(tiny.REPOSITORY / "src", folder / "src", ignore=ignored)
    for name in FILES:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        assert not path.exists()
        path.write_text(block_after(f"`{name}`"), encoding="utf-8")
    registry = folder / "src/cmivae/registry.py"
    text = registry.read_text(encoding="utf-8")
    for name in REGISTRY:
        line = block_after(f"`src/cmivae/registry.py`, in `{name}`:")
        assert line.count("\n") == 1
        text = text.replace(f"\n{name} = {{\n", f"\n{name} = {{\n{line}")
    registry.write_text(text, encoding="utf-8")
    pins = folder / "src/cmivae/data/checksums.json"
    entry = json.loads(f"{{{block_after('`src/cmivae/data/checksums.json`, one entry')}}}")
    pins.write_text(json.dumps(json.loads(pins.read_text()) | entry), encoding="utf-8")
    return folder


def run(folder, *command: str, text: str = "") -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONPATH": str(folder / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, input=text, text=True, capture_output=True, check=False
    )


@pytest.fixture(scope="module")
def said(extended) -> str:
    """What the page's commands print, from the raw file to the audit."""
    made = run(extended, "raw/make_bars.py")
    assert made.returncode == 0, made.stderr
    done = run(extended, "-W", "error", "-c", DRIVER, text="\n".join(commands()))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def part(said: str, command: str) -> str:
    return said.partition(f"$ {command}")[2].partition("\n$ ")[0]


def test_the_page_has_what_it_promises():
    assert [shlex.split(line)[0] for line in commands()] == ["cmivae"] * len(commands())
    one_line_each = [block_after(f"`src/cmivae/registry.py`, in `{name}`:").strip() for name in REGISTRY]
    assert [line.partition(":")[0] for line in one_line_each] == ['"bars"', '"mini_vae"', '"free-bits"']


def test_raw_file_to_table(said):
    assert "workspace 'extended', 2 configurations x 1 seeds = 2 runs" in part(said, "cmivae check")
    before = part(said, "cmivae show")
    assert "| 0.3 | free-bits |" in before
    assert "missing (1/1 seeds)" in before  # vanilla, which is not there yet


def test_numbers_are_audited_like_any_other(said, extended):
    audit = part(said, "cmivae audit")
    assert "X1[free-bits,0.3].aolr" in audit
    assert "cmivae.objectives.free_bits" in (extended / "runs/train/bars-free-bits-g030/s0/run.json").read_text()
    record = json.loads((extended / "runs/train/bars-free-bits-g030/s0/run.json").read_text())
    code = {"cmivae.objectives.free_bits", "cmivae.models.mini_vae"}
    assert code <= record["code"].keys()
    assert record["imported_beyond_spec"] == []
    assert record["params"]["model"] == {"name": "mini_vae", "z_dim": 4, "channels": 8}
    assert "objective" in part(said, "cmivae diff")


def test_they_compute_what_they_say(extended, said):
    kl = {}
    for config in ("bars-vanilla", "bars-free-bits-g030"):
        metrics = json.loads((extended / f"runs/evaluate/{config}/s0/metrics.json").read_text())
        kl[config] = metrics["kl_z"]
        assert metrics["aolr"]["accuracy"] > 0.2  # of ten classes
    assert kl["bars-free-bits-g030"] > kl["bars-vanilla"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [("z_dim: 4", "zdim: 4", "did you mean 'z_dim'?"), ("z_dim: 4", "z_dim: 4.5", "valid integer"),
     ("mini_vae", "mini_vea", "'pixelcnn_vae'"), ("free-bits, gamma", "free-bit, gamma", "did you mean 'free-bits'?")],
)  # fmt: skip
def test_mistakes_in_what_was_added_are_named(extended, old, new, says):
    path = extended / "other/params.yaml"
    path.parent.mkdir(exist_ok=True)
    text = (extended / "params.yaml").read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = run(extended, "-m", "cmivae", "-C", "other", "check")
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_files_keep_the_house_rules(extended):
    """As they stand on the page, so that a copied file passes ``make lint``."""
    files = [str(extended / name) for name in FILES[:-1]]
    config = str(tiny.REPOSITORY / "pyproject.toml")
    for command in (("check",), ("format", "--check")):
        done = run(extended, "-m", "ruff", *command, "--config", config, *files)
        assert done.returncode == 0, done.stdout + done.stderr
