"""The live curve of a run: JSON lines with running means, cut back to the checkpoint on resume."""

import json
import math
import os
from pathlib import Path

import torch
from torch import Tensor

from cmivae.errors import UserError


class Means:
    """Running means of named terms, kept on the device so that no step waits for it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.sums = torch.zeros(0, dtype=torch.double)  # one a name, and last the number of values of each

    def add(self, **terms: Tensor) -> None:
        """Add one value (a scalar, or the batch whose mean counts) for each term; the same terms each time."""
        values = [value.detach() if value.ndim == 0 else value.detach().mean() for value in terms.values()]
        added = torch.stack([*values, torch.ones_like(values[0])]).double()
        if not self.names:
            self.names, self.sums = list(terms), torch.zeros_like(added)
        self.sums.add_(added)  # in place, for a captured step

    def take(self) -> dict[str, float]:
        """The means since the last call, and start again."""
        *sums, count = self.sums.tolist() or [0.0]
        self.sums.zero_()
        return {name: value / count for name, value in zip(self.names, sums, strict=True)} if count else {}

    def state(self) -> dict:
        """All that a resume needs."""
        return {"names": self.names, "sums": self.sums}

    def restore(self, state: dict, device: torch.device) -> None:
        """Inverse of ``state``."""
        self.names, self.sums = state["names"], state["sums"].to(device)


class Curve:
    """``curve.jsonl``: one to ten lines an epoch, and one for each validation."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def write(self, kind: str, epoch: int, step: int, values: dict[str, float]) -> None:
        """Append one line; it is on disk for a reader at once."""
        whole = {name: value if math.isfinite(value) else None for name, value in values.items()}
        line = json.dumps({"kind": kind, "epoch": epoch, "step": step, **whole})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def flush(self) -> None:
        """Bring what is written to the disk, so that no checkpoint is ahead of it."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def size(self) -> int:
        """Bytes written so far."""
        return self.path.stat().st_size

    def cut(self, size: int) -> None:
        """Forget what a killed process wrote after its last checkpoint."""
        if self.size() < size:
            raise UserError(
                "the curve is shorter than the checkpoint of this run says",
                where=str(self.path),
                why="part of it was lost, so the run cannot go on as if it had never stopped",
                fix=f"remove {self.path.parent} to train this run from the start",
            )
        with self.path.open("r+b") as file:
            file.truncate(size)


def finite(*values: Tensor) -> Tensor:
    """True when all of the scalars are finite; stays on the device.  () bool"""
    return torch.stack([value.detach() for value in values]).isfinite().all()
