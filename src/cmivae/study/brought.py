"""Models whose parameters are not in ``study.params``: they bring them along, as ``Params`` beside their class.

So a new model is one file and one line of the registry (docs/extending.md). Only a workspace that uses such a model
imports it when ``params.yaml`` is read.
"""

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from cmivae.errors import UserError
from cmivae.registry import MODELS

BUILT_IN = ("pixelcnn_vae", "dsae")  # their parameters are in study.params


def model_params(name: Any, default: type[BaseModel]) -> type[BaseModel]:
    """The parameters of the model of this name; ``default`` for those of ``study.params`` and for an unknown name.

    Raises:
        UserError: the model brings none.
    """
    if not isinstance(name, str) or name in BUILT_IN or name not in MODELS:
        return default
    module = MODELS[name].partition(":")[0]
    found = getattr(import_module(module), "Params", None)
    if found is None:
        fix = "write a class Params(Strict) there: `name` and the model's keys"
        raise UserError(f"model {name!r} brings no parameters", where=module, fix=fix)
    return found


class ModelOf:
    """Marks a block ``model``: ``default`` holds its parameters, or the model's own file does."""

    def __init__(self, default: type[BaseModel]):
        self.default = default

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the block by what the model brings."""
        return core_schema.no_info_wrap_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """For editors: the keys of a built-in model, and any under another name."""
        known = {"properties": {"name": {"enum": list(BUILT_IN)}}}
        return {"type": "object", "required": ["name"], "if": known, "then": handler(schema)}

    def _check(self, values: Any, handler: Callable[[Any], Any]) -> Any:
        if not isinstance(values, dict):
            return handler(values)
        block = model_params(values.get("name"), self.default)
        return block.model_validate_json(json.dumps(values))  # as all of params.yaml: lists are tuples
