"""No byte that comes from outside is ever run: pickles, tags and code wherever a data file is expected."""

import io
import json
import os
import pickle
import signal
import zipfile

import numpy as np
import pytest
import studies
import torch
from faultbook import times
from hooks import signal_at

from cmivae.provenance.io import digest, sha256_file
from cmivae.provenance.ledger import seal

CONFIG = "digits-vanilla"


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, canary):
        self.command = f"touch '{canary}'"

    def __reduce__(self):
        return os.system, (self.command,)


def as_npy(evil) -> bytes:
    raw = io.BytesIO()
    np.save(raw, np.array([evil], dtype=object), allow_pickle=True)
    return raw.getvalue()


def as_checkpoint(evil) -> bytes:
    raw = io.BytesIO()
    torch.save({"device": "cpu", "step": 1, "model": evil}, raw)
    return raw.getvalue()


def as_header(evil) -> bytes:
    """A safetensors file whose header is a pickle."""
    header = pickle.dumps(evil)
    return len(header).to_bytes(8, "little") + header


FORMS = {"plain pickle": pickle.dumps, "npy": as_npy, "checkpoint": as_checkpoint, "safetensors header": as_header}


def replace_state(space, content: bytes) -> None:
    """All checkpoints of a stopped training hold this, and their list agrees with it."""
    studies.run(space, "train", CONFIG, hook=(signal_at, (3, signal.SIGTERM, "after"))).must(85)
    (listed,) = space.rglob("state.json")
    values = json.loads(listed.read_text())
    for entry in values["generations"]:
        path = listed.parent / entry["file"]
        path.write_bytes(content)
        entry["sha256"] = sha256_file(path)
    listed.write_text(json.dumps(values))


def replace_recorded(space, folder: str, name: str, content: bytes) -> None:
    """A file of a run holds this, and its record agrees with it and has a right seal."""
    path, record = space / folder / name, space / folder / "run.json"
    path.write_bytes(content)
    values = json.loads(record.read_text())
    values["files"][name] = {"size": len(content), "sha256": sha256_file(path)}
    values["content"] = digest(values["files"])
    values.pop("seal")
    record.write_text(json.dumps(values | {"seal": seal(values)}))


def yaml_tag(space, tag: str) -> None:
    text = (space / "params.yaml").read_text()
    (space / "params.yaml").write_text(text.replace("label: test", f"label: {tag}"))


def must_refuse(space, stage: str, *names: str) -> None:
    said = studies.run(space, stage, *names).must(2)
    assert "where" in said


@pytest.mark.row(
    "pickles and code in data files",
    "a pickle that runs a command, plain, in npy, in torch's and in a safetensors header, as checkpoint, weights, "
    "embedding, prepared data and metrics, with hashes and seals made to agree; tags of Python in params.yaml",
    "nothing is run (the file that the command would make is not there), exit code 2 and the file named",
)
@times(short=6, full=24)
def test_nothing_from_a_file_is_run(count, tmp_path, prepared, row):
    canary = tmp_path / "canary"
    pickle.loads(pickle.dumps(Evil(canary)))  # noqa: S301 (the bait works)
    assert canary.exists()
    canary.unlink()
    made = studies.built(studies.copy(prepared, tmp_path / "made", epochs=2), CONFIG, stages=("train", "embed"))
    files = {
        ("data/prepared/digits", "images.safetensors"): ("train", CONFIG),
        (f"runs/train/{CONFIG}/s0", "model.safetensors"): ("embed", CONFIG),
        (f"runs/embed/{CONFIG}/s0", "latents.safetensors"): ("evaluate", CONFIG),
        (f"runs/embed/{CONFIG}/s0", "samples.safetensors"): ("evaluate", CONFIG),
    }
    cases = []
    for form, make in FORMS.items():
        content = make(Evil(canary))
        cases += [(f"{form} as checkpoint", prepared, lambda s, c=content: replace_state(s, c), ("train", CONFIG))]
        for (folder, name), then in files.items():
            change = lambda s, f=folder, n=name, c=content: replace_recorded(s, f, n, c)  # noqa: E731
            cases += [(f"{form} as {name}", made, change, then)]
    for tag in (f"!!python/object/apply:os.system [\"touch '{canary}'\"]", "!!python/name:os.system",
                "!!python/module:antigravity", f"!!python/object/new:os.system [\"touch '{canary}'\"]"):  # fmt: skip
        cases += [(tag, prepared, lambda s, tag=tag: yaml_tag(s, tag), ("train", CONFIG))]
    cases = cases[:: max(1, len(cases) // count)][:count] if count < len(cases) else cases
    for number, (label, origin, change, then) in enumerate(cases):
        with row.case(label):
            space = studies.copy(origin, tmp_path / str(number), epochs=2)
            change(space)
            must_refuse(space, *then)
            assert not canary.exists()


def test_torch_state_is_a_zip_of_a_pickle():
    """So that a checkpoint made above is what torch would load."""
    assert zipfile.is_zipfile(io.BytesIO(as_checkpoint(1)))
