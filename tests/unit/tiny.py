"""A minimal workspace for tests: the digits, one table, one curve, one grid of samples, three configurations."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from cmivae.errors import UserError
from cmivae.provenance.specs import Study
from cmivae.study.checks import check_study
from cmivae.study.loading import parse_params
from cmivae.study.params import Params

REPOSITORY = Path(__file__).resolve().parents[2]
TEXT = """\
label: tiny
note: three runs a seed
seeds: [0, 1]
datasets:
  digits:
    reader: digits
    data: {mcas_subsets: 2}
    model: {name: pixelcnn_vae, kernels: [5, 3], cut: 1}
    critic: {}
    train: {epochs: 1, lr: 0.003}
    embed: {posthoc: {inits: 1}}
    evaluate: {c: 1.0}
configs:
  digits-vanilla: {dataset: digits, objective: vanilla, gamma: 0.0}
  digits-beta-g030: {dataset: digits, objective: beta, gamma: 0.3}
  digits-cmi-g030: {dataset: digits, objective: cmi, gamma: 0.3}
tables:
  D4: {title: Digits, dataset: digits}
figures:
  D3: {title: Curve, kind: curve, dataset: digits, metric: mcas}
  D5: {title: Samples, kind: samples, dataset: digits, configs: [digits-cmi-g030]}
style: {dpi: 100}
"""


def values() -> dict[str, Any]:
    """The parameters as plain values, free to be changed."""
    return copy.deepcopy(yaml.safe_load(TEXT))


def put(found: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Set a dotted key, making blocks on the way; the values are changed and returned."""
    *path, last = key.split(".")
    block = found
    for name in path:
        block = block.setdefault(name, {})
    block[last] = value
    return found


def drop(found: dict[str, Any], key: str) -> dict[str, Any]:
    """Remove a dotted key; the values are changed and returned."""
    *path, last = key.split(".")
    block = found
    for name in path:
        block = block[name]
    del block[last]
    return found


def mistake(call: Callable[[], object]) -> UserError | None:
    """What a call complains about; None where it does not, and any other exception goes through."""
    try:
        call()
    except UserError as error:
        return error
    return None


def params(changes: dict[str, Any] | None = None, base: dict[str, Any] | None = None) -> Params:
    """Checked parameters, with dotted keys changed."""
    found = values() if base is None else copy.deepcopy(base)
    for key, value in (changes or {}).items():
        put(found, key, value)
    checked = parse_params(found)
    check_study(checked, "params.yaml")
    return checked


def study(changes: dict[str, Any] | None = None) -> Study:
    """All artefacts of the minimal study, with dotted keys changed."""
    return Study(params(changes))


def study_of(base: dict[str, Any]) -> Study:
    """All artefacts of these values."""
    return Study(params(base=base))


def workspace(folder: Path, content: str | bytes = TEXT) -> Path:
    """Write ``params.yaml`` into a folder, made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    raw = content if isinstance(content, bytes) else content.encode()
    (folder / "params.yaml").write_bytes(raw)
    return folder


def leaves(found: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to value of all leaves."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        key = f"{prefix}{name}"
        flat |= leaves(value, f"{key}.") if isinstance(value, dict) else {key: value}
    return flat
