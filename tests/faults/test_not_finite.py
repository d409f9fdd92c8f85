"""NaN and infinity, wherever they come from, are found in the step that they come in and reach no table."""

import math

import pytest
import studies
from faultbook import times
from hooks import not_finite_at

from cmivae.provenance.io import read_json

PLACES = ("batch", "weights", "gradient", "critic weights", "critic gradient", "estimator gradient")
CONFIGS = ("digits-cmi-g030", "voices-cmi-g080", "digits-mi-g030", "voices-mi-g080")


@pytest.mark.row(
    "NaN and infinity",
    "put into the batch, weights and gradients of the model, weights and last gradient of its critic and last "
    "gradient of the estimator, at a random step, first and last ones too",
    "the run fails in that very step, writes no weights, and tables say `failed` and average nothing",
)
@times(short=3, full=24)
def test_it_is_found_in_the_same_step_and_reaches_no_table(count, tmp_path, prepared, chance, row):
    for number in range(count):
        place, config = PLACES[number % len(PLACES)], CONFIGS[number // 2 % len(CONFIGS)]
        value = chance.choice([math.nan, math.inf, -math.inf])
        folder = studies.copy(prepared, tmp_path / str(number), epochs=2)
        last = 2 * studies.STEPS
        step = (1, last)[number % 2] if number % 3 == 0 else chance.randint(1, last)
        with row.case(f"{value} in {place} of {config} at step {step} of {last}"):
            said = studies.run(folder, "train", config, hook=(not_finite_at, (step, place, value))).must(0)
            assert f"not finite at step {step}" in said, said
            run = folder / "runs/train" / config / "s0"
            assert read_json(run / "failure.json")["step"] == str(step)
            assert not list(run.glob("*.safetensors"))
            studies.built(folder, config, stages=("embed", "evaluate"))
            shown = studies.run(folder, "show").must(0)
            assert "failed (1/1 seeds)" in shown
            assert "nan" not in shown.replace("nats", "").lower()
