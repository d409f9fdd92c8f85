"""Each key of ``params.yaml`` is read by code: a key that does nothing would be a promise that nobody keeps."""

import ast
from typing import get_args

import pytest
import tiny
from pydantic import BaseModel

from cmivae.registry import CORPUS_KEYS, OBJECTIVE_KEYS
from cmivae.study import params as study

SOURCE = tiny.REPOSITORY / "src/cmivae"
# What the code calls a block of parameters where it reads one; ``p`` and ``found`` are no such names.
OWNERS = {
    "params", "data", "train", "critic", "model", "embed", "evaluate", "posthoc", "compute", "style", "figure", "table",
    "config", "block", "dataset", "synth", "p", "f", "job.params",
}  # fmt: skip


def blocks(model: type[BaseModel] = study.Params) -> set[type[BaseModel]]:
    """All parameter blocks, from the whole file down."""
    found, waiting = set(), [model, *study.BLOCKS.values()]
    while waiting:
        current = waiting.pop()
        if isinstance(current, type) and issubclass(current, BaseModel):
            if current not in found:
                found.add(current)
                waiting += [field.annotation for field in current.model_fields.values()]
        else:
            waiting += get_args(current)
    return found


def reads(source: str) -> set[str]:
    """Attributes that are read of something that has the name of a block."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
            owner = ast.unparse(node.value)
            if owner in OWNERS or owner.rpartition(".")[2] in OWNERS or owner.endswith("]"):
                found.add(node.attr)
    return found


@pytest.fixture(scope="module")
def read() -> set[str]:
    """All that the code reads, beside the module that declares the keys."""
    modules = [path for path in SOURCE.rglob("*.py") if path != SOURCE / "study/params.py"]
    names = set().union(*(reads(path.read_text()) for path in modules))
    declared = set().union(*OBJECTIVE_KEYS.values(), *CORPUS_KEYS.values())  # tested against classes and readers
    return names | declared


@pytest.mark.parametrize("block", sorted(blocks(), key=lambda each: each.__name__), ids=lambda each: each.__name__)
def test_each_key_is_read(block, read):
    assert block.model_fields.keys() - read == set()


def test_blocks_are_found():
    names = {block.__name__ for block in blocks()}
    assert {"Params", "Train", "SpeechTrain", "Posthoc", "Synth", "Config", "Table", "Figure", "Style"} <= names


def test_a_key_that_nothing_reads_is_found(read):
    assert {"not_read_anywhere", "epochs"} - read == {"not_read_anywhere"}
    assert reads("x.epochs\nparams.epochs = 1\nself.params.lr\nparams.datasets[name].reader") == {
        "lr",
        "reader",
        "datasets",
    }
