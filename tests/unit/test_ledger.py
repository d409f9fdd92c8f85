"""Records: whole or not there, and each reason for which an artefact must be made again."""

import json
import multiprocessing
import os

import pytest
import tiny
from filelock import FileLock

from cmivae.errors import EXIT_BUSY, UserError
from cmivae.provenance import ledger
from cmivae.provenance.io import digest
from cmivae.provenance.ledger import (
    check_files,
    cost,
    difference,
    read_record,
    require,
    seal,
    state,
    write_record,
)
from cmivae.provenance.staleness import spec_path, sync
from cmivae.provenance.whole import REQUIRED
from cmivae.stages import runner
from cmivae.stages.runner import build, lock

RAW, PREPARED, TRAIN = "data/raw/digits", "data/prepared/digits", "runs/train/digits-cmi-g030/s0"


@pytest.fixture(autouse=True)
def quick_records(monkeypatch):
    for module in (ledger, runner):
        monkeypatch.setattr(module, "git_state", lambda: None)


@pytest.fixture
def study():
    return tiny.study()


@pytest.fixture
def made(tmp_path, study):
    """A workspace with raw data, prepared data and one training: made-up files, true records."""
    tiny.workspace(tmp_path)
    for folder in (RAW, PREPARED, TRAIN):
        make(tmp_path, study, folder)
    return tmp_path


def make(workspace, study, folder, content=b"content"):
    (workspace / folder / "inner").mkdir(parents=True, exist_ok=True)
    (workspace / folder / "a.bin").write_bytes(content)
    (workspace / folder / "inner/b.bin").write_bytes(b"")
    artefact = study[folder]
    inputs = [read_record(workspace, name) for name in artefact.inputs]
    write_record(workspace / folder, study.params.label, artefact, inputs)


def test_record_round_trips(made, study):
    record = read_record(made, TRAIN)
    assert record.spec == study[TRAIN].spec
    assert record.status == "complete"
    assert record.files()["a.bin"]["size"] == 7
    assert set(record.files()) == {"a.bin", "inner/b.bin"}
    assert record.values.keys() >= REQUIRED.keys()
    assert record.values["params"]["gamma"] == 0.3
    assert record.values["label"] == "tiny"
    assert record.values["inputs"][PREPARED]["content"] == read_record(made, PREPARED).content
    assert state(made, study[TRAIN]) is None
    assert require(made, study[TRAIN]).run_id == record.run_id
    check_files(made, record)


def test_code_beyond_the_spec_is_told(study, monkeypatch):
    frame = {"cmivae.data.fetch"}
    monkeypatch.setattr(runner, "imported_now", lambda: frame | {"cmivae.training.loop"})
    assert runner._beyond_spec(study[TRAIN], frame) == []
    monkeypatch.setattr(runner, "imported_now", lambda: frame | {"cmivae.training.loop", "cmivae.evaluation.mcas"})
    assert runner._beyond_spec(study[TRAIN], frame) == ["cmivae.evaluation.mcas"]


def test_record_is_made_of_spec_and_content_alone(made, study):
    first = read_record(made, TRAIN).run_id
    make(made, study, TRAIN)
    assert read_record(made, TRAIN).run_id == first
    make(made, study, TRAIN, content=b"contend")
    assert read_record(made, TRAIN).run_id != first


def test_half_written_record_is_not_there(made, study):
    path = made / TRAIN / "run.json"
    whole = path.read_text()
    for length in [*range(0, len(whole) - 2, 97), len(whole) - 2]:  # the last characters are a brace and a newline
        path.write_text(whole[:length])
        assert read_record(made, TRAIN) is None
        assert state(made, study[TRAIN]) == "it has no complete run.json"


@pytest.mark.parametrize("key", sorted(REQUIRED))
def test_record_without_a_key_is_not_there(key, made):
    edit(made, TRAIN, lambda values: values.pop(key))
    assert read_record(made, TRAIN) is None


@pytest.mark.parametrize("content", ["[]", "null", "7", '"x"', "{}", "\x00"])
def test_record_of_another_kind_is_not_there(content, made):
    (made / TRAIN / "run.json").write_text(content)
    assert read_record(made, TRAIN) is None


def test_record_of_another_format_is_not_there(made):
    edit(made, TRAIN, lambda values: values.update(format=2))
    assert read_record(made, TRAIN) is None


def test_record_whose_file_table_was_edited_is_not_there(made):
    edit(made, TRAIN, lambda values: values["files"]["a.bin"].update(sha256="0" * 64))
    assert read_record(made, TRAIN) is None


def edit(workspace, folder, change):
    path = workspace / folder / "run.json"
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values | {"seal": seal(values)}))


def test_an_edited_record_breaks_its_seal(made, study):
    path = made / TRAIN / "run.json"
    values = json.loads(path.read_text())
    values["params"]["gamma"] = 0.4  # and the spec left as it was: without the seal, the record would lie
    path.write_text(json.dumps(values))
    assert state(made, study[TRAIN]) == "run.json was edited after it was written"


