"""Strict reading of ``params.yaml``: any mistake is named by file and key, with a suggestion, before a job starts."""

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from cmivae.errors import UserError
from cmivae.study.checks import check_study
from cmivae.study.mistakes import readable
from cmivae.study.params import Params


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
        what, fix = "a value is neither text, number, list nor mapping", "put it in quotes, or write a number"
        raise UserError(what, where=where, why=str(error), fix=fix) from None
    try:
        return Params.model_validate_json(text)
    except ValidationError as error:
        raise readable(error, where, values) from None


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
        where = "there" if mark else "in the file"
        fix = (
            f"look {where} for a tab, a bracket or quote that is not closed, or a key, tag or alias to write otherwise"
        )
        raise UserError("params are not valid YAML", where=f"{path}{line}", why=problem, fix=fix) from None
