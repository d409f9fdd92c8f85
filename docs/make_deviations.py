"""Measures alternatives of ``docs/deviations.md`` on the demo and writes ``docs/deviations-demo.csv``.

    make demo
    python docs/make_deviations.py demo            # measures, 8 minutes; rows already there are kept; prints table 2
    python docs/make_deviations.py                 # prints the tables of the CSV, as docs/deviations.md has them

One parameter is changed at a time, for one configuration and all seeds of the demo; each run is compared with the
demo's own run of the same seed. Networks are small and epochs few: this shows that an alternative runs, and how large
its effect is there beside the noise of seeds. It says nothing about the paper's scale.
"""

import csv
import json
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import yaml

from cmivae.provenance.io import read_json
from cmivae.provenance.specs import Study
from cmivae.results.cells import read_pointer
from cmivae.results.differences import paired
from cmivae.results.stats import mean_se
from cmivae.stages.runner import build
from cmivae.study.loading import load_params

CSV = Path(__file__).parent / "deviations-demo.csv"
CONFIGS = {"digits": "digits-cmi-g060", "synth": "synth-cmi-g080"}
METRICS = {  # name in the CSV: pointer, digits
    "digits": {"ELBO": ("/elbo", 2), "KL(z)": ("/kl_z", 2), "I(z;s)": ("/i_zs/online", 2), "mCAS": ("/mcas/mean", 3),
               "AoLR": ("/aolr/accuracy", 3)},
    "synth": {"ELBO": ("/core/elbo", 1), "KL(z)": ("/core/kl_z", 2), "I(z;s)": ("/i_zs/online", 2),
              "EER(z)": ("/core/eer_z", 2), "EER(s)": ("/core/eer_s", 2), "VC-mCAS": ("/vc_mcas/percent", 1)},
}  # fmt: skip
ALTERNATIVES = (  # entry, data set, key, value
    ("D27", "digits", "embed.mcas_z", "sample"),
    ("D46", "digits", "evaluate.c", 0.1),
    ("D46", "digits", "evaluate.c", 10.0),
    ("O11", "digits", "embed.eval_seed", 1),
    ("D13", "digits", "model.cut", 1),
    ("D13", "digits", "model.z_inject", "once"),
    ("D17", "digits", "critic.disc_input", "x"),
    ("D15", "digits", "model.block", "plain"),
    ("D21", "digits", "train.d_batch", "fresh"),
    ("D22", "digits", "train.clip", 0.0),
    ("D16", "digits", "model.encoder", "conv"),
    ("D13", "digits", "model.z_inject", "input"),
    ("D2", "synth", "data.norm", "mvn"),
    ("D10", "synth", "model.q_s", "ar"),
    ("D11", "synth", "model.prior", "markov"),
    ("D12", "synth", "model.var", "scalar"),
    ("D8", "synth", "data.segments", "random"),
    ("D17", "synth", "critic.disc_input", "x"),
    ("D1", "synth", "data.framing", "wave_padend"),
)
FIELDS = ("entry", "dataset", "config", "key", "value", "default", "metric", "n", "theirs", "ours", "difference", "se")


def measure(demo: Path, only: tuple[str, ...]) -> None:
    """Run what the CSV does not have yet."""
    there = {(row["dataset"], row["key"], row["value"]) for row in read()}
    for entry, dataset, key, value in ALTERNATIVES:
        if dataset in only and (dataset, key, str(value)) not in there:
            with tempfile.TemporaryDirectory() as name:
                rows = compare(demo, Path(name), entry, dataset, key, value)
            write([*read(), *rows])


def compare(demo: Path, folder: Path, entry: str, dataset: str, key: str, value: object) -> list[dict]:
    """One alternative beside the demo; every metric that both have."""
    config = CONFIGS[dataset]
    for stage in ("train", "embed", "evaluate"):
        shutil.copytree(demo / "runs" / stage / config, folder / "runs" / stage / config)
    for part in ("raw", "prepared"):
        shutil.copytree(demo / "data" / part / dataset, folder / "data" / part / dataset)
    params, default = changed(demo, dataset, config, key, value)
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    study = Study(load_params(folder / "params.yaml"))
    for stage in ("prepare", "train", "embed", "evaluate"):
        for artefact in study.of_stage(stage):
            build(folder, study, artefact)
    values = {where: [metrics(where, config, seed) for seed in params["seeds"]] for where in (demo, folder)}
    rows = []
    for name, (pointer, digits) in METRICS[dataset].items():
        ours, theirs = ([read_pointer(each, pointer) for each in values[where]] for where in (demo, folder))
        if key == "data.norm" and name == "ELBO":
            continue  # another unit
        found = paired(theirs, ours)
        rows.append({
            "entry": entry, "dataset": dataset, "config": config, "key": key, "value": value, "default": default,
            "metric": name, "n": len(ours), "theirs": rounded(mean_se(theirs)[0], digits + 2),
            "ours": rounded(mean_se(ours)[0], digits + 2), "difference": rounded(found.value, digits + 2),
            "se": rounded(found.se, digits + 2),
        })  # fmt: skip
    return rows


