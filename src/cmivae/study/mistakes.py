"""A mistake that the schema found in ``params.yaml``, in words: which key, what it is, and what would do instead."""

import difflib
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cmivae.errors import UserError
from cmivae.study.brought import model_params
from cmivae.study.params import BLOCKS, Params

KEY = "[key]"  # what pydantic puts after a name that is itself the mistake
BOUNDS = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below", "multiple_of": "that is a multiple of"}
FIXES = {  # by pydantic's kinds
    "int_type": "write a whole number, without quotes and without a point",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "string_type": "write text, in quotes where it looks like a number",
    "tuple_type": "write a list, e.g. [0, 1]",
    "too_short": "add what is missing",
    "too_long": "take some out",
    "missing_argument": "add what is missing",
    "unexpected_positional_argument": "take some out",
    "finite_number": "write a number that is finite",
    "model_type": "write a block of keys; {} is one of defaults alone",
    "dict_type": "write a block of names, each with keys of its own",
    "json_invalid": "write it with fewer brackets inside each other",
}
ANY = "docs/deviations.md and the root params.yaml show what it may be"


def readable(error: ValidationError, where: str, values: Any) -> UserError:
    """The first mistake, with how many others there are.

    Args:
        where: the file.
        values: what was read from it.
    """
    if values is None:
        return UserError("the file says nothing", where=where, fix="write a study; see the root params.yaml")
    first, *rest = _mistakes(error, values)
    location = _untagged(first["loc"])
    what, why, fix = _said(first, location, values)
    if rest:
        fix += f"; and {len(rest)} more {'mistake' if len(rest) == 1 else 'mistakes'} in the file, "
        fix += f"the next at {spelled(_untagged(rest[0]['loc']))}"
    key = spelled(location)
    return UserError(what, where=f"{where}:{key}" if key else where, why=why, fix=fix)


def spelled(location: tuple) -> str:
    """``datasets.digits.model.kernels[1]`` of a location in the file."""
    text = ""
    for part in location:
        if part != KEY:
            text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _mistakes(error: ValidationError, values: Any) -> list[ErrorDetails]:
    """Without those that only follow from others, and typos first.

    A list with a wrong item is also too short, and a typo makes the right key missing.
    """
    found = error.errors(include_url=False)
    inside = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    meant = {(*each["loc"][:-1], _close(each, values)) for each in found if each["type"] == "extra_forbidden"}
    follows = [
        (each["type"] == "too_short" and each["loc"] in inside) or (each["type"] == "missing" and each["loc"] in meant)
        for each in found
    ]
    kept = [each for each, follow in zip(found, follows, strict=True) if not follow]
    return sorted(kept, key=lambda each: each["type"] != "extra_forbidden")


def _said(mistake: ErrorDetails, location: tuple, values: Any) -> tuple[str, str, str]:
    """What, why and fix."""
    name = _named(location)
    if mistake["type"] == "extra_forbidden":
        close = _close(mistake, values)
        known = f"known here: {', '.join(_fields_at(Params, mistake['loc'][:-1], values))}"
        return f"unknown key {name!r}", "", f"did you mean {close!r}?" if close else known
    if mistake["type"] == "missing":
        return f"the key {name!r} is missing", "", "add it; see the root params.yaml"
    subject = repr(name) if name else "the whole file"
    if location and location[-1] == KEY:
        what = f"the name {name!r} is not allowed"
    else:
        what = f"{subject} is {_short(mistake['input'])}"
    return what, mistake["msg"][0].lower() + mistake["msg"][1:], _fix(mistake)


def _named(location: tuple) -> str:
    """The last name, with the places in lists after it: ``seeds[0]``."""
    names = [place for place, part in enumerate(location) if isinstance(part, str) and part != KEY]
    return spelled(location[names[-1] :]) if names else ""


def _fix(mistake: ErrorDetails) -> str:
    context = mistake.get("ctx", {})
    if mistake["type"] == "float_type" and isinstance(mistake["input"], str):
        return "write it as 0.001 or 1.0e-3: YAML reads 1e-3 as text"
    if mistake["type"] == "literal_error":
        return f"choose {context['expected']}"
    if mistake["type"] == "string_pattern_mismatch":
        return _fitting(context["pattern"])
    for bound, words in BOUNDS.items():
        if bound in context:
            number = context[bound]
            return f"choose a value {words} {f'{number:g}' if isinstance(number, float) else number}"
    return FIXES.get(mistake["type"], ANY)


def _fitting(pattern: str) -> str:
    if "auto" in pattern:
        return "choose auto, cpu, cuda or cuda:N"
    if "A-Z" in pattern:
        return "begin with a capital letter, then letters and digits, e.g. T4"
    return "use small letters, digits and hyphens, e.g. fashion-mnist"


def _close(mistake: ErrorDetails, values: Any) -> str:
    """The known key that an unknown one resembles, or nothing."""
    known = _fields_at(Params, mistake["loc"][:-1], values)
    return next(iter(difflib.get_close_matches(str(mistake["loc"][-1]), known, n=1)), "")


def _untagged(location: tuple) -> tuple:
    """Where a mistake is in the file: without the kind of data set that pydantic puts after its name."""
    tagged = len(location) > 2 and location[0] == "datasets" and location[2] in BLOCKS
    return location[:2] + location[3:] if tagged else location


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _fields_at(model: type[BaseModel], location: tuple, values: Any) -> list[str]:
    """Field names of the block at ``location`` (a pydantic error location) of these values."""
    current: Any = model
    for place, part in enumerate(location):
        if place == 2 and location[0] == "datasets":  # the kind of data set
            current = BLOCKS.get(part)
        elif isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(part))
            current = field.annotation if field else None
            if location[: place + 1] == (*location[:3], "model") and location[0] == "datasets":
                current = model_params(values["datasets"][location[1]]["model"].get("name"), current)
        else:  # dict[name, block]: the part is a name
            current = next((a for a in get_args(current) if isinstance(a, type) and issubclass(a, BaseModel)), None)
    if isinstance(current, type) and issubclass(current, BaseModel):
        return sorted(current.model_fields)
    return []
