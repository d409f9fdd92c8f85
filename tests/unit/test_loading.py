"""Any mistake in ``params.yaml`` is named by file and key with a suggestion: exit code 2 and never a traceback."""

import copy
import math

import pytest
import tiny
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cmivae.cli import main
from cmivae.errors import EXIT_USER
from cmivae.study.checks import check_study
from cmivae.study.loading import load_params, parse_params

D, S = "datasets.digits", "datasets.voices"
C = "configs.digits-cmi-g030"
FIGURE = {"title": "x", "kind": "curve", "dataset": "digits"}

# (id, dotted key, bad value, what the message must say)
BAD_VALUES = [
    ("unknown-top", "sede", [0], "sede", "did you mean 'seeds'?"),
    ("unknown-compute", "compute.thread", 1, "compute.thread", "did you mean 'threads'?"),
    ("unknown-dataset-block", f"{D}.trian", {}, f"{D}.trian", "did you mean 'train'?"),
    ("unknown-data", f"{D}.data.n_trian", 5, f"{D}.data.n_trian", "did you mean 'n_train'?"),
    ("unknown-model", f"{D}.model.zdim", 5, f"{D}.model.zdim", "did you mean 'z_dim'?"),
    ("unknown-train", f"{D}.train.epoch", 5, f"{D}.train.epoch", "did you mean 'epochs'?"),
    ("unknown-posthoc", f"{D}.embed.posthoc.init", 5, f"{D}.embed.posthoc.init", "did you mean 'inits'?"),
    ("unknown-config", f"{C}.gama", 0.3, f"{C}.gama", "did you mean 'gamma'?"),
    ("unknown-far", f"{D}.critic.qqqq", 1, f"{D}.critic.qqqq", "known here: channels, disc_input, hidden"),
    ("text-for-int", f"{D}.train.epochs", "ten", f"{D}.train.epochs", "valid integer"),
    ("text-for-float", f"{D}.train.lr", "1e-3", f"{D}.train.lr", "0.001 or 1.0e-3: YAML reads 1e-3 as text"),
    ("bool-for-int", f"{D}.train.epochs", True, f"{D}.train.epochs", "valid integer"),
    ("float-for-int", f"{D}.train.epochs", 3.0, f"{D}.train.epochs", "valid integer"),
    ("int-for-bool", f"{D}.train.online_estimator", 1, f"{D}.train.online_estimator", "valid boolean"),
    ("int-for-text", "note", 7, "note", "valid string"),
    ("list-for-block", f"{D}.train", [1], f"{D}.train", "'train' is [1]"),
    ("null-for-block", f"{D}.critic", None, f"{D}.critic", "'critic' is None"),
    ("text-for-block", "datasets", "digits", "datasets", "'datasets' is 'digits'"),
    ("nan", f"{D}.train.lr", math.nan, f"{D}.train.lr", "finite"),
    ("inf", f"{D}.evaluate.c", math.inf, f"{D}.evaluate.c", "finite"),
    ("gamma-one", f"{C}.gamma", 1.0, f"{C}.gamma", "less than 1"),
    ("gamma-negative", f"{C}.gamma", -0.1, f"{C}.gamma", "greater than or equal to 0"),
    ("epochs-zero", f"{D}.train.epochs", 0, f"{D}.train.epochs", "greater than or equal to 1"),
    ("batch-one", f"{D}.train.batch_size", 1, f"{D}.train.batch_size", "greater than or equal to 2"),
    ("lr-zero", f"{D}.train.lr", 0.0, f"{D}.train.lr", "greater than 0"),
    ("kernel-one", f"{D}.model.kernels", [5, 1], f"{D}.model.kernels[1]", "greater than or equal to 3"),
    ("three-betas", f"{D}.train.adam_betas", [0.1, 0.2, 0.3], f"{D}.train.adam_betas", "2 items"),
    ("seed-negative", "seeds", [0, -1], "seeds[1]", "greater than or equal to 0"),
    ("seed-huge", "seeds", [2**31], "seeds[0]", "less than 2147483648"),
    ("seed-astronomic", "seeds", [10**60], "seeds[0]", "less than 2147483648"),
    ("device", "compute.device", "gpu", "compute.device", "pattern"),
    ("choice", f"{D}.model.encoder", "vit", f"{D}.model.encoder", "'resnet' or 'conv'"),
    ("model", f"{D}.model.name", "pixelcnn", f"{D}.model.name", "'pixelcnn_vae'"),
    ("seeds-twice", "seeds", [0, 1, 0], "seeds", "twice"),
    ("seeds-empty", "seeds", [], "seeds", "at least 1 item"),
    ("configs-empty", "configs", {}, "configs", "at least 1 item"),
    ("datasets-empty", "datasets", {}, "datasets", "at least 1 item"),
    ("dataset-name", "datasets.Digits 2", {}, "datasets.Digits 2", "pattern"),
    ("config-dataset", f"{C}.dataset", "digit", f"{C}.dataset", "did you mean 'digits'?"),
    ("config-objective", f"{C}.objective", "cmii", f"{C}.objective", "did you mean 'cmi'?"),
    ("config-objective-far", f"{C}.objective", "xyz", f"{C}.objective", "known: beta, cmi, cmi-alpha, "),
    ("reader", f"{D}.reader", "digit", f"{D}.reader", "did you mean 'digits'?"),
    ("table-dataset", "tables.D4.dataset", "mnist", "tables.D4.dataset", "known: digits"),
    ("table-paper", "tables.D4.paper", "table6", "tables.D4.paper", "'table4' or 'table5'"),
    ("table-name", "tables.d4", {"title": "x", "dataset": "digits"}, "tables.d4", "pattern"),
    ("figure-dataset", "figures.D3.dataset", "mnist", "figures.D3.dataset", "known: digits"),
    ("figure-metric", "figures.D3.metric", "mca", "figures.D3.metric", "'mcas'"),
    ("figure-no-metric", "figures.D6", FIGURE, "figures.D6.metric", "e.g. metric: mcas"),
    ("figure-no-table", "tables", {}, "figures.D3", "add a table of this dataset"),
    ("figure-config", "figures.D5.configs", ["digits-cmi-g03"], "figures.D5.configs", "mean 'digits-cmi-g030'?"),
    ("figure-no-config", "figures.D5.configs", [], "figures.D5.configs", "needs configs"),
    ("vanilla-gamma", "configs.digits-vanilla.gamma", 0.3, "configs.digits-vanilla.gamma", "gamma 0.0 with"),
    ("cmi-zero", f"{C}.gamma", 0.0, f"{C}.gamma", "or a gamma above 0"),
    ("key-says-other", f"{C}.gamma", 0.4, C, "rename it to 'digits-cmi-g040'"),
    ("label-paper", "label", "paper", f"{D}.reader", "another label, e.g. reduced"),
    ("style", "style.dpi", 5000, "style.dpi", "less than or equal to 1200"),
]  # fmt: skip

