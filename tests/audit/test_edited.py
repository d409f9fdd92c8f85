"""Files that were edited by hand, wrong in shape as well as in value: each is a finding or a refusal, never a crash."""

import json

import pytest
from built import CELL, copy, overwrite

from cmivae.cli import main
from cmivae.errors import UserError
from cmivae.provenance.io import digest, sha256_file, write_json
from cmivae.provenance.ledger import seal
from cmivae.results.record import from_jsonl

CELLS = "results/tables/cells.jsonl"
COMMANDS = (("verify", "--level", "L2"), ("audit", CELL), ("claims",), ("compare",), ("diff", CELL, CELL))


@pytest.fixture(scope="module")
def victim(space, tmp_path_factory):
    """A copy to be damaged and mended again."""
    return copy(space, tmp_path_factory.mktemp("edited") / "space")


@pytest.fixture
def say(capsys):
    """Run a command; returns its exit code and all that it says. No command may end in a traceback."""

    def call(workspace, *arguments):
        code = main(["-C", str(workspace), *arguments])
        return code, "".join(capsys.readouterr())

    return call


def deep(values, place, value):
    """Put a value at a place such as ``runs.0.pointer``."""
    *above, last = [int(key) if key.isdigit() else key for key in place.split(".")]
    for key in above:
        values = values[key]
    values[last] = value


WRONG = [("aggregate", "median"), ("aggregate", "sd"), ("aggregate", "quoted"), ("aggregate", ["mean"]),
         ("runs.0.pointer", 5), ("runs.0.run", 5), ("runs.0.value", "x"), ("runs.0.value", [0.5, 0.5]),
         ("runs.0", 5), ("runs", 5), ("gamma", "x"), ("gamma", True), ("column", 5), ("value", "x"), ("value", {}),
         ("n", 1.5), ("expected", -1), ("failed", 3), ("failed", ["x"]), ("deviations", [5]), ("label", None),
         ("paper", "0.5"), ("dataset", {}), ("value", float("inf")),
         pytest.param("value", 10**400, id="value-large"), ("unknown", 1)]  # fmt: skip


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_a_cell_of_another_shape_is_refused_everywhere(place, value, victim, say):
    path = victim / CELLS
    before = path.read_bytes()
    lines = before.decode().splitlines()
    number = next(at for at, line in enumerate(lines) if json.loads(line)["address"] == CELL)
    cell = json.loads(lines[number])
    deep(cell, place, value)
    lines[number] = json.dumps(cell, sort_keys=True, separators=(",", ":"))
    try:
        overwrite(path, ("\n".join(lines) + "\n").encode())
        with pytest.raises(UserError, match="a line is not a cell"):
            from_jsonl(path.read_text())
        for command in COMMANDS:
            code, text = say(victim, *command)
            assert code == 2, command
            assert "cells.jsonl" in text, command
    finally:
        overwrite(path, before)


@pytest.mark.parametrize(("old", "new"), [("/aolr/accuracy", "/aolr"), ('"mean"', '"max"'), ('"n":2', '"n":1')])
def test_a_cell_of_its_shape_with_another_meaning_is_a_finding(old, new, victim, say):
    path = victim / CELLS
    before = path.read_bytes()
    assert old.encode() in before
    try:
        overwrite(path, before.replace(old.encode(), new.encode()))
        code, text = say(victim, "verify", "--level", "L2")
    finally:
        overwrite(path, before)
    assert code == 2
    assert f"L1: {CELLS}" in text
    assert "no value computed again" in text


RUN = "runs/train/digits-cmi-g030/s0"
RECORDS = [("files", {"model.safetensors": {}}), ("files", {"model.safetensors": 5}),
           ("inputs", {"data/raw/digits": {}}), ("inputs", {"data/prepared/digits": 5}),
           ("environment", None), ("segments", 5), ("segments", [{}]), ("cost", 5), ("git", {}), ("selected", {}),
           ("params", {"seed": []}), ("code", {".": "0"})]  # fmt: skip


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(("part", "value"), RECORDS)
def test_a_record_of_another_shape_does_not_exist_for_any_command(part, value, sealed, victim, say, tmp_path):
    path = victim / RUN / "run.json"
    before = path.read_bytes()
    values = json.loads(before) | {part: value}
    del values["seal"]
    values["content"] = digest(values["files"])
    try:
        write_json(path, values | ({"seal": seal(values)} if sealed else {}))
        assert "the record is damaged or incomplete" in say(victim, "verify", "--level", "L1")[1]
        assert f"{RUN}: it has no complete run.json" in say(victim, "stale")[1]
        for command in (("plan",), ("status",), ("show",), ("report", "--live", str(tmp_path / "live.html"))):
            assert say(victim, *command)[0] == 0, command
        for command in (("audit", CELL), ("why", CELL), ("diff", CELL, CELL), ("diff", "digits-cmi-g030/s0", CELL),
                        ("diff", "digits-cmi-g030/s0", "digits-cmi-g030/s1"), ("doctor",)):  # fmt: skip
            assert say(victim, *command)[0] in (0, 2), command
    finally:
        overwrite(path, before)


@pytest.mark.parametrize("part", ["segments", "cost", "git", "selected", "run"])
@pytest.mark.parametrize("told", [True, False])
def test_a_record_that_does_not_tell_something_is_read_all_the_same(part, told, space, tmp_path, say):
    fake = copy(space, tmp_path / "fake")
    path = fake / RUN / "run.json"
    values = json.loads(path.read_text())
    del values["seal"], values[part]
    values |= {part: None} if told else {}
    write_json(path, values | {"seal": seal(values)})
    for command in (("plan",), ("audit", CELL), ("why", RUN), ("report", "--live", str(tmp_path / "page.html"))):
        assert say(fake, *command)[0] == 0, command


POINTS = {"gamma": (",0.3,", ",abc,"), "header": ("metric,", "metrix,"), "column": (",mcas,", ",nonsense,"),
          "bytes": ("vanilla", "\udcff"), "comma": (",mcas,", ",mcas,,"), "short": (",mcas,", ";mcas;"),
          "long": ("vanilla", "x" * 200000)}  # fmt: skip


@pytest.mark.parametrize("forged", [False, True])
@pytest.mark.parametrize(("old", "new"), POINTS.values(), ids=POINTS)
def test_points_of_another_shape_are_refused_or_found(old, new, forged, space, tmp_path, say):
    fake = copy(space, tmp_path / "fake")
    path, record = fake / "results/figures/X3.csv", fake / "results/figures/run.json"
    text = path.read_text()
    assert old in text
    path.write_bytes(text.replace(old, new).encode("utf-8", "surrogateescape"))
    if forged:
        values = json.loads(record.read_text())
        values["files"]["X3.csv"] = {"size": path.stat().st_size, "sha256": sha256_file(path)}
        values["content"] = digest(values["files"])
        write_json(record, values | {"seal": seal(values)})
    code, text = say(fake, "audit", "X3[cmi,0.3]")
    assert (code, "X3.csv" in text) == (2, True)
    assert say(fake, "verify", "X3[cmi,0.3]")[0] == 2
    assert say(fake, "report", "--live", str(tmp_path / "page.html"))[0] in (0, 2)
