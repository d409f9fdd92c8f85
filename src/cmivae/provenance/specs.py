"""Input-addressed specs: what every artefact of the study should be made of, known before it is built.

The spec digest of an artefact covers the parameters it uses, the spec digests of its inputs (raw data by content)
and the code that makes it. An artefact is stale when its record holds another digest. As the digests chain, a
change upstream reaches everything below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cmivae.data.fetch import expected_content
from cmivae.provenance.code import code_digests, data_digest, module_digest
from cmivae.provenance.io import digest
from cmivae.registry import MODELS, OBJECTIVES, READERS
from cmivae.study.params import Params
from cmivae.study.runs import Run, expand

STAGES = ("fetch", "prepare", "train", "embed", "baseline", "evaluate", "tables", "figures")  # upstream first


@dataclass(frozen=True)
class Artefact:
    """One folder that a stage makes, and what it should be made of."""

    stage: str
    folder: str  # relative to the workspace
    params: dict[str, Any]
    inputs: tuple[str, ...]  # folders
    code: dict[str, str]  # module: digest
    spec: str
    run: Run | None = field(default=None, compare=False)
    dataset: str | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """How a user calls it, e.g. ``train mnist-cmi-g030/s0``."""
        return " ".join(filter(None, [self.stage, self.run.name if self.run else self.dataset]))


class Study:
    """All artefacts of a workspace, by folder, upstream first."""

    def __init__(self, params: Params):
        self.params = params
        self.artefacts: dict[str, Artefact] = {}
        for name in params.datasets:
            self._dataset(name)
        for run in expand(params):
            self._run(run)
        self._results()

    def __getitem__(self, folder: str) -> Artefact:
        return self.artefacts[folder]

    def of_stage(self, stage: str) -> list[Artefact]:
        """Artefacts of one stage, in study order."""
        return [artefact for artefact in self.artefacts.values() if artefact.stage == stage]

    def _add(self, stage: str, folder: str, params: Mapping, inputs: list[str], *targets: str, **where: Any) -> None:
        code = code_digests(f"cmivae.stages.{stage}", *targets)
        parts = {
            "stage": stage,
            "params": dict(params),
            "inputs": {name: self.artefacts[name].spec for name in inputs},
            "code": code,
        }
        self.artefacts[folder] = Artefact(stage, folder, dict(params), tuple(inputs), code, digest(parts), **where)

    def _dataset(self, name: str) -> None:
        block = self.params.datasets[name]
        data = block.data.model_dump(mode="json", exclude={"source"})
        raw, prepared = f"data/raw/{name}", f"data/prepared/{name}"
        content = {"reader": block.reader, "content": expected_content(block.reader)}
        self._add("fetch", raw, content, [], dataset=name)
        reader = READERS[block.reader]
        self._add("prepare", prepared, {"reader": reader, **data}, [raw], reader, dataset=name)
        evaluate = block.evaluate.model_dump(mode="json")
        self._add("baseline", f"runs/baseline/{name}", evaluate, [prepared], dataset=name)

    def _run(self, run: Run) -> None:
        block = self.params.datasets[run.config.dataset]
        prepared = f"data/prepared/{run.config.dataset}"
        train, embed, evaluate = (f"runs/{stage}/{run.name}" for stage in ("train", "embed", "evaluate"))
        targets = (MODELS[block.model.name], OBJECTIVES[run.config.objective])
        params = {
            "objective": run.config.objective,
            "code": list(targets),
            "gamma": run.config.gamma,
            "seed": run.seed,
            "model": block.model.model_dump(mode="json"),
            "critic": block.critic.model_dump(mode="json"),
            "train": block.train.model_dump(mode="json"),
        }
        self._add("train", train, params, [prepared], *targets, run=run)
        self._add("embed", embed, block.embed.model_dump(mode="json"), [train, prepared], *targets, run=run)
        self._add("evaluate", evaluate, block.evaluate.model_dump(mode="json"), [embed, prepared], run=run)

    def _results(self) -> None:
        params = self.params
        shown = {table.dataset for table in params.tables.values()}
        runs = [f"runs/evaluate/{run.name}" for run in expand(params) if run.config.dataset in shown]
        baselines = [f"runs/baseline/{name}" for name in params.datasets if name in shown]
        about = params.model_dump(mode="json", include={"label", "note", "seeds", "tables"})
        about["order"] = list(params.tables)
        about["printed"] = data_digest("results/printed/*.csv")
        about["defaults"] = module_digest("cmivae.study.params")  # tables say what differs from them
        self._add("tables", "results/tables", about, [*runs, *baselines])
        look = params.model_dump(mode="json", include={"label", "note", "figures", "style"})
        look["style_file"] = data_digest("results/*.mplstyle")
        keys = {key for figure in params.figures.values() for key in figure.configs}
        samples = [f"runs/embed/{key}/s{params.seeds[0]}" for key in params.configs if key in keys]
        images = sorted({f"data/prepared/{f.dataset}" for f in params.figures.values() if f.kind == "samples"})
        self._add("figures", "results/figures", look, ["results/tables", *samples, *images])