MISSING = ["label", "seeds", "datasets", "configs", "tables", "style", f"{D}.reader", f"{D}.critic",
           f"{D}.train.epochs", f"{D}.model.name", f"{C}.gamma", f"{C}.objective", "tables.D4.title",
           "figures.D3.kind"]  # fmt: skip

SPEECH = {"reader": "synth", "data": {"vc_segments": 8}, "model": {"name": "dsae"}, "critic": {},
          "train": {"epochs": 1}, "embed": {}, "evaluate": {}}  # fmt: skip

# Of a data set of speech: (id, key in its block, bad value, where in the block, what the message must say)
BAD_SPEECH = [
    ("unknown-block", "trian", {}, "trian", "did you mean 'train'?"),
    ("unknown-data", "data.hop_lenght", 80, "data.hop_lenght", "did you mean 'hop_length'?"),
    ("unknown-synth", "data.synth.train_speaker", 3, "data.synth.train_speaker", "did you mean 'train_speakers'?"),
    ("unknown-model", "model.hiden", 8, "model.hiden", "did you mean 'hidden'?"),
    ("unknown-critic", "critic.scale", 1.0, "critic.scale", "did you mean 'scale_init'?"),
    ("unknown-train", "train.epoch", 5, "train.epoch", "did you mean 'epochs'?"),
    ("unknown-embed", "embed.voice", 5, "embed.voice", "did you mean 'voices'?"),
    ("unknown-posthoc", "embed.posthoc.init", 5, "embed.posthoc.init", "did you mean 'inits'?"),
    ("key-of-images", "embed.decodes", 5, "embed.decodes", "known here: eval_seed, posthoc, voices"),
    ("evaluate-of-images", "evaluate.svm_gamma", "scale", "evaluate.svm_gamma", "known here: c, max_iter"),
    ("unknown-far", "qqqq", 1, "qqqq", "known here: critic, data, embed, evaluate, model, reader, train"),
    ("text-for-int", "train.epochs", "ten", "train.epochs", "valid integer"),
    ("text-for-float", "train.lr", "2e-4", "train.lr", "0.001 or 1.0e-3: YAML reads 1e-3 as text"),
    ("nan", "critic.scale_init", math.nan, "critic.scale_init", "finite"),
    ("choice", "data.window", "hanning", "data.window", "'hann', 'sqrt_hann' or 'hamming'"),
    ("floor-zero", "data.floor", 0.0, "data.floor", "greater than 0"),
    ("odd-vc", "data.vc_segments", 7, "data.vc_segments", "multiple of 2"),
    ("split-meaning", "data.splits", {"old": "tain"}, "data.splits.old", "'train', 'valid', 'test', 'core' or 'skip'"),
    ("three-parts", "data.parts", ["a", "b", "c"], "data.parts", "2 items"),
    ("many-voices", "embed.voices", 51, "embed.voices", "less than or equal to 50"),
    ("list-for-block", "data", [1], "data", "'data' is [1]"),
    ("null-for-block", "critic", None, "critic", "'critic' is None"),
    ("model-of-images", "model.name", "pixelcnn_vae", "model.name", "'dsae'"),
    ("model", "model.name", "dsea", "model.name", "'dsae'"),
    ("reader", "reader", "timt", "reader", "did you mean 'timit'?"),
    ("reader-far", "reader", "qqqq", "reader",
     "known: digits, fashion-mnist, librispeech, manifest, mnist, synth, timit"),
    ("reader-of-images", "reader", "digits", "data.vc_segments", "unknown key 'vc_segments'"),
    ("reader-null", "reader", None, "reader", "'reader' is None"),
]  # fmt: skip

LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))

# (id, content of params.yaml, what the message must say)
BAD_FILES = [
    ("tab", tiny.TEXT.replace("  digits:\n", "\tdigits:\n", 1), "params.yaml:5", "'\\t'"),
    ("unclosed", tiny.TEXT + "last: [1, 2\n", "params.yaml:", "not valid YAML"),
    ("unclosed-quote", 'label: "tiny\n', "params.yaml:", "not valid YAML"),
    ("rubbish", bytes(range(256)) * 8, "params.yaml", "cannot be read"),
    ("zeros", bytes(512), "params.yaml", "not valid YAML"),
    ("utf16", tiny.TEXT.encode("utf-16"), "params.yaml", "cannot be read"),
    ("empty", "", "the file says nothing", "write a study"),
    ("only-comments", "# nothing\n", "the file says nothing", "write a study"),
    ("list", "- a\n- b\n", "the whole file is", "should be an object"),
    ("scalar", "42\n", "the whole file is", "should be an object"),
    ("two-documents", tiny.TEXT + "---\n" + tiny.TEXT, "params.yaml:", "another document"),
    ("key-twice", tiny.TEXT.replace("seeds:", "seeds: [0]\nseeds:"), "params.yaml:4", "twice (first in line 3)"),
    ("number-as-key", tiny.TEXT + "1: x\n", "params.yaml:", "a key must be plain text"),
    ("number-and-text-key", tiny.TEXT + "1: x\n'1': y\n", "params.yaml:", "a key must be plain text"),
    ("list-as-key", tiny.TEXT + "? [a, b]\n: x\n", "params.yaml:", "a key must be plain text"),
    ("anchors", LAUGHS, "params.yaml:2", "write it out"),
    ("own-child", "a: &a\n  b: *a\n", "params.yaml:2", "write it out"),
    ("deep", "[" * 5000, "params.yaml", "not valid YAML"),
    ("deep-closed", "label: " + "[" * 250 + "]" * 250, "the whole file", "recursion limit"),
    ("date", tiny.TEXT.replace("note: three runs a seed", "note: 2020-02-02"), "params.yaml", "neither text, number"),
    ("bad-date", "note: 2020-99-99\n", "params.yaml", "month must be in 1..12"),
    ("python-tag", "note: !!python/object/apply:os.getcwd []\n", "params.yaml:1", "could not determine a constructor"),
    ("tag-bool", "note: !!bool maybe\n", "params.yaml", "not valid YAML"),
    ("tag-int", "note: !!int ''\n", "params.yaml", "not valid YAML"),
    ("tag-date", "note: !!timestamp soon\n", "params.yaml", "not valid YAML"),
    ("tag-map", "note: !!map [1]\n", "params.yaml", "expected a mapping"),
    ("huge-number", f"seeds: [0x{'f' * 5000}]\n", "params.yaml", "digits"),
]  # fmt: skip


