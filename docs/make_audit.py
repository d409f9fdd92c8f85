"""Writes ``docs/audit.md``: the audit's commands on a small built workspace, with what they really say.

    python docs/make_audit.py WORKSPACE > docs/audit.md

``tests/audit/test_docs.py`` builds such a workspace, runs this and compares, numbers and digests masked.
"""

import contextlib
import io
import re
import shutil
import sys
import tempfile
from pathlib import Path

from cmivae.cli import main

CELL, OTHER, RUN = "x4.cmi.g0.3.aolr", "x4.vanilla.g0.0.aolr", "digits-cmi-g030/s0"
LATENTS = "runs/embed/digits-cmi-g030/s0/latents.safetensors"
STEADY = ("python", "params", "data digits", "git checkout", "DVC remote")  # of doctor: the same on all machines
HEAD = """# The audit: ask any number what made it

Made by `docs/make_audit.py` from a very small study (two configurations, two seeds, one epoch, 96 digits), so its
numbers mean nothing; a test runs the same commands and compares. In a workspace of yours the commands are the same,
with your tables' names: `cmivae -C demo audit d4.cmi.g0.3.aolr`.

An address is `T4[cmi,0.3].aolr` (quote it in a shell) or `t4.cmi.g0.3.aolr` (no quotes needed): table, row, column.
With `.se`, `.n` or `.paper` behind it, that part of the cell; without a column, the row; with a figure's name, a
point of it. `--json` gives all of it to machines.
"""
LEVELS = """
| level | does | tolerance |
|:--|:--|:--|
| L0 | every record, file and input that is named is there, made with what `params.yaml` says | none may miss |
| L1 | every file is read and hashed, with audio elsewhere; records are sealed; specs and links agree | exact |
| L2 | values, errors and all printed tables once more from the metric files; drawn points from cells | exact |
| L3 | metrics, points, pages, sounds once more from embeddings | exact on recorded libraries and processor, else 1e-6 |
| L4 | prepared data from raw data, embeddings from weights | exact there, else 1e-5 |
| L5 | training once more from the seed, in a temporary folder | exact there; elsewhere the difference is told |

A level includes those before it. DVC's and Snakemake's bookkeeping and modification times are not used. Whoever
rewrites a file, its record, its seal and everything below can pass L0 to L2; L3 to L5 find that, and so does the commit
of `dvc.lock` that `cmivae audit` names. Where a corpus that is kept elsewhere does not lie on this machine, L1 says so
in a note, and L4 fails with one finding that names the folder and where to say that it has moved.
"""
CRATE = """No path of the machine goes into an archive: data that lay outside of the workspace are named `outside/NAME`
in it, in `params.yaml`, `dvc.lock` and the record of the fetched data, whose seal is made anew. No digest of a run
covers where its data lay. If a path is left anywhere, say in a note, nothing is exported and the file is named.

### As an RO-Crate

`cmivae export FOLDER --ro-crate --by 'NAME, ORCID'` (extra `[rocrate]`) also writes `ro-crate-metadata.json`: a
Provenance Run Crate 0.5, and so a Workflow Run, Process Run and Workflow RO-Crate. The Snakefile is its workflow, each
stage a step with its tool, each artefact an action with times, inputs and results, each printed number a property that
names the runs it is made of. Authors and publisher come from `CITATION.cff`; `--by` is who ran the study: an author
of that file, or anyone else. Without it no agent is named.

The public validator is no dependency, and the tests that ask it are skipped where it is not at hand. In an environment
of its own:

```
python -m venv /tmp/roc && /tmp/roc/bin/pip install roc-validator==0.13.0 rocraters==0.6.0
/tmp/roc/bin/python tests/audit/validate_crate.py CRATE
ROC_VALIDATOR=/tmp/roc/bin/python pytest tests/audit/test_crate.py
```

The validator would fetch one file from the web, the JSON-LD context of RO-Crate 1.1. The script takes it from the
package rocraters, which carries it byte for byte, checks its SHA-256, puts it into the validator's own HTTP cache and
runs the validator with `--offline`. Tried on a crate of the demo (images and speech), and by the tests on a small study
of each: **all 85 REQUIRED checks of the five profiles pass.** Of the 98 RECOMMENDED checks, these stay open:

| open | until |
|:--|:--|
| the id of a software application should be an absolute URI | `repository-code` stands in `CITATION.cff` |
| the same of the Snakefile | never: the main workflow must be a file of the crate |
| the organisation should have a URL | its `website` stands in `CITATION.cff` |
| an action should have an agent | `--by` is given |
| the author should have an affiliation | `--by` names a group of `CITATION.cff` instead of a person |
"""
QUESTIONS = (
    ("Which learning rate, seed, data and code made this number?", ("audit", CELL)),
    ("Is a seed missing or failed in this row?", ("audit", "x4.cmi.g0.3")),
    ("Which cells and runs is this point of the figure drawn from?", ("audit", "x3.cmi.g0.3")),
    ("What differs between two rows, and is the difference more than the seeds'?", ("diff", CELL, OTHER)),
    ("What changed since this was made?", ("why", RUN)),
    ("Has any file been touched?", ("verify", "--level", "L1")),
    (
        "Do the printed digits follow from the metrics, and these from the embeddings?",
        ("verify", CELL, "--level", "L3"),
    ),
    ("Would training give these very weights again?", ("verify", CELL, "--level", "L5")),
    ("How much is done, and how long will the rest take?", ("plan",)),
    ("What is running, and how far is it?", ("status",)),
)


