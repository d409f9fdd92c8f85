"""From a corpus's list of files to its checked index: speakers in one part, names once, each file read once."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cmivae.data.audio import index_file
from cmivae.data.corpus import Utterance
from cmivae.errors import UserError
from cmivae.progress import Progress

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Listed:
    """An utterance whose file was not read yet; fields as in ``Utterance``."""

    path: str
    speaker: str
    gender: str  # F or M
    part: str  # train, valid or test
    core: bool
    sentence: str


def index_listed(listed: list[Listed], root: Path) -> list[Utterance]:
    """Read each file once and return the index by part, speaker, sentence.

    Args:
        listed: what a reader found.
        root: folder that the paths count from.

    Raises:
        UserError: nothing is listed; a speaker is in test and elsewhere or of two sexes; a name is there twice; a
            file cannot be used.
    """
    if not listed:
        raise UserError("no utterance was found", where=str(root), fix="check `source` in params.yaml")
    _check_speakers(listed, root)
    for name, count in Counter((each.speaker, each.sentence) for each in listed).items():
        if count > 1:
            paths = ", ".join(each.path for each in listed if (each.speaker, each.sentence) == name)
            fix = "keep one of them, or give them other names"
            raise UserError(f"'{'/'.join(name)}' is there {count} times", where=str(root), why=paths, fix=fix)
    index, progress = [], Progress("index", len(listed), unit="file")
    for each in sorted(listed, key=lambda each: (PARTS.index(each.part), each.speaker, each.sentence)):
        samples, sha256 = index_file(Path(root) / each.path)
        index.append(Utterance(**vars(each), samples=samples, sha256=sha256))
        progress.step()
    progress.close()
    return index


def _check_speakers(listed: list[Listed], root: Path) -> None:
    parts, sexes = defaultdict(set), defaultdict(set)
    for each in listed:
        parts[each.speaker].add(each.part)
        sexes[each.speaker].add(each.gender)
    both = [speaker for speaker, where in parts.items() if "test" in where and len(where) > 1]
    if both:
        what = f"{some(both, 'speaker', 'speakers')} in the test part and in another"
        raise UserError(what, where=str(root), why="an EER on them would mean nothing", fix="leave them in one part")
    mixed = [speaker for speaker, where in sexes.items() if len(where) > 1]
    if mixed:
        what = f"{some(mixed, 'speaker', 'speakers')} both female and male"
        raise UserError(what, where=str(root), fix="correct the list, or give two people two names")


def some(names: Iterable[str], one: str, many: str) -> str:
    """``2 speakers: a, b``, with at most five names."""
    names = sorted(names)
    more = ", …" if len(names) > 5 else ""
    return f"{len(names)} {one if len(names) == 1 else many} ({', '.join(names[:5])}{more})"
