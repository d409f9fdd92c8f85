"""Which artefacts a changed parameter makes stale: predicted for every key, before anything is built."""

import ast
import copy

import pytest
import tiny
import yaml
from pydantic import BaseModel

from cmivae.provenance.code import code_digests
from cmivae.provenance.specs import STAGES, Artefact, Study
from cmivae.registry import CORPORA, CORPUS_KEYS
from cmivae.study.params import BLOCKS, Figure, Params, SpeechData, Table

DEMO = yaml.safe_load((tiny.REPOSITORY / "demo/params.yaml").read_text())
D, S = "datasets.digits", "datasets.synth"
KINDS = {"image": D, "speech": S}  # where the demo has a data set of each kind

RUNS = {"train", "embed", "evaluate"}
RESULTS = {"tables", "figures", "report"}
DATA = {"prepare", "baseline"} | RUNS | RESULTS
RAW = DATA | {"fetch"}
TRAIN = RUNS | RESULTS
EMBED = TRAIN - {"train"}
EVALUATE = {"evaluate", "baseline"} | RESULTS

# Every key of the demo, with another valid value and the stages whose specs it changes. A key of a data set reaches
# the artefacts of that data set and the results, which are shared: all of them, and nothing of the other data set.
CHANGES = {
    "label": ("other", RESULTS),
    "note": ("other", RESULTS),
    "compute.device": ("cuda", set()),
    "compute.threads": (2, set()),
    "compute.jobs_per_gpu": (2, set()),
    "compute.checkpoint_minutes": (1.0, set()),
    "compute.graph": (True, set()),
    f"{D}.reader": ("mnist", RAW),
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
    f"{D}.critic.spectral_norm": (True, TRAIN),
    f"{D}.train.epochs": (6, TRAIN),
    f"{D}.train.batch_size": (33, TRAIN),
    f"{D}.train.lr": (0.004, TRAIN),
    f"{D}.train.critic_lr": (0.002, TRAIN),
    f"{D}.train.adam_betas": ([0.8, 0.999], TRAIN),
    f"{D}.train.critic_steps": (1, TRAIN),
    f"{D}.train.d_batch": ("fresh", TRAIN),
    f"{D}.train.clip": (0.0, TRAIN),
    f"{D}.train.select": ("last", TRAIN),
    f"{D}.train.valid_every": (2, TRAIN),
    f"{D}.train.online_estimator": (False, TRAIN),
    f"{D}.train.precision": ("bf16", TRAIN),
    f"{D}.train.compile": (True, TRAIN),
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
    f"{S}.reader": ("timit", RAW),
    f"{S}.data.source": ("../speech", set()),
    f"{S}.data.splits": ({"old": "train"}, set()),  # the reader manifest reads it
    f"{S}.data.parts": (["dev-clean", "test-clean"], set()),  # the reader librispeech reads it
    f"{S}.data.synth.train_speakers": (23, RAW),
    f"{S}.data.synth.test_speakers": (17, RAW),
    f"{S}.data.synth.core_speakers": (5, RAW),
    f"{S}.data.synth.sentences": (7, RAW),
    f"{S}.data.synth.seconds": (1.5, RAW),
    f"{S}.data.synth.spread": (1.0, RAW),
    f"{S}.data.synth.seed": (1, RAW),
    f"{S}.data.use_sa": (True, RAW),
    f"{S}.data.win_length": (320, DATA),
    f"{S}.data.hop_length": (80, DATA),
    f"{S}.data.n_fft": (512, DATA),
    f"{S}.data.window": ("hamming", DATA),
    f"{S}.data.pre_emphasis": (0.97, DATA),
    f"{S}.data.log": ("db", DATA),
    f"{S}.data.floor": (0.001, DATA),
    f"{S}.data.norm": ("mvn", DATA),
    f"{S}.data.framing": ("wave_padend", DATA),
    f"{S}.data.segment": (10, DATA),
    f"{S}.data.segments": ("random", DATA),  # read in training, written beside the frames
    f"{S}.data.val": ("utterance", DATA),
    f"{S}.data.valid_fraction": (0.2, DATA),
    f"{S}.data.split_seed": (1, DATA),
    f"{S}.data.subset_seed": (1, DATA),
    f"{S}.data.max_trials": (1000, DATA),
    f"{S}.data.vc_segments": (50, DATA),
    f"{S}.model.z_dim": (9, TRAIN),
    f"{S}.model.s_dim": (9, TRAIN),
    f"{S}.model.hidden": (65, TRAIN),
    f"{S}.model.q_s": ("ar", TRAIN),
    f"{S}.model.prior": ("markov", TRAIN),
    f"{S}.model.var": ("scalar", TRAIN),
    f"{S}.model.min_logvar": (-10.0, TRAIN),
    f"{S}.critic.disc_input": ("x", TRAIN),
    f"{S}.critic.channels": (17, TRAIN),
    f"{S}.critic.hidden": (100, TRAIN),
    f"{S}.critic.scale_init": (5.0, TRAIN),
    f"{S}.critic.spectral_norm": (True, TRAIN),
    f"{S}.train.epochs": (6, TRAIN),
    f"{S}.train.batch_size": (33, TRAIN),
    f"{S}.train.lr": (0.004, TRAIN),
    f"{S}.train.critic_lr": (0.003, TRAIN),
    f"{S}.train.adam_betas": ([0.8, 0.999], TRAIN),
    f"{S}.train.critic_steps": (1, TRAIN),
    f"{S}.train.d_batch": ("fresh", TRAIN),
    f"{S}.train.clip": (5.0, TRAIN),
    f"{S}.train.select": ("objective", TRAIN),
    f"{S}.train.valid_every": (2, TRAIN),
    f"{S}.train.online_estimator": (False, TRAIN),
    f"{S}.train.precision": ("bf16", TRAIN),
    f"{S}.train.compile": (True, TRAIN),
    f"{S}.embed.eval_seed": (1, EMBED),
    f"{S}.embed.posthoc.inits": (2, EMBED),
    f"{S}.embed.posthoc.epochs": (4, EMBED),
    f"{S}.embed.posthoc.patience": (2, EMBED),
    f"{S}.embed.posthoc.n_train": (300, EMBED),
    f"{S}.embed.voices": (3, EMBED),
    f"{S}.evaluate.c": (2.0, EVALUATE),
    f"{S}.evaluate.max_iter": (999, EVALUATE),
    "tables.D1.title": ("other", RESULTS),
    "tables.D1.layout": ("conversion", RESULTS),
    "tables.D1.gammas": ([0.0], RESULTS),
    "tables.D1.paper": ("table1", RESULTS),
    "tables.D4.title": ("other", RESULTS),
    "tables.D4.paper": ("table4", RESULTS),
    "figures.D3a.title": ("other", {"figures", "report"}),
    "figures.D3a.metric": ("aosvm", {"figures", "report"}),
    "figures.D3a.table": ("D4", {"figures", "report"}),
    "figures.D4b.metric": ("eer_z", {"figures", "report"}),
    "figures.D4b.x": ("kl_z", {"figures", "report"}),
    "figures.D5.configs": (["digits-vanilla"], {"figures", "report"}),
    "figures.D6.title": ("other", {"figures", "report"}),
    "figures.D6.configs": (["synth-vanilla"], {"figures", "report"}),
    "style.dpi": (99, {"figures", "report"}),
    "style.width": (4.0, {"figures", "report"}),
    "style.height": (4.0, {"figures", "report"}),
}
# Keys that say which artefacts there are, or have one value only; the tests of adding and removing cover the first.
OTHERS = {f"{D}.model.name", f"{S}.model.name", "seeds"}
# What the reader of a corpus reads of a data set's ``data``, with another value: the rest of these is not its own.
READ = {"timit": {"use_sa"}, "synth": {"synth.seed", "use_sa"}, "manifest": {"splits"}, "librispeech": {"parts"}}
OWN = {"use_sa": True, "synth.seed": 1, "splits": {"old": "train"}, "parts": ["dev-clean", "test-clean"]}


