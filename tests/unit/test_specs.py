"""Which artefacts a changed parameter makes stale: predicted for every key, before anything is built."""

import copy

import pytest
import tiny
import yaml
from pydantic import BaseModel

from cmivae.provenance.specs import STAGES, Study
from cmivae.study.params import Params

DEMO = yaml.safe_load((tiny.REPOSITORY / "demo/params.yaml").read_text())
D = "datasets.digits"

RUNS = {"train", "embed", "evaluate"}
RESULTS = {"tables", "figures"}
DATA = {"prepare", "baseline"} | RUNS | RESULTS
TRAIN = RUNS | RESULTS
EMBED = TRAIN - {"train"}
EVALUATE = {"evaluate", "baseline"} | RESULTS

# Every key of the demo, with another valid value and the stages whose specs it changes.
CHANGES = {
    "label": ("other", RESULTS),
    "note": ("other", RESULTS),
    "compute.device": ("cpu", set()),
    "compute.threads": (2, set()),
    "compute.jobs_per_gpu": (2, set()),
    "compute.checkpoint_minutes": (1.0, set()),
    f"{D}.reader": ("mnist", DATA | {"fetch"}),
    f"{D}.data.source": ("../digits", set()),
    f"{D}.data.split_seed": (1, DATA),
    f"{D}.data.valid_fraction": (0.3, DATA),
    f"{D}.data.threshold": (0.4, DATA),
    f"{D}.data.n_train": (500, DATA),
    f"{D}.data.n_valid": (100, DATA),
    f"{D}.data.n_test": (100, DATA),
    f"{D}.data.subset_seed": (1, DATA),
    f"{D}.data.probe_per_class": (40, DATA),
    f"{D}.data.mcas_per_class": (9, DATA),
    f"{D}.data.mcas_subsets": (4, DATA),
    f"{D}.model.z_dim": (9, TRAIN),
    f"{D}.model.encoder": ("conv", TRAIN),
    f"{D}.model.encoder_channels": (9, TRAIN),
    f"{D}.model.encoder_out": (65, TRAIN),
    f"{D}.model.channels": (17, TRAIN),
    f"{D}.model.kernels": ([5, 3, 3, 3], TRAIN),
    f"{D}.model.block": ("plain", TRAIN),
    f"{D}.model.cut": (1, TRAIN),
    f"{D}.model.z_inject": ("once", TRAIN),
    f"{D}.model.z_maps": (5, TRAIN),
    f"{D}.model.long_skips": ("he", TRAIN),
    f"{D}.critic.disc_input": ("x", TRAIN),
    f"{D}.critic.channels": (17, TRAIN),
    f"{D}.critic.hidden": (100, TRAIN),
    f"{D}.train.epochs": (6, TRAIN),
    f"{D}.train.batch_size": (33, TRAIN),
    f"{D}.train.lr": (0.004, TRAIN),
    f"{D}.train.critic_lr": (0.002, TRAIN),
    f"{D}.train.adam_betas": ([0.8, 0.999], TRAIN),
    f"{D}.train.critic_steps": (1, TRAIN),
    f"{D}.train.d_batch": ("fresh", TRAIN),
    f"{D}.train.clip": (0.0, TRAIN),
    f"{D}.train.select": ("last", TRAIN),
    f"{D}.train.online_estimator": (False, TRAIN),
    f"{D}.train.precision": ("bf16", TRAIN),
    f"{D}.embed.eval_seed": (1, EMBED),
    f"{D}.embed.decodes": (6, EMBED),
    f"{D}.embed.mcas_z": ("sample", EMBED),
    f"{D}.embed.posthoc.inits": (2, EMBED),
    f"{D}.embed.posthoc.epochs": (4, EMBED),
    f"{D}.embed.posthoc.patience": (2, EMBED),
    f"{D}.embed.posthoc.n_train": (300, EMBED),
    f"{D}.evaluate.c": (2.0, EVALUATE),
    f"{D}.evaluate.max_iter": (999, EVALUATE),
    f"{D}.evaluate.svm_gamma": ("auto", EVALUATE),
    "tables.D4.title": ("other", RESULTS),
    "tables.D4.paper": ("table4", RESULTS),
    "figures.D3a.title": ("other", {"figures"}),
    "figures.D3a.metric": ("aosvm", {"figures"}),
    "figures.D5.configs": (["digits-vanilla"], {"figures"}),
    "style.dpi": (99, {"figures"}),
    "style.width": (4.0, {"figures"}),
    "style.height": (4.0, {"figures"}),
}
# Keys that say which artefacts there are, or have one value only; the tests of adding and removing cover the first.
OTHERS = {f"{D}.model.name", "seeds"}


def study(changes: dict | None = None, base: dict = DEMO) -> Study:
    return Study(tiny.params(changes, base))


def new_specs(before: Study, after: Study) -> set[str]:
    """Folders that must be made after a change."""
    return {name for name, artefact in after.artefacts.items() if not _same(before.artefacts.get(name), artefact)}