def refused(folder, capsys, *expected):
    """``cmivae check`` exits 2 with one message that says all this."""
    assert main(["-C", str(folder), "check"]) == EXIT_USER
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("cmivae: ")
    assert error.count("cmivae: ") == 1
    assert "Traceback" not in error
    for text in (str(folder / "params.yaml"), *expected, "\n  fix   "):
        assert text in error
    return error


@pytest.mark.parametrize(("key", "value", "where", "says"), [c[1:] for c in BAD_VALUES], ids=[c[0] for c in BAD_VALUES])
def test_bad_value_is_named(key, value, where, says, tmp_path, capsys):
    text = yaml.safe_dump(tiny.put(tiny.values(), key, value))
    refused(tiny.workspace(tmp_path, text), capsys, f"params.yaml:{where}", says)


@pytest.mark.parametrize("key", MISSING)
def test_missing_key_is_named(key, tmp_path, capsys):
    text = yaml.safe_dump(tiny.drop(tiny.values(), key))
    name = key.rpartition(".")[2]
    refused(tiny.workspace(tmp_path, text), capsys, f"params.yaml:{key}", f"the key {name!r} is missing", "add it")


def with_speech(name="voices"):
    """The tiny study and a data set of speech with a configuration and a table."""
    values = tiny.put(tiny.values(), f"datasets.{name}", copy.deepcopy(SPEECH))
    values["configs"][f"{name}-vanilla"] = {"dataset": name, "objective": "vanilla", "gamma": 0.0}
    return tiny.put(values, "tables.D1", {"title": "EER", "dataset": name, "layout": "eer"})


@pytest.mark.parametrize("name", ["voices", "speech", "image", "data"])
def test_a_data_set_of_speech_is_fine(name, tmp_path, capsys):
    assert main(["-C", str(tiny.workspace(tmp_path, yaml.safe_dump(with_speech(name)))), "check"]) == 0
    assert "4 configurations x 2 seeds = 8 runs" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["voices", "speech", "image"])  # also where the name is a word of ours