def study(changes: dict | None = None, base: dict = DEMO) -> Study:
    return Study(tiny.params(changes, base))


def new_specs(before: Study, after: Study) -> set[str]:
    """Folders that must be made after a change."""
    return {name for name, artefact in after.artefacts.items() if not _same(before.artefacts.get(name), artefact)}


def _same(old, new) -> bool:
    return old is not None and old.spec == new.spec


def dataset_of(artefact: Artefact) -> str | None:
    """The data set that an artefact is of; None for the results, which are of all."""
    return artefact.run.config.dataset if artefact.run else artefact.dataset


def predicted(key: str, found: Study) -> set[str]:
    """Folders that changing this key makes stale, by ``CHANGES`` and the data set that the key is of."""
    owner = key.split(".")[1] if key.startswith("datasets.") else None
    stages = CHANGES[key][1]
    return {
        folder
        for folder, artefact in found.artefacts.items()
        if artefact.stage in stages and dataset_of(artefact) in (owner, None)
    }


@pytest.fixture(scope="module")
def demo() -> Study:
    return study()


@pytest.mark.parametrize("key", list(CHANGES))
def test_changed_key_makes_these_artefacts_stale(key, demo):
    value, stages = CHANGES[key]
    changed = study({key: value})
    assert changed.artefacts.keys() == demo.artefacts.keys()
    assert changed.params != demo.params
    stale = new_specs(demo, changed)
    assert {demo[folder].stage for folder in stale} == stages
    assert stale == predicted(key, demo)


