"""What the Snakefile needs to know of the study: paths, and which are stale."""

import os
import sys
from pathlib import Path
from typing import Any

from cmivae.errors import UserError
from cmivae.provenance.io import disk_error
from cmivae.provenance.ledger import RECORD
from cmivae.provenance.orchestrator import IN_JOB, claim, only_looks, release
from cmivae.provenance.specs import Study
from cmivae.provenance.staleness import spec_path, sync
from cmivae.study.loading import load_params
from cmivae.study.params import Figure, Params

IN_DVC = "DVC_STAGE"  # DVC sets it in the commands of its stages


def open_study(path: str = "params.yaml") -> "Workflow":
    """Load the study of this workspace and, in the main process only, claim the workspace and mark what is stale.

    A mistake in params ends Snakemake with its message and exit code 2 before any job; another Snakemake in the same
    workspace with exit code 75, except under ``dvc repro``, which waits: a DVC that was killed leaves its Snakemake at
    work, and the next one is to go on by itself.
    """
    try:
        study = Study(load_params(path))
        if IN_JOB not in os.environ:
            if not only_looks():
                claim(Path(), wait=IN_DVC in os.environ, say=_say)
            sync(Path(), study)
            os.environ[IN_JOB] = "1"
    except (UserError, OSError) as error:
        known = error if isinstance(error, UserError) else disk_error(error.filename or "", error)
        release()
        _say(str(known))
        os._exit(known.code)  # Snakemake would turn it into a traceback and exit code 1
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # jobs find this cmivae
    return Workflow(study)


def _say(text: str) -> None:
    print(f"cmivae: {text}", file=sys.stderr, flush=True)


class Workflow:
    """Paths of the study in the words of the rules."""

    def __init__(self, study: Study):
        self.study = study
        params: Params = study.params
        self.datasets, self.configs = list(params.datasets), list(params.configs)
        self.threads = params.compute.threads
        self.baselines = [_record(a.folder) for a in study.of_stage("baseline")]
        self.tables = ["results/tables/cells.jsonl"]
        self.tables += [f"results/tables/{name}.{suffix}" for name in params.tables for suffix in ("md", "tex")]
        self.table_files = [f"results/tables/{name}.csv" for name in params.tables]  # that Snakemake's report shows
        self.report = "results/report/report.html"
        drawn = [path for name, figure in params.figures.items() for path in _figure_files(name, figure)]
        self.pictures = [path for path in drawn if path.endswith(".png")]  # that Snakemake's report shows
        self.figures = [path for path in drawn if path not in self.pictures]

    def spec(self, folder: str) -> str:
        """Spec file of an artefact; wildcards may stand in ``folder``."""
        return spec_path(folder)

    def prepared(self, wildcards: Any) -> str:
        """Record of the prepared data of a config."""
        return _record(f"data/prepared/{self.study.params.configs[wildcards.config].dataset}")

    def runs_of(self, stage: str, config: str) -> list[str]:
        """Records of all seeds of a config."""
        return [_record(a.folder) for a in self.study.of_stage(stage) if a.of_run.key == config]

    def all_runs(self, stage: str) -> list[str]:
        """Records of all runs of a stage."""
        return [_record(a.folder) for a in self.study.of_stage(stage)]

    def inputs(self, folder: str) -> list[str]:
        """Records that an artefact is made from."""
        return [_record(name) for name in self.study[folder].inputs]

    def outputs(self) -> list[str]:
        """Records of all artefacts."""
        return [_record(folder) for folder in self.study.artefacts]


def _figure_files(name: str, figure: Figure) -> list[str]:
    if figure.kind == "voices":
        return [f"results/figures/{name}/index.html"]
    return [f"results/figures/{name}.{suffix}" for suffix in ("pdf", "png", "csv")]


def _record(folder: str) -> str:
    return f"{folder}/{RECORD}"
