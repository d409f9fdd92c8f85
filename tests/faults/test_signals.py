"""A training that is asked to stop saves the step it is in, says so and goes on later with the same bits."""

import signal
import time

import pytest
import studies
from faultbook import times
from hooks import asked_in_a_step, signal_at, signal_in, steps_into

from cmivae.provenance.io import read_json

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT)
CONFIGS = ("digits-cmi-g030", "voices-cmi-g080", "digits-mi-g030", "voices-beta-g080")


def saved_step(folder, config: str) -> int:
    """Of the newest checkpoint."""
    (manifest,) = (folder / ".cmivae/scratch/train" / config).rglob("state.json")
    return read_json(manifest)["generations"][0]["step"]


def goes_on(folder, config: str, whole) -> None:
    """It ends with the bytes of a run that never stopped."""
    studies.built(folder, config, stages=("train",))
    studies.same(studies.outcome(folder, config), studies.outcome(whole, config))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, prepared):
    folder = studies.copy(prepared, tmp_path_factory.mktemp("signals") / "whole", minutes=5.0)
    return studies.built(folder, *CONFIGS, stages=("train",))


@pytest.mark.row(
    "SIGTERM, SIGUSR1, SIGHUP or Ctrl-C to a training",
    "the four signals in turn: half in the middle of a random step, half from outside at a random moment; a "
    "checkpoint is due only in five minutes",
    "exit code 85, the step that was begun is saved (no step is lost), and resumed it ends with the same bytes",
)
@times(short=3, full=20)
def test_asked_to_stop_it_loses_nothing(count, tmp_path, prepared, whole, chance, row):
    for number in range(count):
        config, sent = CONFIGS[number // 2 % len(CONFIGS)], SIGNALS[(number // 2) % len(SIGNALS)]
        folder = studies.copy(prepared, tmp_path / str(number), minutes=5.0)
        step = chance.randrange(2, studies.STEPS * studies.EPOCHS)
        with row.case(f"{config} {sent.name} step {step}"):
            if number % 2 == 0:
                hook = (signal_at, (step, sent, chance.choice(["before", "after"])))
                said = studies.run(folder, "train", config, hook=hook).must(85)
                assert saved_step(folder, config) == step
            else:
                at = folder / "step.txt"
                child = studies.run(folder, "train", config, hook=(steps_into, (str(at), 1, 0.02)))
                child.until(lambda at=at, step=step: at.exists() and int(at.read_text() or 0) >= min(step, 9))
                child.send(sent)
                said = child.must(85)
                assert saved_step(folder, config) == int(at.read_text())
            assert "saved" in said
            goes_on(folder, config, whole)


@pytest.mark.row(
    "a second signal",
    "during a step that takes a minute, once the first signal was handled",
    "the process ends within 2 s, and started again it ends with the same bytes",
)
@times(short=1, full=5)
def test_a_second_signal_stops_at_once(count, tmp_path, prepared, whole, chance, row):
    for number in range(count):
        folder, config = studies.copy(prepared, tmp_path / str(number)), CONFIGS[number % 2]
        first, second = chance.sample(SIGNALS[:3], 2)
        with row.case(f"{config} {first.name} {second.name}"):
            at, asked = folder / "step.txt", folder / "asked.txt"
            child = studies.run(folder, "train", config, hook=(asked_in_a_step, (str(at), 3, 60.0, str(asked))))
            child.until(lambda at=at: at.exists() and at.read_text() == "3")
            child.send(first)
            child.until(asked.exists)
            assert child.process.is_alive()
            begin = time.monotonic()
            child.send(second)
            assert child.wait() == -second
            assert time.monotonic() - begin < 2
            goes_on(folder, config, whole)


@pytest.mark.row(
    "SIGTERM or SIGUSR1 before or after the steps",
    "while the data is loaded, and while weights and record are written",
    "exit code 85, nothing half-written, no step lost, and started again it ends with the same bytes",
)
@times(short=2, full=8)
def test_a_signal_outside_the_steps(count, tmp_path, prepared, whole, row):
    places = ("load", "write weights", "write record", "put in place")
    for number in range(count):
        place, sent, config = places[number % 4], SIGNALS[number // 4 % 2], CONFIGS[number % 2]
        folder = studies.copy(prepared, tmp_path / str(number), minutes=5.0)
        with row.case(f"{place} {sent.name}"):
            said = studies.run(folder, "train", config, hook=(signal_in, (place, sent))).must(85)
            assert "start it again" in said
            assert not (folder / "runs/train" / config / "s0").exists()
            if place != "load":
                said = studies.run(folder, "train", config).must(0)
                assert f"goes on after step {read_steps(whole, config)}" in said  # no step was lost
            goes_on(folder, config, whole)


def read_steps(folder, config: str) -> int:
    """How many steps a finished training made."""
    return read_json(folder / "runs/train" / config / "s0/run.json")["selected"]["steps"]