@pytest.mark.parametrize("reader", list(CORPORA))
@pytest.mark.parametrize("key", list(OWN))
def test_a_corpus_is_indexed_anew_for_what_its_reader_reads(reader, key):
    base = tiny.put(copy.deepcopy(DEMO), f"{S}.reader", reader)
    before, after = study(base=base), study({f"{S}.data.{key}": OWN[key]}, base)
    assert after.params != before.params
    stages = {before[folder].stage for folder in new_specs(before, after)}
    assert stages == (RAW if key in READ[reader] else set())
    assert all(dataset_of(before[folder]) != "digits" for folder in new_specs(before, after))


@pytest.mark.parametrize("reader", list(CORPORA))
def test_a_reader_reads_the_keys_that_its_spec_holds(reader):
    """As its code says: whatever it takes of ``params``, in its own module or those it uses."""
    found = set()
    for module in code_digests(CORPORA[reader]):
        source = tiny.REPOSITORY / "src" / f"{module.replace('.', '/')}.py"
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("params", "self.params"):
                found.add(node.attr)
    assert found == set(CORPUS_KEYS[reader])
    assert found < SpeechData.model_fields.keys()
    assert {key.partition(".")[0] for key in READ[reader]} == found


def _schema_keys(model: type[BaseModel], prefix: str) -> set[str]:
    found = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        is_block = isinstance(inner, type) and issubclass(inner, BaseModel)
        found |= _schema_keys(inner, f"{prefix}{name}.") if is_block else {f"{prefix}{name}"}
    return found


def test_every_key_has_its_prediction():
    keys = {key for key in _schema_keys(Params, "") if key not in ("datasets", "configs", "tables", "figures")}
    for kind, block in BLOCKS.items():
        keys |= _schema_keys(block, f"{KINDS[kind]}.")
    keys |= {key for key in tiny.leaves(DEMO) if not key.startswith(("configs.", "tables.", "figures."))}
    assert keys - OTHERS <= CHANGES.keys()
    for entries, model in (("tables", Table), ("figures", Figure)):
        names = {key.rpartition(".")[2] for key in CHANGES if key.startswith(f"{entries}.")}
        assert names == model.model_fields.keys() - {"dataset", "kind"}  # no other value fits the rest of an entry


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
    assert new_specs(demo, more) == runs | {"results/tables", "results/figures", "results/report"}


