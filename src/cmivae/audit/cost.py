"""What all runs of a study cost on one device, from nothing: counted, estimated, and measured where asked for.

Only stages train and embed are meant; the others are minutes. docs/performance.md has the reasoning and the numbers.
"""

from typing import Any

from cmivae.audit.book import Book
from cmivae.audit.flops import item_flops, of_run, steps
from cmivae.audit.items import Counts, counts
from cmivae.audit.rates import device_here, device_name, item_seconds
from cmivae.audit.render import line
from cmivae.progress import log
from cmivae.provenance.environment import environment
from cmivae.study.params import Config, Dataset
from cmivae.training.build import build_objective

PEAKS = {"float32": 67e12, "bf16": 989e12}  # operations a second of an H100 SXM without sparsity, by its data sheet
SHARE = 0.35  # of the peak that convolutions of 32 and 64 channels may reach: an estimate
LEAST_S = {"image": 4.0e-3, "speech": 1.8e-3}  # of a step: 800 launches one by one, recurrences: an estimate
GRAPH_LEAST_S = {"image": 2.0e-3, "speech": 1.8e-3}  # the same as one graph: 2.5 us a kernel, an estimate
STAGES = ("train", "embed")
Key = tuple[str, str, tuple[str, ...]]  # data set, objective and critics: runs that cost the same
Group = tuple[int, Counts, Config]  # how many, on how many items, and one of them


def cost(book: Book, measure: bool = False) -> dict[str, Any]:
    """Operations and hours of all runs; hours of the device at hand where ``measure`` times its steps now."""
    groups, unknown = _groups(book)
    compute = book.study.params.compute
    found: dict[str, Any] = {
        "runs": sum(runs for runs, _, _ in groups.values()),
        "not_counted": unknown,
        "groups": [],
        "peaks": PEAKS,
        "share": SHARE,
        "least_s": GRAPH_LEAST_S if compute.graph else LEAST_S,
        "cuda_here": _cuda_here(),
    }
    device = device_here(compute.device, compute.threads) if measure else None
    found["measured_on"] = None if device is None else device_name(device, _threads(book))
    known: dict[str, tuple[dict[str, float], dict[str, float]]] = {}
    for (name, objective, critics), (runs, items, config) in groups.items():
        dataset = book.study.params.datasets[name]
        same = _same(dataset, critics)
        if same not in known:
            log.info("count %s %s", name, objective)
            seconds = {} if device is None else item_seconds(dataset, config, device, compute.graph)
            known[same] = item_flops(dataset, config), seconds
        each, seconds = known[same]
        row = {"dataset": name, "objective": objective, "runs": runs, "prepared": items.prepared}
        row |= _of_group(dataset, items, runs, of_run(dataset, items, each), found["least_s"])
        if device is not None:
            row["items_per_second"] = 1 / seconds["step"]
            row["measured_hours"] = {
                stage: runs * value / 3600 for stage, value in of_run(dataset, items, seconds).items()
            }
        found["groups"].append(row)
    return found


def _same(dataset: Dataset, critics: tuple[str, ...]) -> str:
    """What decides the cost of an item: data sets and objectives that agree in it are counted once."""
    settings = dataset.model_dump_json(include={"model", "critic", "train", "embed"})
    return f"{dataset.shape} {critics} {settings}"


def _groups(book: Book) -> tuple[dict[Key, Group], list[str]]:
    params, known = book.study.params, {name: counts(book, name) for name in book.study.params.datasets}
    groups: dict[Key, Group] = {}
    for config in params.configs.values():
        items, key = known[config.dataset], (config.dataset, config.objective, build_objective(config).critics)
        if items is not None:
            runs, _, first = groups.get(key, (0, items, config))
            groups[key] = runs + len(params.seeds), items, first
    return groups, [name for name, items in known.items() if items is None]


def _of_group(
    dataset: Dataset, items: Counts, runs: int, operations: dict[str, float], least_s: dict[str, float]
) -> dict[str, Any]:
    posthoc = dataset.embed.posthoc
    taught = min(posthoc.n_train or items.train, items.train) if posthoc.inits else 0
    updates = {"train": steps(dataset, items), "embed": posthoc.epochs * taught // dataset.train.batch_size}
    least = {stage: updates[stage] * least_s[dataset.kind] for stage in STAGES}
    return {
        "operations": {stage: runs * operations[stage] for stage in STAGES},
        "floor_hours": {
            name: {stage: runs * operations[stage] / peak / 3600 for stage in STAGES} for name, peak in PEAKS.items()
        },
        "estimated_hours": {
            name: {stage: runs * max(operations[stage] / peak / SHARE, least[stage]) / 3600 for stage in STAGES}
            for name, peak in PEAKS.items()
        },
    }


def _threads(book: Book) -> str:
    return f"{book.study.params.compute.threads} thread of {environment()['processor']}"


def _cuda_here() -> bool:
    import torch

    return torch.cuda.is_available()


def total(found: dict[str, Any], *path: str) -> float:
    """Sum over groups, and over both stages."""
    return sum(sum(_at(row, path).values()) for row in found["groups"])


def _at(row: dict[str, Any], path: tuple[str, ...]) -> dict[str, float]:
    for name in path:
        row = row[name]
    return row


def cost_text(found: dict[str, Any]) -> list[str]:
    """The cost in a few lines."""
    lines = []
    if found["groups"]:
        lines = [f"{found['runs']} runs from nothing, stages train and embed:", *_counted(found)]
        lines.append(line("measured", _measured(found)))
    if found["not_counted"]:
        lines.append(line("uncounted", f"runs on {', '.join(found['not_counted'])}, until it is prepared"))
    return lines


def _counted(found: dict[str, Any]) -> list[str]:
    done = {stage: sum(row["operations"][stage] for row in found["groups"]) for stage in STAGES}
    published = "" if all(row["prepared"] for row in found["groups"]) else ", of data as large as published"
    floors, guesses = (
        ", ".join(f"{total(found, kind, name):.3g} h in {name}" for name in PEAKS)
        for kind in ("floor_hours", "estimated_hours")
    )
    peaks = " and ".join(f"{peak / 1e12:.0f}" for peak in PEAKS.values())
    least = " or ".join(f"{value * 1e3:g}" for value in found["least_s"].values())
    return [
        line("counted", f"{done['train']:.3g} operations to train, {done['embed']:.3g} to embed{published}"),
        line("H100", f"counted floor: {floors}, at its peaks of {peaks} Tflop/s"),
        line("", f"estimate, not measured: {guesses}, at {SHARE:.0%} of them and {least} ms a step at least"),
    ]


def _measured(found: dict[str, Any]) -> str:
    cuda = "" if found["cuda_here"] else "no CUDA device is at hand, so no rate of one; "
    if found["measured_on"] is None:
        return f"{cuda}cmivae plan --measure times steps of each kind on this machine"
    hours = total(found, "measured_hours")
    return f"{cuda}{hours:.3g} h of {found['measured_on']}, by steps timed now"
