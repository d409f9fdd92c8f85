"""What a change makes stale, on a built workspace: predicted for each parameter and for each module of the code."""

import shutil

import pytest
import test_architecture
import test_specs
import tiny
import yaml
from built import SPEECH, TEXT, copy

from cmivae.audit.book import Book
from cmivae.audit.facts import cell_facts
from cmivae.provenance import code
from cmivae.provenance.ledger import state
from cmivae.provenance.specs import Study
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

D, S = test_specs.D, test_specs.S
# How the keys of the demo are called in the small studies; the rest of the demo is not in them.
NAMES = {D: D, "tables.D4": "tables.X4", "figures.D3a": "figures.X3", "figures.D5": "figures.X5"}
SPEECH_NAMES = {S: "datasets.voices", "tables.D1": "tables.X1", "figures.D4b": "figures.F4", "figures.D6": "figures.X6"}
# Where the demo's other value is the small study's own, or does not fit it: all that is changed instead.
OTHER = {
    f"{D}.model.cut": {f"{D}.model.kernels": [3, 3, 3], f"{D}.model.cut": 2},
    f"{D}.data.mcas_subsets": {f"{D}.data.mcas_subsets": 3},
    f"{D}.data.probe_per_class": {f"{D}.data.probe_per_class": 2},
    f"{D}.data.mcas_per_class": {f"{D}.data.mcas_per_class": 1},
    f"{D}.data.n_test": {f"{D}.data.n_test": 50},
    f"{D}.data.n_valid": {f"{D}.data.n_valid": 19},
    f"{D}.data.n_train": {f"{D}.data.n_train": 90},
    f"{D}.embed.posthoc.inits": {f"{D}.embed.posthoc.inits": 2},
    "style.width": {"style.width": 4.5},
    "figures.D3a.table": {"figures.X3.table": "X4"},
    f"{S}.data.norm": {"datasets.voices.data.norm": "minmax"},
    f"{S}.data.val": {"datasets.voices.data.val": "speaker"},
    f"{S}.data.synth.core_speakers": {"datasets.voices.data.synth.core_speakers": 1},
    f"{S}.evaluate.max_iter": {"datasets.voices.evaluate.max_iter": 998},
    "tables.D1.layout": {"tables.X1.layout": "conversion", "tables.X1.paper": None},
    "tables.D1.paper": {"tables.X1.paper": None},
    "tables.D1.gammas": {"tables.X1.gammas": [0.8]},
    "figures.D6.configs": {"figures.X6.configs": ["voices-beta-g080"]},
}
BLOCKS = ("datasets.", "tables.", "figures.", "configs.")
MINE = [
    key for key in test_specs.CHANGES if key.startswith(tuple(f"{n}." for n in NAMES)) or not key.startswith(BLOCKS)
]
OF_SPEECH = [key for key in test_specs.CHANGES if key.startswith(tuple(f"{name}." for name in SPEECH_NAMES))]


def changed(key, text=TEXT, names=NAMES):
    """The params of a small study with one key changed."""
    values = yaml.safe_load(text)
    place = next((new + key.removeprefix(old) for old, new in names.items() if key.startswith(f"{old}.")), key)
    for where, value in OTHER.get(key, {place: test_specs.CHANGES[key][0]}).items():
        tiny.put(values, where, value)
    return values


def compare(key, values, space, tmp_path, addresses):
    """What the records on disk say, as every command asks them, against the prediction; the space is not touched."""
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(values, sort_keys=False))
    study = Study(load_params(params))
    assert study.params != load_params(space / "params.yaml")
    stale = {folder for folder, artefact in study.artefacts.items() if state(space, artefact) is not None}
    stages = test_specs.CHANGES[key][1]
    predicted = {folder for folder, artefact in study.artefacts.items() if artefact.stage in stages}
    assert stale == predicted
    book = Book(space)
    book.study = study
    for address in addresses:
        cell = book.cells(address)[0]  # all cells of a row have the same runs
        above = set().union(*(book.closure(run.run) for run in cell.runs))
        told = set(cell_facts(book, cell)["stale"])
        assert told == predicted & (above | {"results/tables"}), cell.address


@pytest.mark.parametrize("key", MINE)
def test_each_key_makes_exactly_the_predicted_artefacts_and_cells_stale(key, space, tmp_path):
    compare(key, changed(key), space, tmp_path, ("X4[cmi,0.3]", "X4[vanilla,0.0]", "X4[real20]"))


@pytest.mark.parametrize("key", OF_SPEECH)
def test_each_key_of_speech_makes_exactly_the_predicted_artefacts_and_cells_stale(key, speech, tmp_path):
    addresses = ("X1[cmi,0.8]", "X1[trivial]", "X1[quoted]", "X2[real]", "X3[beta,0.8]")
    compare(key, changed(key, SPEECH, SPEECH_NAMES), speech, tmp_path, addresses)