def test_removed_seed_makes_only_the_results(demo):
    assert new_specs(demo, study({"seeds": [0]})) == {"results/tables", "results/figures", "results/report"}


@pytest.mark.parametrize("dataset", ["digits", "synth"])
def test_added_configuration_makes_only_its_runs(dataset, demo):
    key = f"{dataset}-mi-g030"
    more = study({f"configs.{key}": {"dataset": dataset, "objective": "mi", "gamma": 0.3}})
    runs = {f"runs/{stage}/{key}/s{seed}" for stage in RUNS for seed in (0, 1)}
    assert new_specs(demo, more) == runs | {"results/tables", "results/figures", "results/report"}


@pytest.mark.parametrize("like", ["digits", "synth"])
def test_added_dataset_leaves_the_others_alone(like, demo):
    base = copy.deepcopy(DEMO)
    base["datasets"]["more"] = copy.deepcopy(base["datasets"][like])
    base["configs"]["more-vanilla"] = {"dataset": "more", "objective": "vanilla", "gamma": 0.0}
    stale = new_specs(demo, study(base=base))
    runs = {f"runs/{stage}/more-vanilla/s{seed}" for stage in RUNS for seed in (0, 1)}
    own = {"data/raw/more", "data/prepared/more", "runs/baseline/more"}
    assert stale == runs | own | {"results/report"}  # no table shows it, but the page tells of all


@pytest.mark.parametrize(("dataset", "epochs"), [("mnist", 200), ("fashion-mnist", 200), ("timit", 5000)])
def test_training_of_one_dataset_leaves_the_others_alone(dataset, epochs):
    root = yaml.safe_load((tiny.REPOSITORY / "params.yaml").read_text())
    root |= {"label": "other", "seeds": [0]}
    before, after = study(base=root), study({f"datasets.{dataset}.train.epochs": epochs}, base=root)
    stale = new_specs(before, after)
    keys = [key for key, config in root["configs"].items() if config["dataset"] == dataset]
    runs = {f"runs/{stage}/{key}/s0" for stage in RUNS for key in keys}
    assert stale == runs | {"results/tables", "results/figures", "results/report"}


def test_a_voice_is_converted_for_every_seed_and_a_sample_for_the_first(demo):
    inputs = set(demo["results/figures"].inputs)
    voices = {f"runs/embed/{key}/s{seed}" for key in DEMO["figures"]["D6"]["configs"] for seed in (0, 1)}
    samples = {f"runs/embed/{key}/s0" for key in DEMO["figures"]["D5"]["configs"]}
    assert inputs == voices | samples | {"results/tables", "data/prepared/digits", "data/prepared/synth"}


def test_makers_are_of_the_kind_of_the_data_set(demo):
    kinds = {"digits": "image.", "synth": "speech.", None: ""}
    for artefact in demo.artefacts.values():
        if artefact.stage == "report":
            assert artefact.maker == "cmivae.report.stage"  # above the audit, which is above all stages
        else:
            assert artefact.maker == f"cmivae.stages.{kinds[dataset_of(artefact)]}{artefact.stage}"


def test_gamma_and_objective_are_in_the_spec(demo):
    specs = {artefact.spec for artefact in demo.of_stage("train")}
    assert len(specs) == len(DEMO["configs"]) * len(DEMO["seeds"])
    for key, gamma in (("digits-cmi-g060", 0.6), ("synth-cmi-g080", 0.8)):
        found = demo[f"runs/train/{key}/s1"].params
        assert (found["objective"], found["gamma"], found["seed"]) == ("cmi", gamma, 1)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("runs/train/digits-cmi-g060/s1", "train digits-cmi-g060/s1"), ("data/raw/digits", "fetch digits"),
     ("runs/embed/synth-vanilla/s0", "embed synth-vanilla/s0"), ("data/prepared/synth", "prepare synth"),
     ("results/tables", "tables")],
)  # fmt: skip
def test_artefact_is_called_as_on_the_command_line(folder, name, demo):
    assert demo[folder].name == name