@pytest.mark.parametrize(("key", "value", "where", "says"), [c[1:] for c in BAD_SPEECH], ids=[c[0] for c in BAD_SPEECH])
def test_bad_value_of_speech_is_named(name, key, value, where, says, tmp_path, capsys):
    text = yaml.safe_dump(tiny.put(with_speech(name), f"datasets.{name}.{key}", value))
    error = refused(tiny.workspace(tmp_path, text), capsys, f"params.yaml:datasets.{name}.{where}\n", says)
    assert "datasets.digits" not in error


@pytest.mark.parametrize("key", ["reader", "data", "model", "critic", "embed", "evaluate", "model.name",
                                 "train.epochs"])  # fmt: skip
def test_missing_key_of_speech_is_named(key, tmp_path, capsys):
    text = yaml.safe_dump(tiny.drop(with_speech(), f"{S}.{key}"))
    name = key.rpartition(".")[2]
    refused(
        tiny.workspace(tmp_path, text), capsys, f"params.yaml:{S}.{key}\n", f"the key {name!r} is missing", "add it"
    )


@pytest.mark.parametrize(("dataset", "place"), [(D, f"{D}.data.mcas_subsets"), (S, f"{S}.model.name")])
def test_a_reader_and_a_model_of_two_kinds_are_refused(dataset, place, tmp_path, capsys):
    values = tiny.put(with_speech(), f"{D}.reader", "timit") if dataset == D else with_speech()
    values = tiny.put(values, f"{S}.model", {"name": "pixelcnn_vae"}) if dataset == S else values
    refused(tiny.workspace(tmp_path, yaml.safe_dump(values)), capsys, f"params.yaml:{place}\n")


@pytest.mark.parametrize(("content", "where", "says"), [c[1:] for c in BAD_FILES], ids=[c[0] for c in BAD_FILES])
def test_bad_file_is_named(content, where, says, tmp_path, capsys):
    refused(tiny.workspace(tmp_path, content), capsys, where, says)


def test_same_run_under_two_keys_is_refused_by_its_key(tmp_path, capsys):
    text = tiny.TEXT.replace("tables:\n", "  digits-again: {dataset: digits, objective: cmi, gamma: 0.3}\ntables:\n")
    refused(
        tiny.workspace(tmp_path, text), capsys, "params.yaml:configs.digits-again", "rename it to 'digits-cmi-g030'"
    )


def test_figure_of_another_datasets_config_is_refused(tmp_path, capsys):
    values = tiny.values()
    values["datasets"]["other"] = values["datasets"]["digits"]
    values["configs"]["other-vanilla"] = {"dataset": "other", "objective": "vanilla", "gamma": 0.0}
    text = yaml.dump(tiny.put(values, "figures.D5.configs", ["other-vanilla"]), Dumper=_Plain)
    refused(tiny.workspace(tmp_path, text), capsys, "figures.D5.configs", "of another dataset")


class _Plain(yaml.SafeDumper):
    """Writes equal blocks out twice instead of with an anchor."""

    def ignore_aliases(self, data):
        return True


def test_no_params_says_where_to_run(tmp_path, capsys):
    refused(tmp_path, capsys, "there is no params.yaml here", "run from a workspace")


def test_folder_in_place_of_params(tmp_path, capsys):
    (tmp_path / "params.yaml").mkdir()
    refused(tmp_path, capsys, "params cannot be read")


def test_several_mistakes_are_counted(tmp_path, capsys):
    values = tiny.put(tiny.put(tiny.values(), f"{D}.train.epochs", 0), f"{D}.train.batch_size", 0)
    more = f"and 1 more mistake in the file, the next at {D}.train.batch_size\n"
    refused(tiny.workspace(tmp_path, yaml.safe_dump(values)), capsys, f"{D}.train.epochs", more)


