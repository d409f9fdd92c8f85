"""The contract of a speech corpus: an index of utterances with speaker, sex and part, each file by its SHA-256."""

import csv
import io
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Protocol

from cmivae.errors import UserError
from cmivae.provenance.io import write_text
from cmivae.study.params import SpeechData

INDEX = "utterances.csv"
REMAKE = "run `cmivae fetch` for this data set with --force"


@dataclass(frozen=True)
class Utterance:
    """One audio file of a corpus."""

    path: str  # relative to the corpus's root, with slashes
    speaker: str
    gender: str  # F or M
    part: str  # train, valid or test
    core: bool  # of the test part: in the core list too
    sentence: str  # TIMIT: sa1, sx217, …; elsewhere any name
    samples: int  # at 16 kHz
    sha256: str  # of the file's bytes

    @property
    def name(self) -> str:
        """Speaker and sentence, e.g. ``mdab0/sx139``."""
        return f"{self.speaker}/{self.sentence}"


class Corpus(Protocol):
    """What a reader in ``registry.CORPORA`` does; it is made with the data set's ``data`` block."""

    def __init__(self, params: SpeechData): ...

    def obtain(self, folder: Path) -> Path:
        """Where the audio lies when the user names no source: made or downloaded below ``folder``; returns the root.

        Raises:
            UserError: this corpus cannot be had without a source, or a download failed.
        """
        ...

    def index(self, root: Path) -> list[Utterance]:
        """All utterances below ``root``, by part, speaker, sentence; checked, with warnings where counts are odd.

        Raises:
            UserError: a file that cannot be used, named with the fix; or nothing is there.
        """
        ...


def save_index(utterances: list[Utterance], folder: Path) -> None:
    """Write ``utterances.csv``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Utterance)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(each) | {"core": int(each.core)} for each in utterances)
    write_text(Path(folder) / INDEX, text.getvalue())


def load_index(folder: Path) -> list[Utterance]:
    """What ``save_index`` wrote.

    Raises:
        UserError: the file is missing or damaged.
    """
    path = Path(folder) / INDEX
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
        return [Utterance(**(row | {"core": row["core"] == "1", "samples": int(row["samples"])})) for row in rows]
    except FileNotFoundError:
        raise UserError("the index of utterances is missing", where=str(path), fix=REMAKE) from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError("the index of utterances is damaged", where=str(path), why=str(error), fix=REMAKE) from None