def document(workspace: Path) -> str:
    """The whole page."""
    parts = [HEAD, "## Ten questions, a command each\n"]
    for number, (question, command) in enumerate(QUESTIONS, start=1):
        parts.append(f"**{number}. {question}**\n\n{_block(workspace, *command)}")
    with tempfile.TemporaryDirectory() as name:
        other = Path(name) / "other"
        shutil.copytree(workspace, other, symlinks=True)
        parts += ["## When something does not hold\n", *_damaged(other)]
    parts += [f"## Levels of `cmivae verify`\n{LEVELS}", "## More\n"]
    parts.append(f"What is missing on this machine (some lines of it):\n\n{_doctor(workspace)}")
    parts.append(
        f"What the paper claims, by its own numbers and by ours (`cmivae claims` has all seven):\n\n{_claim(workspace)}"
    )
    parts.append(_exported(workspace))
    return "\n".join(parts).rstrip() + "\n"


def _damaged(other: Path) -> list[str]:
    path = other / LATENTS
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    found = ["One bit of an embedding is flipped:\n", _block(other, "verify")]
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    params = other / "params.yaml"
    params.write_text(params.read_text().replace("c: 1.0", "c: 2.0"))
    found += ["`evaluate.c` is changed from 1.0 to 2.0:\n", _block(other, "why", RUN)]
    return found


def _claim(workspace: Path) -> str:
    return _block(workspace, "audit", "claim:C6") + "\n" + _block(workspace, "audit", "claim:C7")


def _doctor(workspace: Path) -> str:
    lines = _block(workspace, "doctor").splitlines()
    kept = [text for text in lines[2:-1] if any(f" {name} " in text for name in STEADY)]
    return "\n".join([*lines[:2], *kept, "  …", lines[-1], ""])


def _exported(workspace: Path) -> str:
    with tempfile.TemporaryDirectory() as name:
        command = ("export", "release.tar.gz")
        said = _say(workspace, "export", f"{name}/release.tar.gz").replace(f"{name}/", "")
        shutil.unpack_archive(f"{name}/release.tar.gz", name, filter="data")
        inside = _block(Path(name) / "release", "verify")
    text = "A release archive, in which `audit` and `verify` work without git, DVC or the network:\n"
    then = "and in the unpacked archive, where `sha256sum -c SHA256SUMS` agrees:\n"
    return f"{text}\n{_fenced(command, said)}\n{then}\n{inside}\n{CRATE}"


def _block(workspace: Path, *command: str) -> str:
    return _fenced(command, _say(workspace, *command))


def _fenced(command: tuple[str, ...], said: str) -> str:
    return f"```\n$ cmivae {' '.join(command)}\n{said.rstrip()}\n```\n"


def _say(workspace: Path, *command: str) -> str:
    """What a command prints, errors too, called in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        code = main(["-C", str(workspace), "-q", *command])
    return out.getvalue() + (f"(exit code {code})\n" if code else "")


def masked(text: str) -> str:
    """What must not change: words; numbers, digests, times, machines and the widths of columns may."""
    text = re.sub(
        r"(epoch \S+|–)  +\S+T[\d:]+  .*?(\d+)  +\S+ (CPU|GPU)$", r"\1 WHEN WHERE \2", text, flags=re.MULTILINE
    )
    text = re.sub(r"made \S+T[\d:]+Z|python \S+  torch \S+", "THEN", text)
    text = re.sub(r"measured on.*", "measured on", text)
    text = re.sub(r"(?m)^  (fetch|prepare|train|embed|baseline|evaluate|tables|figures|report) .*$", r"  \1", text)
    text = re.sub(r"lock \w+…", "lock", text)
    text = re.sub(r"git \S+ (clean|dirty)", "GIT", text)  # as the code lay there when it was asked
    text = re.sub(r"\b(?=[a-f]*\d)[0-9a-f]{7,}\b", "H", text)
    text = re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?", "N", text)
    return re.sub(r"[ ]+", " ", text)


if __name__ == "__main__":
    sys.stdout.write(document(Path(sys.argv[1])))