def changed(demo: Path, dataset: str, config: str, key: str, value: object) -> tuple[dict, object]:
    """The demo's parameters with one data set, one configuration and one other value; and the value it had."""
    params = yaml.safe_load((demo / "params.yaml").read_text())
    block, name = key.split(".")
    default = getattr(getattr(load_params(demo / "params.yaml").datasets[dataset], block), name)
    one = params["datasets"][dataset]
    one[block] = (one[block] or {}) | {name: value}
    params |= {"datasets": {dataset: one}, "configs": {config: params["configs"][config]}, "tables": {}, "figures": {}}
    return params, default


def metrics(workspace: Path, config: str, seed: int) -> dict:
    """What an evaluated run says."""
    return json.loads((workspace / f"runs/evaluate/{config}/s{seed}/metrics.json").read_text())


def rounded(value: float | None, digits: int) -> str:
    """As the CSV has it."""
    return "" if value is None else f"{value:.{digits}f}"


def read() -> list[dict[str, str]]:
    """The CSV's rows."""
    return list(csv.DictReader(CSV.read_text().splitlines())) if CSV.is_file() else []


def write(rows: list[dict]) -> None:
    """In the order of ``ALTERNATIVES``."""
    order = {(dataset, key, str(value)): place for place, (_, dataset, key, value) in enumerate(ALTERNATIVES)}
    rows = sorted(rows, key=lambda row: order[row["dataset"], row["key"], str(row["value"])])
    with CSV.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def tables() -> str:
    """The Markdown of ``docs/deviations.md``: the alternative's mean less the default's, and its standard error."""
    parts = []
    for dataset, config in CONFIGS.items():
        rows = [row for row in read() if row["dataset"] == dataset]
        if not rows:
            continue
        names = list(METRICS[dataset])
        lines = [f"| `{config}` | n | " + " | ".join(names) + " |", "|:--|--:" + "|--:" * len(names) + "|"]
        default = {row["metric"]: row["ours"] for row in rows}
        lines.append(
            f"| default, mean | {rows[0]['n']} | "
            + " | ".join(_cell(dataset, n, default.get(n, "")) for n in names)
            + " |"
        )
        for change in dict.fromkeys((row["entry"], row["key"], row["value"]) for row in rows):
            mine = {row["metric"]: row for row in rows if (row["entry"], row["key"], row["value"]) == change}
            entry, key, value = change
            n = next(iter(mine.values()))["n"]
            cells = [_change(dataset, mine.get(name)) for name in names]
            lines.append(f"| [{entry}](#{entry}) `{key}: {value}` | {n} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def as_they_are(demo: Path) -> str:
    """What the demo's runs say by themselves, for the second table of ``docs/deviations.md``."""
    found = {
        name: [read_json(path) for path in sorted((demo / "runs/evaluate").glob(f"{name}-*/s*/metrics.json"))]
        for name in CONFIGS
    }
    subsets = [values["mcas"]["per_subset"] for values in found["digits"]]
    away = [each[0] - statistics.mean(each) for each in subsets]
    spread = [statistics.stdev(each) for each in subsets]
    best = [read_json(path)["selected"]["epoch"] for path in (demo / "runs/train").glob("digits-*/s*/run.json")]
    epochs = load_params(demo / "params.yaml").datasets["digits"].train.epochs
    lines = []
    for name, what in (("digits", "I(z;s) post hoc minus online, digits"), ("synth", "the same, synthetic speech")):
        late = _over([values["i_zs"]["posthoc"] - values["i_zs"]["online"] for values in found[name]], 2)
        online = statistics.mean(values["i_zs"]["online"] for values in found[name])
        lines.append(f"| [D26](#D26) | {what} | {late} nats (of {online:.2f}) |")
    for eer, name in (("eer_z", "EER(z)"), ("eer_s", "EER(s)")):
        points = _over([values["full"][eer] - values["core"][eer] for values in found["synth"]], 1)
        lines.append(f"| [D6](#D6) | full list minus core list, {name} | {points} points |")
    lines.append(
        f"| [O1](#O1) | mCAS of the first subset minus the mean of {len(subsets[0])} | from {min(away):+.2f} to "
        f"{max(away):+.2f}; sd over subsets {min(spread):.3f} to {max(spread):.3f} |"
    )
    chosen = best.count(epochs)
    lines.append(f"| [D25](#D25) | best epoch of validation | the last, {epochs}, in {chosen} of {len(best)} runs |")
    return "| | what | effect |\n|:--|:--|--:|\n" + "\n".join(lines).replace("-", "−")


def _over(values: list[float], digits: int) -> str:
    """Mean and standard error over runs."""
    mean, se = mean_se(values)[:2]
    return f"{mean:+.{digits}f} ± {se:.{digits}f}"


def _change(dataset: str, row: dict[str, str] | None) -> str:
    """A difference and its error; "0" where the change cannot reach the metric."""
    if row is None:
        return "–"
    if float(row["difference"]) == float(row["se"]) == 0:
        return "0"
    return f"{_cell(dataset, row['metric'], row['difference'], '+')} ± {_cell(dataset, row['metric'], row['se'])}"


def _cell(dataset: str, metric: str, text: str, sign: str = "") -> str:
    return f"{float(text):{sign}.{METRICS[dataset][metric][1]}f}".replace("-", "−") if text else "–"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]), tuple(sys.argv[2:]) or tuple(CONFIGS))
        print(as_they_are(Path(sys.argv[1])))
    else:
        print(tables())
