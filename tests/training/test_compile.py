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


NAMES = "plain", "compiled"


def curve(folder):
    return [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]


def test_losses_are_those_of_plain_steps(tmp_path):
    trainers = {name: Trainer(make_job(tmp_path / name, epochs=2, compile=name == "compiled")) for name in NAMES}
    assert all(trainer.run().failure is None for trainer in trainers.values())
    for plain, other in zip(*(curve(tmp_path / name) for name in NAMES), strict=True):
        assert other.pop("kind") == plain.pop("kind")
        # Biases before a critic's normalisation get gradients that are rounding alone, and Adam makes steps of them:
        # no loss of training feels them, but logits of validation, where running means lag behind, do a little.
        assert other == pytest.approx(plain, rel=1e-4, abs=5e-3)
    plain, compiled = (trainers[name].job.critics["zs"].net[1].num_batches_tracked for name in NAMES)
    assert plain == compiled == 2 * trainers["plain"].step  # the VAE's own pass leaves the critic as it is


def test_a_resume_ends_with_the_same_bits(tmp_path):
    whole = Trainer(make_job(tmp_path / "whole", epochs=2, compile=True)).run()
    with pytest.raises(Preempted):
        Trainer(make_job(tmp_path / "parts", epochs=2, compile=True, stop=StopAt(4))).run()
    same_bits(whole.weights, Trainer(make_job(tmp_path / "parts", epochs=2, compile=True)).run().weights)
