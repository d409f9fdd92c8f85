"""Strict reading of ``params.yaml``: any mistake is named by file and key, with a suggestion, before a job starts."""

import difflib
import json
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from cmivae.errors import UserError
from cmivae.study.brought import model_params
from cmivae.study.checks import check_study
from cmivae.study.params import BLOCKS, Params


def load_params(path: Path | str = "params.yaml") -> Params:
    """Read and check a workspace's parameters.

    Raises:
        UserError: the file is missing, is not YAML, or says something that ``study.params`` or ``study.checks``
            does not allow.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(
            "there is no params.yaml here",
            where=str(path),
            fix="run from a workspace: the repository's root or demo/",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        fix = "let your user read it (chmod u+r), and save it as UTF-8"
        raise UserError("params cannot be read", where=str(path), why=str(error), fix=fix) from None
    params = parse_params(_parse_yaml(text, path), where=str(path))
    check_study(params, where=str(path))
    return params


def parse_params(values: Any, where: str = "params.yaml") -> Params:
    """Check plain values against the schema; the first mistakes are reported together."""
    try:
        text = json.dumps(values, allow_nan=True)  # JSON mode: lists are tuples, and NaN reaches the check
    except (TypeError, ValueError) as error:
        raise UserError("a value is neither text, number, list nor mapping", where=where, why=str(error)) from None
    try:
        return Params.model_validate_json(text)
    except ValidationError as error:
        raise _readable(error, where, values) from None


class _SafeLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, which PyYAML would take the last of, and aliases.

    A few lines of aliases of aliases expand without end, and a block that holds itself cannot be written out.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            problem = f"the alias *{event.anchor} is not allowed here: write it out"
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected a mapping", node.start_mark)
        seen: dict[str, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be plain text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice (first in line {seen[key]})", key_node.start_mark
                )
            seen[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep)


# What PyYAML raises, instead of its own error, for a scalar that is not what its tag says, e.g. ``!!bool maybe``.
_BAD_SCALAR = (ValueError, LookupError, AttributeError)


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        return yaml.load(text, Loader=_SafeLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, *_BAD_SCALAR, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UserError("params are not valid YAML", where=f"{path}{line}", why=problem) from None


def _untagged(location: tuple) -> tuple:
    """Where a mistake is in the file: without the kind of data set that pydantic puts after its name."""
    tagged = len(location) > 2 and location[0] == "datasets" and location[2] in BLOCKS
    return location[:2] + location[3:] if tagged else location


def _readable(error: ValidationError, where: str, values: Any) -> UserError:
    mistakes = error.errors(include_url=False)
    mistakes.sort(key=lambda each: each["type"] != "extra_forbidden")  # a typo also makes the right key missing
    first, *rest = mistakes
    location = _untagged(first["loc"])
    key = ".".join(str(part) for part in location)
    name = str(location[-1]) if location else ""
    subject = repr(name) if name else "the whole file"
    fix = f"and {len(rest)} more of this kind" if rest else ""
    if first["type"] == "extra_forbidden":
        known = _fields_at(Params, first["loc"][:-1], values)
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"
        return UserError(f"unknown key {name!r}", where=f"{where}:{key}", fix=hint)
    if first["type"] == "missing":
        return UserError(f"the key {name!r} is missing", where=f"{where}:{key}", fix="add it; see the root params.yaml")
    if first["type"] == "float_type" and isinstance(first["input"], str):
        fix = "write it as 0.001 or 1.0e-3: YAML reads 1e-3 as text"
    why = first["msg"][0].lower() + first["msg"][1:]
    place = f"{where}:{key}" if key else where
    return UserError(f"{subject} is {_short(first['input'])}", where=place, why=why, fix=fix)


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