def test_all_keys_of_the_demo_are_changed_in_one_of_the_two():
    left = set(test_specs.CHANGES) - set(MINE) - set(OF_SPEECH)
    assert left == set()


@pytest.mark.parametrize(
    ("key", "value", "made"),
    [("style.dpi", 61, {"figures", "report"}),
     (f"{D}.evaluate.c", 2.0, {"evaluate", "baseline", "tables", "figures", "report"}),
     ("note", "other", {"tables", "figures", "report"}), ("compute.checkpoint_minutes", 1.0, set())],
)  # fmt: skip
def test_what_is_really_made_again_is_what_was_predicted(key, value, made, space, tmp_path):
    fake = copy(space, tmp_path / "fake")
    (fake / "params.yaml").write_text(yaml.safe_dump(tiny.put(yaml.safe_load(TEXT), key, value), sort_keys=False))
    study = Study(load_params(fake / "params.yaml"))
    really = {artefact.stage for artefact in study.artefacts.values() if build(fake, study, artefact)}
    assert really == made


def test_a_seed_or_a_configuration_more_leaves_all_other_runs_current(space, tmp_path):
    values = tiny.put(yaml.safe_load(TEXT), "seeds", [0, 1, 5])
    tiny.put(values, "configs.digits-mi-g030", {"dataset": "digits", "objective": "mi", "gamma": 0.3})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    study = Study(load_params(tmp_path / "params.yaml"))
    stale = {folder for folder, artefact in study.artefacts.items() if state(space, artefact) is not None}
    new = {f for f, a in study.artefacts.items() if a.run and (a.run.seed == 5 or a.run.config.objective == "mi")}
    assert stale == new | {"results/tables", "results/figures", "results/report"}


# --- code ------------------------------------------------------------------------------------------------------------


def graph() -> dict[str, set[str]]:
    """Who imports whom, by the architecture test's own reading of the code."""
    return {test_architecture.name_of(p): test_architecture.own_imports(p) for p in test_architecture.MODULES}


def is_frame(name: str) -> bool:
    return any(test_architecture.within(name, each) for each in code.FRAME)


def reached(start: set[str], imports: dict[str, set[str]]) -> set[str]:
    found, waiting = set(), list(start)
    while waiting:
        name = waiting.pop()
        if name not in found and not is_frame(name):
            found.add(name)
            waiting += imports[name]
    return found


def starts(study, artefact) -> set[str]:
    """The modules that a stage begins with: its own, and those that its parameters, or the run's, name."""
    maker = getattr(artefact, "maker", f"cmivae.stages.{artefact.stage}")
    of_run = study[f"runs/train/{artefact.run.name}"].params["code"] if artefact.stage in ("train", "embed") else ()
    named = [*of_run, artefact.params.get("reader", "")]
    targets = [maker, *(name.partition(":")[0] for name in named if ":" in name)]
    return {name.removeprefix("cmivae.") for name in targets}


def test_an_edited_line_makes_exactly_its_importers_runs_stale(space, tmp_path, monkeypatch):
    source = tmp_path / "src/cmivae"
    shutil.copytree(code.SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
    params = load_params(space / "params.yaml")
    before, imports = Study(params), graph()
    uses = {folder: reached(starts(before, artefact), imports) for folder, artefact in before.artefacts.items()}
    real, checked = code.module_digest, 0
    for path in test_architecture.MODULES:
        name = test_architecture.name_of(path)
        if path.name == "__init__.py":
            continue
        copied = source / path.relative_to(code.SOURCE)
        copied.write_text(f"{copied.read_text()}\n_EDITED = 1\n")
        edited = _digest_of(copied)

        def digest(module, name=name, edited=edited):
            return edited if module == f"cmivae.{name}" else real(module)

        monkeypatch.setattr(code, "module_digest", digest)
        after = Study(params)
        own = {folder for folder in before.artefacts if name in uses[folder]}
        predicted = {f for f in before.artefacts if own & _above(before, f)}
        assert {f for f in before.artefacts if after[f].spec != before[f].spec} == predicted, name
        assert {f for f in before.artefacts if state(space, after[f]) is not None} == predicted, name
        checked += bool(predicted)
    assert checked > 25


def _digest_of(path) -> str:
    import ast
    import hashlib

    tree = code._without_docstrings(ast.parse(path.read_bytes()))
    return hashlib.sha256(code._dump(tree).encode()).hexdigest()


def _above(study, folder) -> set[str]:
    found, waiting = set(), [folder]
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += study[name].inputs
    return found
