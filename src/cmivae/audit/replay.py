"""Runs a stage again into a temporary folder, from what lies in the workspace, and touches nothing there.

Levels L3 (evaluate), L4 (prepare, embed) and L5 (train) are this and a comparison with what is recorded.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cmivae.audit.book import Book
from cmivae.errors import UserError
from cmivae.provenance.context import Context
from cmivae.provenance.specs import Artefact
from cmivae.stages.runner import gpu_of, make_of


@dataclass
class Replay(Context):
    """A context whose resume state is its own: the workspace's is neither read nor changed."""

    own_scratch: Path = Path()

    @property
    def scratch(self) -> Path:
        """Resume state of the replay alone: that of the real run is left as it is."""
        return self.own_scratch


@contextlib.contextmanager
def replayed(book: Book, artefact: Artefact) -> Iterator[tuple[Path, str]]:
    """Make an artefact once more in a temporary folder, removed afterwards.

    Yields: the folder, and the status (``complete`` or ``failed``).

    Raises:
        UserError: what it is made from is missing, or the GPU that it needs.
    """
    lost = [path for path in book.left_out if _needs(artefact, path) and not (book.workspace / path).is_file()]
    if lost:
        raise UserError(
            f"{artefact.name} cannot be made again from this archive",
            where=lost[0],
            why="the archive leaves it out on purpose; its SHA-256 is recorded",
            fix="--level L2, or an archive made with --with-embeddings for L3, or the workspace itself",
        )
    with tempfile.TemporaryDirectory(prefix="cmivae-verify-") as name:
        top = Path(name)
        folder = top / "made"
        folder.mkdir()
        context = Replay(book.workspace, book.study, artefact, folder, own_scratch=top / "scratch/state")
        try:
            with gpu_of(artefact, book.study.params.compute):
                status = make_of(artefact)(context) or "complete"
        except FileNotFoundError as error:
            raise UserError(
                f"{artefact.name} cannot be made again here",
                where=str(error.filename or error),
                why="what it is made from is not in this folder",
                fix="dvc pull, or in a release archive: one made with --with-embeddings, and a level up to L3",
            ) from None
        yield folder, status


def _needs(artefact: Artefact, path: str) -> bool:
    return any(path.startswith(f"{name}/") and not path.endswith(".jsonl") for name in artefact.inputs)
