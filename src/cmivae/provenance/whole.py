"""What a record must be to exist for the rest of the system, so that who reads one need not ask of what kind its parts
are: it may come from anybody. Plain checks, since every command asks of every record.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from cmivae.provenance.io import digest

FORMAT = 1
STATUSES = ("complete", "failed")
LARGEST = 1 << 62  # of a number: beyond it sums and hours are no numbers any more
Check = Callable[[Any], bool]


def is_whole(values: Any, folder: str) -> bool:
    """Whether these are a record of ``folder`` with all its parts, and a file table that agrees with its digest."""
    if not isinstance(values, dict) or not values.keys() >= REQUIRED.keys():
        return False
    if not all(check(values[part]) for part, check in REQUIRED.items()) or values["folder"] != folder:
        return False
    if not all(check(values[part]) for part, check in OPTIONAL.items() if values.get(part) is not None):
        return False
    try:
        return digest(values) != "" and values["content"] == digest(values["files"])
    except ValueError:  # NaN, infinity or half a character: no record of ours has them
        return False


def are_segments(value: Any) -> bool:
    """Whether a value is what the processes that worked on an artefact say of themselves."""
    return isinstance(value, list) and all(map(_SEGMENT, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST < value < LARGEST


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _shape(*there: str, **fields: Check) -> Check:
    """Whether a value is a dict with these fields, and perhaps more; one in ``there`` may be None but not missing."""

    def check(value: Any) -> bool:
        if not isinstance(value, dict) or not all(key in value for key in there):
            return False
        return all(each(value.get(key)) for key, each in fields.items())

    return check


def _each(of_key: Check, of_value: Check) -> Check:
    return lambda value: isinstance(value, dict) and all(of_key(key) and of_value(each) for key, each in value.items())


def _stays_inside(name: str) -> bool:
    """Whether a path of a record leads to where it may."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


@lru_cache(maxsize=1024)  # all records name the same modules
def _is_module(name: str) -> bool:
    return name.replace(".", "").isidentifier()


def _is_revision(value: Any) -> bool:
    """Whether a value may go to git: none that reads as an option."""
    return isinstance(value, str) and value.isalnum()


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


_TEXT_OR_NONE, _NUMBER_OR_NONE = _or_none(_is_text), _or_none(_is_number)
_SEGMENT = _shape("stop", start=_is_text, stop=_TEXT_OR_NONE, wall_s=_NUMBER_OR_NONE)
_TORCH = _shape(gpu=_TEXT_OR_NONE)
REQUIRED: dict[str, Check] = {
    "format": lambda value: value == FORMAT,
    "stage": _is_text,
    "folder": _is_text,
    "status": lambda value: value in STATUSES,
    "spec": _is_text,
    "params": _shape(seed=_or_none(_is_count)),
    "inputs": _each(_stays_inside, _shape(spec=_is_text, content=_is_text)),
    "code": _each(_is_module, _is_text),
    "files": _each(_stays_inside, _shape(size=_is_count, sha256=_is_text)),
    "content": _is_text,
    "environment": _shape(python=_is_text, processor=_is_text, host=_is_text, libraries=_is_dict,
                          lock_sha256=_TEXT_OR_NONE, torch=_or_none(_TORCH)),
}  # fmt: skip
OPTIONAL: dict[str, Check] = {  # what only some stages say, or records from before it was written do not
    "segments": are_segments,
    "cost": _each(_is_text, _NUMBER_OR_NONE),
    "git": _shape("dirty", revision=_is_revision, dirty=_TEXT_OR_NONE),
    "selected": _shape(epoch=_is_count),
    "source": _is_text,
}
