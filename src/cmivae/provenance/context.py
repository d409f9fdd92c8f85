"""What a stage gets to work with: its artefact, its parameters, its inputs, and nothing else."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cmivae.provenance.ledger import Record, recorded
from cmivae.provenance.specs import Artefact, Study
from cmivae.study.params import Dataset, ImageDataset, Params, SpeechDataset
from cmivae.study.runs import Run


def scratch(workspace: Path, artefact: Artefact) -> Path:
    """Where the resume state of an artefact of a run lies."""
    return workspace / ".cmivae/scratch" / artefact.stage / artefact.of_run.name / artefact.spec[:16]


@dataclass
class Context:
    """One build of one artefact."""

    workspace: Path
    study: Study
    artefact: Artefact
    folder: Path  # where the stage writes; the runner puts it in place when it is whole
    source: str | None = None  # of fetch: a folder to copy from instead of downloading
    force: bool = False  # make it from the start, whatever there is
    clean_up: list[Path] = field(default_factory=list)  # removed once the record is written
    record: dict[str, Any] = field(default_factory=dict)  # what the stage adds to run.json

    @property
    def params(self) -> Params:
        """All of ``params.yaml``."""
        return self.study.params

    @property
    def run(self) -> Run:
        """The run, of a stage that works on one."""
        return self.artefact.of_run

    @property
    def dataset_name(self) -> str:
        """Name of the data set that the artefact is about."""
        return self.artefact.dataset or self.run.config.dataset

    @property
    def dataset(self) -> Dataset:
        """Parameters of that data set."""
        return self.params.datasets[self.dataset_name]

    @property
    def image(self) -> ImageDataset:
        """The same, of a stage for images.

        Raises:
            TypeError: it is another kind of data set.
        """
        if not isinstance(self.dataset, ImageDataset):
            raise TypeError(f"{self.dataset_name} is a data set of {self.dataset.kind}")
        return self.dataset

    @property
    def speech(self) -> SpeechDataset:
        """The same, of a stage for speech.

        Raises:
            TypeError: it is another kind of data set.
        """
        if not isinstance(self.dataset, SpeechDataset):
            raise TypeError(f"{self.dataset_name} is a data set of {self.dataset.kind}")
        return self.dataset

    @property
    def prepared(self) -> Path:
        """The prepared data of its data set."""
        return self.workspace / "data/prepared" / self.dataset_name

    @property
    def scratch(self) -> Path:
        """Resume state: outside the DAG, keyed by spec, so that other parameters never resume from it."""
        return scratch(self.workspace, self.artefact)

    def input(self, folder: str) -> Record:
        """The record of an input; the runner has checked that it is current and whole."""
        if folder not in self.artefact.inputs:
            raise KeyError(f"{folder} is no declared input of {self.artefact.folder}")
        return recorded(self.workspace, folder)