@pytest.mark.parametrize("value", [None, [], float("nan"), float("inf"), "\ud800"])
@pytest.mark.parametrize("part", ["params", "inputs", "environment"])
def test_a_record_that_no_stage_writes_is_none(part, value, made):
    path = made / TRAIN / "run.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {part: value}))
    assert read_record(made, TRAIN) is None


WRONG = [
    ("files.a.bin", 7), ("files.a.bin", {"size": 7}), ("files.a.bin", {"sha256": "0"}),
    ("files.a.bin", {"size": "7", "sha256": "0"}), ("files.a.bin", {"size": -1, "sha256": "0"}),
    ("files.a.bin", {"size": True, "sha256": "0"}), ("files.a.bin", {"size": 1 << 70, "sha256": "0"}),
    ("inputs.x", {}), ("inputs.x", "content"), ("inputs.x", {"spec": "a", "content": 5}), ("code.cmivae.x", None),
    ("code...", "0"), ("code.", "0"), ("params.seed", []), ("stage", 5), ("spec", None), ("status", "done"),
    ("folder", "runs/train/digits-cmi-g030/s1"), ("environment", {}), ("environment.host", None),
    ("environment.libraries", []), ("environment.torch", []), ("environment.torch", {"gpu": ["H100"]}),
    ("segments", 5), ("segments", [5]), ("segments", [{"start": "x"}]), ("segments", [{"start": 5, "stop": None}]),
    ("segments", [{"start": "x", "stop": "y", "wall_s": "1"}]), ("cost", 5), ("cost", {"wall_s": "1"}),
    ("cost", {"wall_s": 10**400}), ("git", {"revision": "a" * 40}), ("git", "main"),
    ("git", {"revision": "--output=x", "dirty": None}), ("selected", {"value": 1.0}),
    ("selected", 3), ("source", 5),
]  # fmt: skip


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(("place", "value"), [pytest.param(*each, id=f"{each[0]}-{i}") for i, each in enumerate(WRONG)])
def test_a_record_with_a_part_of_another_kind_is_not_there(place, value, sealed, made):
    """Whoever made it took care that all digests fit: its parts are still none that a stage writes."""
    path = made / TRAIN / "run.json"
    values = json.loads(path.read_text())
    part, _, key = place.partition(".")
    values[part] = values[part] | {key: value} if "." in place else value
    values["content"] = digest(values["files"])
    del values["seal"]
    path.write_text(json.dumps(values | ({"seal": seal(values)} if sealed else {})))
    assert read_record(made, TRAIN) is None


@pytest.mark.parametrize("part", ["segments", "cost", "git", "selected", "source", "run", "label", "seal", "imported"])
def test_a_record_without_what_came_later_is_whole(part, made):
    path = made / TRAIN / "run.json"
    values = json.loads(path.read_text())
    values.pop(part, None)
    path.write_text(json.dumps(values))
    assert read_record(made, TRAIN) is not None
    path.write_text(json.dumps(values | {part: None}))
    assert read_record(made, TRAIN) is not None


def test_record_says_all_that_made_it(made):
    values = read_record(made, TRAIN).values
    assert values["run"] == {"config": "digits-cmi-g030", "seed": 0}
    assert values["environment"].keys() >= {"python", "platform", "processor", "host", "libraries", "lock_sha256"}
    assert values["cost"].keys() == {"wall_s", "cpu_s", "gpu_s", "peak_mb", "untold"}
    assert values["inputs"].keys() == {PREPARED}
    assert "cmivae.training.loop" in values["code"]


def test_cost_is_of_all_segments():
    segment = {"wall_s": 2.0, "cpu_s": 1.5, "peak_mb": 100.0}
    killed = {"start": "x", "stop": None, "end": "killed"}
    found = cost([killed, segment, segment | {"peak_mb": 90.0}], {"device": "cuda"})
    assert found == {"wall_s": 4.0, "cpu_s": 3.0, "gpu_s": 4.0, "peak_mb": 100.0, "untold": 1}
    assert cost([segment], None)["gpu_s"] == 0.0


def test_nothing_made_yet(tmp_path, study):
    assert state(tmp_path, study[RAW]) == "it was not made yet"


def test_changed_size_is_seen_without_hashing(made, study):
    (made / TRAIN / "a.bin").write_bytes(b"longer content")
    assert state(made, study[TRAIN]) == "a.bin has 14 bytes, recorded 7"


def test_missing_file_is_seen(made, study):
    (made / TRAIN / "inner/b.bin").unlink()
    assert state(made, study[TRAIN]) == "inner/b.bin is missing"
    with pytest.raises(UserError, match="recorded file is missing") as caught:
        check_files(made, read_record(made, TRAIN))
    assert caught.value.where == f"{TRAIN}/inner/b.bin"


def test_changed_content_is_named_by_rehashing(made, study):
    (made / TRAIN / "a.bin").write_bytes(b"CONTENT")
    assert state(made, study[TRAIN]) is None
    for check in (lambda: check_files(made, read_record(made, TRAIN)), lambda: require(made, study[TRAIN])):
        with pytest.raises(UserError, match="not what its run recorded") as caught:
            check()
        assert caught.value.where == f"{TRAIN}/a.bin"
        assert f"dvc pull {TRAIN}" in caught.value.fix


