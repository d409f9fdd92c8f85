"""Linear algebra of the metrics runs on one thread a job, whatever the machine would take."""

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

FIRST = {  # a stage, what it reads before, and the first thing that it computes
    "image.evaluate": (("load_file", "not_finite"), "_likelihood"),
    "image.baseline": (("load",), "_real"),
    "speech.evaluate": (("load_file", "not_finite", "load"), "core_of"),
    "speech.baseline": (("load",), "_mean_spectra"),
}


class Seen(Exception):
    """Stops a stage once its threads were counted."""


def blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("stage", FIRST)
def test_metrics_take_one_thread(stage, monkeypatch):
    module, (reads, first) = import_module(f"cmivae.stages.{stage}"), FIRST[stage]
    nothing = SimpleNamespace(
        subsets={"mcas": [[0]], "probe": [0]}, lists={}, of=lambda part: [], owners=lambda part: np.zeros(1)
    )
    for name in reads:
        monkeypatch.setattr(module, name, lambda *arguments, name=name: nothing if name == "load" else None)

    def look(*arguments: object) -> None:
        raise Seen(blas_threads())

    monkeypatch.setattr(module, first, look)
    params, run = SimpleNamespace(evaluate=None), SimpleNamespace(name="run")
    context = SimpleNamespace(workspace=Path("x"), prepared=None, image=params, speech=params, run=run)
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2}
        with pytest.raises(Seen) as seen:
            module.make(context)
        assert seen.value.args[0] == {1}
        assert blas_threads() == {2}
