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
from cmivae.registry import CORPORA, CORPUS_KEYS, MODELS, OBJECTIVES, OF_READERS, READERS
from cmivae.study.params import Dataset, Params
from cmivae.study.runs import Run, expand

DEFAULTS = ("cmivae.study.params", "cmivae.study.checks")  # tables say what differs from them
STAGES = ("fetch", "prepare", "train", "embed", "baseline", "evaluate", "tables", "figures", "report")  # upstream first


@dataclass(frozen=True)
class Artefact:
    """One folder that a stage makes, and what it should be made of."""

    stage: str
    folder: str  # relative to the workspace
    params: dict[str, Any]
    inputs: tuple[str, ...]  # folders
    code: dict[str, str]  # module: digest
    spec: str
    maker: str  # module whose ``make`` builds it
    run: Run | None = field(default=None, compare=False)
    dataset: str | None = field(default=None, compare=False)

    @property
    def of_run(self) -> Run:
        """Its run, of a stage that works on one.

        Raises:
            TypeError: it belongs to no run.
        """
        if self.run is None:
            raise TypeError(f"{self.folder} belongs to no run")
        return self.run

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

    def _add(
        self, stage: str, folder: str, params: Mapping, inputs: list[str], *targets: str, kind: str = "",
        maker: str = "", **where: Any,
    ) -> None:  # fmt: skip
        maker = maker or ".".join(filter(None, ["cmivae.stages", kind, stage]))
        code = code_digests(maker, *targets)
        parts = {
            "stage": stage,
            "params": dict(params),
            "inputs": {name: self.artefacts[name].spec for name in inputs},
            "code": code,
        }
        spec = digest(parts)
        self.artefacts[folder] = Artefact(stage, folder, dict(params), tuple(inputs), code, spec, maker, **where)

    def _dataset(self, name: str) -> None:
        block = self.params.datasets[name]
        raw, prepared = f"data/raw/{name}", f"data/prepared/{name}"
        about: dict[str, Any] = {"kind": block.kind, "dataset": name}
        reader = (CORPORA if block.kind == "speech" else READERS)[block.reader]
        read, cut = _data_params(block)
        readers = [reader] if block.kind == "speech" else []  # raw images are pinned by content, whoever reads them
        self._add("fetch", raw, {"reader": block.reader, **read}, [], *readers, **about)
        self._add("prepare", prepared, {"reader": reader, **cut}, [raw], reader, **about)
        evaluate = block.evaluate.model_dump(mode="json")
        self._add("baseline", f"runs/baseline/{name}", evaluate, [prepared], **about)

    def _run(self, run: Run) -> None:
        block = self.params.datasets[run.config.dataset]
        prepared = f"data/prepared/{run.config.dataset}"
        train, embed, evaluate = (f"runs/{stage}/{run.name}" for stage in ("train", "embed", "evaluate"))
        targets = (MODELS[block.model.name], OBJECTIVES[run.config.objective])
        params = {
            "objective": run.config.objective,
            "code": list(targets),
            "gamma": run.config.gamma,
            **run.config.own,
            "seed": run.seed,
            "model": block.model.model_dump(mode="json"),
            "critic": block.critic.model_dump(mode="json"),
            "train": block.train.model_dump(mode="json"),
        }
        about: dict[str, Any] = {"kind": block.kind, "run": run}
        self._add("train", train, params, [prepared], *targets, **about)
        self._add("embed", embed, block.embed.model_dump(mode="json"), [train, prepared], *targets, **about)
        self._add("evaluate", evaluate, block.evaluate.model_dump(mode="json"), [embed, prepared], **about)

    def _results(self) -> None:
        params = self.params
        shown = {table.dataset for table in params.tables.values()}
        runs = [f"runs/evaluate/{run.name}" for run in expand(params) if run.config.dataset in shown]
        baselines = [f"runs/baseline/{name}" for name in params.datasets if name in shown]
        about = params.model_dump(mode="json", include={"label", "note", "seeds", "tables"})
        about["order"] = list(params.tables)
        about["printed"] = data_digest("results/printed/*.csv")
        about["defaults"] = {name: module_digest(name) for name in DEFAULTS}
        about["read"] = {name: list(keys) for name, keys in CORPUS_KEYS.items()}
        self._add("tables", "results/tables", about, [*runs, *baselines])
        look = params.model_dump(mode="json", include={"label", "note", "figures", "style"})
        look["style_files"] = [data_digest(f"results/*.{kind}") for kind in ("mplstyle", "html")]
        figures = [figure for figure in params.figures.values() if figure.kind != "curve"]
        runs = [
            f"runs/embed/{run.name}"
            for run in expand(params)
            if any(run.key in f.configs and (f.kind == "voices" or run.seed == params.seeds[0]) for f in figures)
        ]
        data = sorted({f"data/prepared/{figure.dataset}" for figure in figures})
        self._add("figures", "results/figures", look, ["results/tables", *runs, *data])
        self._report()

    def _report(self) -> None:
        """The page on everything: it reads the records of all artefacts, and the audit above stages."""
        about = self.params.model_dump(mode="json", include={"label", "note"})
        about["claims"] = data_digest("results/claims.yaml")
        about["templates"] = data_digest("report/templates/*")
        self._add("report", "results/report", about, list(self.artefacts), maker="cmivae.report.stage")


def _data_params(block: Dataset) -> tuple[dict[str, Any], dict[str, Any]]:
    """What decides the raw files of a data set, and what decides how they are prepared; never where they lie."""
    data = block.data.model_dump(mode="json", exclude={"source"})
    if block.kind == "image":
        return {"content": expected_content(block.reader)}, data
    own = {key: data.pop(key) for key in OF_READERS}
    read = {key: own[key] for key in CORPUS_KEYS.get(block.reader, tuple(own))}
    if block.reader == "librispeech":
        read["pins"] = data_digest("data/corpora.json")
    return read, data
