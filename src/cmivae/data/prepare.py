"""Grey images to binary splits and the labelled subsets that all runs share (paper section 5.3)."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

from cmivae.data.readers import Grey
from cmivae.errors import UserError
from cmivae.provenance.io import read_json, write_bytes, write_json
from cmivae.study.params import ImageData

IMAGES, SUBSETS = "images.safetensors", "subsets.json"
PROBE, MCAS = 0, 1  # kinds of subset, part of the seed of each draw
TEST_CUT = 1  # keeps the draw of the test cut apart from the split's
REMAKE = "delete it and run the prepare stage again"


@dataclass(frozen=True)
class Prepared:
    """Binary images with labels, and index lists into the training images."""

    train_x: np.ndarray  # (N, 28, 28) uint8, 0 or 1
    train_y: np.ndarray  # (N,) uint8
    valid_x: np.ndarray
    valid_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    subsets: dict[str, Any]  # probe: indices (AoLR, AoSVM); mcas: a list of index lists


ARRAYS = tuple(field.name for field in fields(Prepared) if field.name != "subsets")


def binarize(grey: np.ndarray, threshold: float) -> np.ndarray:
    """1 where ``grey / 255 >= threshold``, else 0; uint8 in and out, any shape (static, docs/protocol.md)."""
    table = (np.arange(256) / 255 >= threshold).astype(np.uint8)
    return table[grey]


def split(n: int, valid_fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train and to validate on: one permutation of ``n``, cut once (60,000 -> 48,000 and 12,000).

    Raises:
        UserError: a part would be empty.
    """
    n_valid = round(n * valid_fraction)
    if not 0 < n_valid < n:
        why = f"{valid_fraction} of {n} images leaves a part empty"
        fix = "change valid_fraction, or bring more images"
        raise UserError(
            "the images cannot be split", where="params.yaml:datasets.*.data.valid_fraction", why=why, fix=fix
        )
    order = np.random.default_rng(seed).permutation(n)
    return order[: n - n_valid], order[n - n_valid :]


def draw_subset(
    labels: np.ndarray,
    per_class: int,
    rng: np.random.Generator,
    classes: np.ndarray | None = None,
    key: str = "per_class",
) -> list[int]:
    """Indices of ``per_class`` images of each class, by class and then in the order drawn.

    A smaller ``per_class`` with an equal generator gives the first ones of each class.

    Args:
        labels: (N,).
        classes: the classes that must be there; by default those of ``labels``.
        key: the parameter to name in an error.

    Raises:
        UserError: a class has too few images.
    """
    drawn: list[int] = []
    for label in np.unique(labels) if classes is None else classes:
        members = rng.permutation(np.flatnonzero(labels == label))
        if len(members) < per_class:
            why = f"class {label} has {len(members)} training images and {per_class} are wanted"
            fix = f"lower {key}, or train on more images (n_train)"
            raise UserError("too few labelled images", where=f"params.yaml:datasets.*.data.{key}", why=why, fix=fix)
        drawn += members[:per_class].tolist()
    return drawn


def prepare(grey: Grey, params: ImageData) -> Prepared:
    """Split, cut, binarise, and draw the subsets; the same input gives the same bytes.

    ``n_train`` and ``n_valid`` keep the first of the permuted order. ``n_test`` keeps a random part in the
    source's order, since the first half of MNIST's test images is easier than the second.

    Raises:
        UserError: more images are asked for than there are.
    """
    train, valid = split(len(grey.train_x), params.valid_fraction, params.split_seed)
    train, valid = _cut(train, params.n_train, "n_train"), _cut(valid, params.n_valid, "n_valid")
    test = np.random.default_rng([params.split_seed, TEST_CUT]).permutation(len(grey.test_x))
    test = np.sort(_cut(test, params.n_test, "n_test"))
    on = params.threshold
    return Prepared(
        train_x=binarize(grey.train_x[train], on),
        train_y=grey.train_y[train],
        valid_x=binarize(grey.train_x[valid], on),
        valid_y=grey.train_y[valid],
        test_x=binarize(grey.test_x[test], on),
        test_y=grey.test_y[test],
        subsets=_subsets(grey.train_y[train], np.unique(grey.train_y), params),
    )


def save(prepared: Prepared, folder: Path) -> None:
    """Write ``images.safetensors`` and ``subsets.json``, each atomically."""
    arrays = {name: np.ascontiguousarray(getattr(prepared, name)) for name in ARRAYS}
    write_bytes(Path(folder) / IMAGES, to_bytes(arrays))
    write_json(Path(folder) / SUBSETS, prepared.subsets)


def load(folder: Path) -> Prepared:
    """What ``save`` wrote.

    Raises:
        UserError: a file is missing or damaged, or the two do not fit each other.
    """
    path = Path(folder) / IMAGES
    try:
        arrays = load_file(path)
    except FileNotFoundError:
        raise UserError("prepared images are missing", where=str(path), fix="run the prepare stage") from None
    except (SafetensorError, OSError) as error:
        raise UserError("prepared images are damaged", where=str(path), why=str(error), fix=REMAKE) from None
    if set(arrays) != set(ARRAYS):
        why = f"it holds {sorted(arrays)}, expected {sorted(ARRAYS)}"
        raise UserError("not a file of prepared images", where=str(path), why=why, fix=REMAKE)
    subsets = read_json(Path(folder) / SUBSETS)
    _check_subsets(subsets, len(arrays["train_x"]), Path(folder) / SUBSETS)
    return Prepared(**arrays, subsets=subsets)


def _cut(order: np.ndarray, count: int | None, key: str) -> np.ndarray:
    if count is not None and count > len(order):
        why = f"{count} images are wanted and there are {len(order)}"
        fix = f"lower {key}, or leave it out to take all"
        raise UserError("too few images", where=f"params.yaml:datasets.*.data.{key}", why=why, fix=fix)
    return order[:count]


def _subsets(labels: np.ndarray, classes: np.ndarray, params: ImageData) -> dict[str, Any]:
    # A generator for each subset, so that adding subsets leaves the earlier ones as they are.
    def draw(kind: int, number: int, per_class: int, key: str) -> list[int]:
        rng = np.random.default_rng([params.subset_seed, kind, number])
        return draw_subset(labels, per_class, rng, classes, key)

    mcas = [draw(MCAS, s, params.mcas_per_class, "mcas_per_class") for s in range(params.mcas_subsets)]
    return {"probe": draw(PROBE, 0, params.probe_per_class, "probe_per_class"), "mcas": mcas}


def _check_subsets(subsets: Any, n_train: int, path: Path) -> None:
    whole = isinstance(subsets, dict) and set(subsets) == {"probe", "mcas"} and isinstance(subsets["mcas"], list)
    lists = [subsets["probe"], *subsets["mcas"]] if whole else []
    if not whole or not all(isinstance(part, list) for part in lists):
        raise UserError("not a file of subsets", where=str(path), why="it needs probe and mcas", fix=REMAKE)
    if not all(type(index) is int and 0 <= index < n_train for part in lists for index in part):
        why = f"an index is not one of the {n_train} training images"
        raise UserError("subsets do not fit the images", where=str(path), why=why, fix=REMAKE)