def test_input_made_again_with_other_content_is_seen(made, study):
    make(made, study, PREPARED, content=b"other")
    assert state(made, study[PREPARED]) is None
    assert state(made, study[TRAIN]) == f"{PREPARED} holds other files than it was made from"


def test_input_made_again_with_the_same_content_is_fine(made, study):
    make(made, study, PREPARED)
    assert state(made, study[TRAIN]) is None


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("datasets.digits.train.lr", 0.004, "train.lr 0.003, params say 0.004"),
     ("datasets.digits.model.kernels", [5, 5], "model.kernels [5, 3], params say [5, 5]"),
     ("datasets.digits.train.select", "last", "train.select 'objective', params say 'last'")],
)  # fmt: skip
def test_stale_message_has_both_values(key, value, says, made):
    changed = tiny.study({key: value})
    with pytest.raises(UserError) as caught:
        require(made, changed[TRAIN])
    assert caught.value.what == f"STALE {TRAIN}: made with {says}"
    assert "again first" in caught.value.fix


def test_stale_by_code_names_the_module(made, study):
    edit(made, TRAIN, lambda values: values.update(spec="x") or values["code"].update({"cmivae.training.loop": "0"}))
    assert state(made, study[TRAIN]) == "made with other code: cmivae.training.loop"


def test_stale_by_input_names_its_kind(made):
    changed = tiny.study({"datasets.digits.data.threshold": 0.4})
    assert state(made, changed[TRAIN]).startswith("its inputs changed")
    assert "threshold 0.5, params say 0.4" in difference(read_record(made, PREPARED), changed[PREPARED])


def test_build_refuses_a_stale_input_and_touches_nothing(made):
    changed = tiny.study({"datasets.digits.data.threshold": 0.4})
    with pytest.raises(UserError, match="STALE data/prepared/digits"):
        build(made, changed, changed[TRAIN])
    assert read_record(made, TRAIN) is not None


def test_build_of_what_is_current_does_nothing(made, study):
    before = (made / TRAIN / "run.json").stat().st_mtime_ns
    assert build(made, study, study[TRAIN]) is False
    assert (made / TRAIN / "run.json").stat().st_mtime_ns == before


def test_second_holder_of_a_lock_is_told_to_wait(tmp_path):
    path = tmp_path / ".cmivae/locks" / "runs_train_x_s0.lock"
    path.parent.mkdir(parents=True)
    with FileLock(path), pytest.raises(UserError, match="another process") as caught, lock(tmp_path, "runs/train/x/s0"):
        pass
    assert caught.value.code == EXIT_BUSY == 75
    assert caught.value.where == "runs/train/x/s0"
    with lock(tmp_path, "runs/train/x/s0"):
        pass


def test_lock_of_one_run_leaves_the_others_free(tmp_path):
    with lock(tmp_path, "runs/train/x/s0"), lock(tmp_path, "runs/train/x/s1"):
        pass


def test_lock_is_released_when_its_process_dies(tmp_path):
    path = tmp_path / ".cmivae/locks" / "x.lock"
    path.parent.mkdir(parents=True)
    fork = multiprocessing.get_context("spawn")
    process = fork.Process(target=hold_and_die, args=(str(path),))
    process.start()
    process.join()
    assert process.exitcode == 9
    with lock(tmp_path, "x"):
        pass


def hold_and_die(path):
    FileLock(path).acquire()
    os._exit(9)


def test_sync_makes_specs_of_stale_artefacts_newer_than_their_files(made, study):
    stale = sync(made, study)
    assert RAW not in stale
    assert TRAIN not in stale
    assert stale["results/tables"] == "it was not made yet"
    times = {name: (made / name / "run.json").stat().st_mtime for name in (RAW, PREPARED, TRAIN)}
    assert times[RAW] < times[PREPARED] < times[TRAIN]
    assert all((made / spec_path(name)).stat().st_mtime < times[name] for name in times)
    changed = tiny.study({"datasets.digits.train.lr": 0.004})
    assert "train.lr" in sync(made, changed)[TRAIN]
    assert (made / spec_path(TRAIN)).stat().st_mtime > (made / TRAIN / "run.json").stat().st_mtime
    assert (made / spec_path(PREPARED)).stat().st_mtime < times[PREPARED]


def test_sync_sees_damage_where_the_spec_stays(made, study):
    sync(made, study)
    before = (made / spec_path(TRAIN)).read_text()
    (made / TRAIN / "inner/b.bin").unlink()
    assert sync(made, study)[TRAIN] == "inner/b.bin is missing"
    assert (
        made / spec_path(TRAIN)
    ).read_text() != before  # Snakemake takes a newer file of the same text for unchanged
    assert (made / spec_path(TRAIN)).stat().st_mtime > (made / TRAIN / "run.json").stat().st_mtime