@pytest.mark.parametrize(
    ("key", "value", "what", "fix"),
    [("seeds", [-1], "'seeds[0]' is -1", "choose a value of at least 0"),
     (f"{D}.model.kernels", [1], "'kernels[0]' is 1", "choose a value of at least 3"),
     ("tables.D4.gammas", [2.0], "'gammas[0]' is 2.0", "choose a value below 1"),
     ("datasets.Digits 2", tiny.values()["datasets"]["digits"], "the name 'Digits 2' is not allowed", "small letters"),
     (f"{D}.train", {"epoch": 1}, "unknown key 'epoch'", "did you mean 'epochs'?"),
     (f"{D}.train.epochs", "ten", "'epochs' is 'ten'", "write a whole number"),
     ("compute", {"device": "gpu"}, "'device' is 'gpu'", "choose auto, cpu, cuda or cuda:N")],
)  # fmt: skip
def test_one_mistake_is_one(key, value, what, fix, tmp_path, capsys):
    error = refused(tiny.workspace(tmp_path, yaml.safe_dump(tiny.put(tiny.values(), key, value))), capsys, what, fix)
    assert " more " not in error


@pytest.mark.parametrize(("kind", "name"), [("figures", "D4"), ("figures", "D5A"), ("tables", "D3")])
def test_tables_and_figures_share_no_name(kind, name, tmp_path, capsys):
    values = tiny.put(tiny.values(), "figures.D5a", {**FIGURE, "metric": "mcas"})
    entry = {**FIGURE, "metric": "aolr"} if kind == "figures" else {"title": "x", "dataset": "digits"}
    values = tiny.put(values, f"{kind}.{name}", entry)
    text = yaml.safe_dump(values, sort_keys=False)
    refused(tiny.workspace(tmp_path, text), capsys, "is taken by", "give one of them another name")


def test_minimal_workspace_is_fine(tmp_path, capsys):
    assert main(["-C", str(tiny.workspace(tmp_path)), "check"]) == 0
    assert "3 configurations x 2 seeds = 6 runs" in capsys.readouterr().out


def test_whole_numbers_may_stand_for_floats():
    assert tiny.params({f"{D}.evaluate.c": 1}) == tiny.params({f"{D}.evaluate.c": 1.0})


TOKENS = st.sampled_from(
    ["\t", "\n", " ", ":", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "!!int ", "!!bool ", "!!map ", "!!set ", "<<: ",
     "!!float ", "!!binary ", "!!omap ", "? ", "|", ">", "'", '"', "#", "%", "@", "---\n", "...\n", ".nan", "-.inf",
     "null", "~", "0x", "1_0", "1:30", "=", "\\ud800", "\0", "\ufeff", "2020-01-01", "99999999999999999999", "é"]
)  # fmt: skip
EDITS = st.lists(
    st.tuples(st.integers(0, len(tiny.TEXT)), st.integers(0, 12), TOKENS | st.text(max_size=3)), max_size=3
)


@given(edits=EDITS)
@settings(max_examples=120, deadline=None)
def test_no_text_gives_a_traceback(edits, tmp_path_factory):
    text = tiny.TEXT
    for start, length, token in edits:
        text = text[:start] + token + text[start + length :]
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    tiny.workspace(folder, text.encode("utf-8", "surrogatepass"))
    error = tiny.mistake(lambda: load_params(folder / "params.yaml"))
    assert error is None or (error.what and "params.yaml" in error.where)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(key=st.sampled_from([*tiny.leaves(with_speech()), D, S, f"{S}.data", f"{S}.data.synth", "configs", "new"]),
       value=VALUES)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_no_value_gives_a_traceback(key, value):
    values = tiny.put(with_speech(), key, value)
    error = tiny.mistake(lambda: check_study(parse_params(values), "params.yaml"))
    assert error is None or error.where.startswith("params.yaml")


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("figures.D3.configs", ["digits-cmi-g030"], "a curve shows all configs"),
        ("figures.D5.metric", "mcas", "a grid of samples shows no metric"),
    ],
)
def test_a_key_that_would_be_ignored_is_refused(key, value, says, tmp_path, capsys):
    text = yaml.dump(tiny.put(tiny.values(), key, value), Dumper=_Plain)
    refused(tiny.workspace(tmp_path, text), capsys, f"params.yaml:{key}", says)
