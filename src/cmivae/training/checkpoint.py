"""Resume state: all of it, in two generations, each accepted only when its SHA-256 agrees.

The state lives in a scratch folder outside the DAG (``.cmivae/scratch/…``), since Snakemake deletes a job's outputs
before it starts. These are our own files, read with ``weights_only=True``; what leaves a run is safetensors.
"""

import io
import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from cmivae.errors import UserError
from cmivae.provenance.io import read_json, sha256_file, write_bytes, write_json

log = logging.getLogger("cmivae")
MANIFEST = "state.json"
AFRESH = "remove the folder of the states to train this run from the start"
REFUSED = torch.serialization.pickle.UnpicklingError  # what torch raises for anything but tensors
ROOM = 3  # times its size must be free on disk before a state is written


class Checkpoints:
    """Two generations of resume state in one folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def save(self, state: dict[str, Any], at: dict[str, int]) -> None:
        """Write a state; the one before stays until the next.

        Raises:
            UserError: there is too little room on the disk; nothing was written.
        """
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        self.folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free
        if free < ROOM * len(content):
            raise UserError(
                f"{free / 1e6:.0f} MB free, a checkpoint of {len(content) / 1e6:.0f} MB needs {ROOM} times its size",
                where=str(self.folder),
                why="training stopped before the disk was full; the last checkpoint is whole",
                fix="free some space and start the same command again: it goes on from there",
            )
        for leftover in self.folder.glob(".*.part"):  # of a process killed while writing
            leftover.unlink()
        generations = self._generations()
        name = "state-b.pt" if generations and generations[0]["file"] == "state-a.pt" else "state-a.pt"
        write_bytes(self.folder / name, content)
        entry = {"file": name, "sha256": sha256_file(self.folder / name), **at}
        write_json(self.folder / MANIFEST, {"generations": [entry, *generations[:1]]})

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole, on the CPU; None where there never was one.

        Raises:
            UserError: there are states, but all are damaged.
        """
        generations = self._generations()
        for entry in generations:
            path = self.folder / Path(entry["file"]).name
            if path.is_file() and sha256_file(path) == entry["sha256"]:
                return _read(path)
            log.warning("checkpoint %s is damaged; trying the one before", path.name)
        if generations:
            raise UserError(
                "all checkpoints of this run are damaged",
                where=str(self.folder),
                why="starting afresh in silence would hide it",
                fix=AFRESH,
            )
        return None

    def _generations(self) -> list[dict[str, Any]]:
        path = self.folder / MANIFEST
        if not path.is_file():
            return []
        try:
            found = [{**entry, "file": str(entry["file"])} for entry in read_json(path)["generations"]]
        except (TypeError, KeyError) as error:
            raise UserError(
                "the list of checkpoints is damaged", where=str(path), why=repr(error), fix=AFRESH
            ) from None
        return found


def _read(path: Path) -> dict[str, Any]:
    """A state whose hash agrees; no code in it is run."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (REFUSED, RuntimeError, ValueError, EOFError) as error:
        why = f"{str(error).splitlines()[0]}; what is not plain tensors is never loaded"
        raise UserError("a checkpoint is not one of ours", where=str(path), why=why, fix=AFRESH) from None
