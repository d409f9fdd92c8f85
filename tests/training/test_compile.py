"""``train.compile``: the losses of the plain steps to rounding, and a resume with the same bits (CPU; minutes)."""

import json

import pytest
from test_resume import StopAt, make_job, same_bits

from cmivae.errors import Preempted
from cmivae.training.loop import Trainer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # warnings of the compiler about itself are no errors
]


def curve(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def test_losses_are_those_of_plain_steps(tmp_path):
    for name, compiled in (("plain", False), ("compiled", True)):
        result = Trainer(make_job(tmp_path / name, epochs=2, compile=compiled)).run()
        assert result.failure is None
    for plain, other in zip(curve(tmp_path / "plain"), curve(tmp_path / "compiled"), strict=True):
        assert other.pop("kind") == plain.pop("kind")
        assert other == pytest.approx(plain, rel=1e-4)


def test_a_resume_ends_with_the_same_bits(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole", epochs=2, compile=True)).run()
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path / "parts", epochs=2, compile=True, stop=StopAt(4))).run()
    same_bits(whole.weights, Trainer(make_job(tmp_path / "parts", epochs=2, compile=True)).run().weights)
