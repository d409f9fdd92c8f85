"""What it cost: time, memory, disk and hardware by stage and data set, as the records of what was made say."""

from dataclasses import dataclass
from typing import Any

from cmivae.audit.book import Book
from cmivae.provenance.specs import STAGES, Artefact

HERE = "report"  # a page cannot know what it costs itself


@dataclass(frozen=True)
class Cost:
    """One stage of one data set; times are sums over what was made, in seconds."""

    stage: str
    dataset: str
    made: int
    expected: int
    wall: float
    cpu: float
    gpu: float
    peak_mb: float | None
    bytes: int
    devices: tuple[str, ...]
    untold: int  # segments that were killed and could not say what they took

    @property
    def each(self) -> float | None:
        """Seconds of one, on average."""
        return self.wall / self.made if self.made else None


def costs(book: Book) -> list[Cost]:
    """A line for each stage and data set of the study, upstream first."""
    groups: dict[tuple[str, str], list[Artefact]] = {}
    for artefact in book.study.artefacts.values():
        if artefact.stage != HERE:
            dataset = artefact.dataset or (artefact.run.config.dataset if artefact.run else "")
            groups.setdefault((artefact.stage, dataset), []).append(artefact)
    return [_cost(book, *key, groups[key]) for key in sorted(groups, key=lambda key: STAGES.index(key[0]))]


def total(found: list[Cost]) -> Cost:
    """All of it."""
    peaks = [each.peak_mb for each in found if each.peak_mb is not None]
    return Cost(
        stage="all", dataset="",
        made=sum(each.made for each in found), expected=sum(each.expected for each in found),
        wall=sum(each.wall for each in found), cpu=sum(each.cpu for each in found), gpu=sum(each.gpu for each in found),
        peak_mb=max(peaks, default=None), bytes=sum(each.bytes for each in found),
        devices=tuple(dict.fromkeys(device for each in found for device in each.devices)),
        untold=sum(each.untold for each in found),
    )  # fmt: skip


def _cost(book: Book, stage: str, dataset: str, artefacts: list[Artefact]) -> Cost:
    records = [record for each in artefacts if (record := book.record(each.folder)) is not None]
    spent = [record.values.get("cost") or {} for record in records]
    peaks = [each["peak_mb"] for each in spent if each.get("peak_mb") is not None]
    return Cost(
        stage, dataset, len(records), len(artefacts),
        _sum(spent, "wall_s"), _sum(spent, "cpu_s"), _sum(spent, "gpu_s"), max(peaks, default=None),
        sum(file["size"] for record in records for file in record.files().values()),
        tuple(sorted({record.device for record in records})),
        int(_sum(spent, "untold")),
    )  # fmt: skip


def _sum(spent: list[dict[str, Any]], key: str) -> float:
    return sum(each.get(key) or 0.0 for each in spent)