def _same(old, new) -> bool:
    return old is not None and old.spec == new.spec


@pytest.fixture(scope="module")
def demo() -> Study:
    return study()


@pytest.mark.parametrize("key", list(CHANGES))
def test_changed_key_makes_these_stages_stale(key, demo):
    value, stages = CHANGES[key]
    changed = study({key: value})
    assert changed.artefacts.keys() == demo.artefacts.keys()
    assert changed.params != demo.params
    stale = new_specs(demo, changed)
    assert {demo[folder].stage for folder in stale} == stages
    if key != "figures.D5.configs":  # all of a stage or nothing, as the demo has one data set
        assert stale == {folder for folder, artefact in demo.artefacts.items() if artefact.stage in stages}


def _schema_keys(model: type[BaseModel], prefix: str) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        is_block = isinstance(inner, type) and issubclass(inner, BaseModel)
        found |= _schema_keys(inner, f"{prefix}{name}.") if is_block else {f"{prefix}{name}"}
    return found


def test_every_key_has_its_prediction():
    dataset = Params.model_fields["datasets"].annotation.__args__[1]
    keys = {key for key in _schema_keys(Params, "") if key not in ("datasets", "configs", "tables", "figures")}
    keys |= _schema_keys(dataset, f"{D}.")
    keys |= {key for key in tiny.leaves(DEMO) if not key.startswith(("configs.", "tables.", "figures."))}
    assert keys - OTHERS <= CHANGES.keys()


def test_upstream_comes_first(demo):
    seen = set()
    for folder, artefact in demo.artefacts.items():
        assert set(artefact.inputs) <= seen
        assert all(STAGES.index(demo[name].stage) < STAGES.index(artefact.stage) for name in artefact.inputs)
        seen.add(folder)


def test_same_params_give_the_same_specs(demo):
    again = study()
    assert new_specs(demo, again) == set()
    assert len({artefact.spec for artefact in demo.artefacts.values()}) == len(demo.artefacts)


def test_order_of_keys_changes_nothing(demo):
    turned = {key: DEMO[key] for key in reversed(DEMO)}
    turned["configs"] = dict(reversed(DEMO["configs"].items()))
    assert new_specs(demo, study(base=turned)) == set()


def test_defaults_written_out_change_nothing(demo):
    full = tiny.params(base=DEMO).model_dump(mode="json")
    assert new_specs(demo, study(base=full)) == set()


def test_added_seed_makes_only_its_runs(demo):
    more = study({"seeds": [0, 1, 2]})
    runs = {f"runs/{stage}/{key}/s2" for stage in RUNS for key in DEMO["configs"]}
    assert new_specs(demo, more) == runs | {"results/tables", "results/figures"}


def test_removed_seed_makes_only_the_results(demo):
    assert new_specs(demo, study({"seeds": [0]})) == {"results/tables", "results/figures"}


def test_added_configuration_makes_only_its_runs(demo):
    key = "digits-mi-g030"
    more = study({f"configs.{key}": {"dataset": "digits", "objective": "mi", "gamma": 0.3}})
    runs = {f"runs/{stage}/{key}/s{seed}" for stage in RUNS for seed in (0, 1)}
    assert new_specs(demo, more) == runs | {"results/tables", "results/figures"}


def test_added_dataset_leaves_the_other_alone(demo):
    base = copy.deepcopy(DEMO)
    base["datasets"]["more"] = copy.deepcopy(base["datasets"]["digits"])
    base["configs"]["more-vanilla"] = {"dataset": "more", "objective": "vanilla", "gamma": 0.0}
    stale = new_specs(demo, study(base=base))
    assert {name for name in stale if "digits" in name} == set()
    assert "results/tables" not in stale  # no table shows it


def test_training_of_one_dataset_leaves_the_other_alone():
    root = yaml.safe_load((tiny.REPOSITORY / "params.yaml").read_text())
    root |= {"label": "other", "seeds": [0]}
    before, after = study(base=root), study({"datasets.fashion-mnist.train.epochs": 200}, base=root)
    stale = new_specs(before, after)
    runs = {f"runs/{stage}/{key}/s0" for stage in RUNS for key in root["configs"] if key.startswith("fashion")}
    assert stale == runs | {"results/tables", "results/figures"}


def test_gamma_and_objective_are_in_the_spec(demo):
    specs = {artefact.spec for artefact in demo.of_stage("train")}
    assert len(specs) == len(DEMO["configs"]) * len(DEMO["seeds"])
    found = demo["runs/train/digits-cmi-g060/s1"].params
    assert (found["objective"], found["gamma"], found["seed"]) == ("cmi", 0.6, 1)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("runs/train/digits-cmi-g060/s1", "train digits-cmi-g060/s1"), ("data/raw/digits", "fetch digits"),
     ("results/tables", "tables")],
)  # fmt: skip
def test_artefact_is_called_as_on_the_command_line(folder, name, demo):
    assert demo[folder].name == name
