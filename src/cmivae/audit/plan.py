"""``cmivae plan``: what is done and to do, with hours from the rates that this workspace measured, and disk.

Where trainings are left to do it adds what the whole study costs (``audit.cost``).
"""

import shutil
from typing import Any

from cmivae.audit.book import Book
from cmivae.audit.render import line, table
from cmivae.provenance.ledger import Record, state
from cmivae.provenance.specs import STAGES, Artefact
from cmivae.stages.runner import ON_GPU


def plan(book: Book, measure: bool = False) -> dict[str, Any]:
    """Counts, hours and bytes by stage and data set; ``measure`` times steps of the whole study on this machine."""
    groups: dict[tuple[str, str], list[Artefact]] = {}
    for artefact in book.study.artefacts.values():
        dataset = artefact.dataset or (artefact.run.config.dataset if artefact.run else "")
        groups.setdefault((artefact.stage, dataset), []).append(artefact)
    rows = [_group(book, *key, artefacts) for key, artefacts in groups.items()]
    for row in rows:
        _borrow(row, rows)
    rows.sort(key=lambda row: (STAGES.index(row["stage"]), row["dataset"]))
    free = shutil.disk_usage(book.workspace).free
    params = book.study.params
    runs = [row for row in rows if row["stage"] == "train"]
    costly = measure or any(row["to_do"] for row in rows if row["on_gpu"])
    return {
        "label": params.label,
        "runs": sum(row["done"] + row["to_do"] for row in runs),
        "trained": sum(row["done"] for row in runs),
        "stages": rows,
        "gpu_hours": _sum(row["hours"] for row in rows if row["on_gpu"]),
        "other_hours": _sum(row["hours"] for row in rows if not row["on_gpu"]),
        "unmeasured": [_name(row) for row in rows if row["to_do"] and row["rate_s"] is None],
        "disk_bytes": sum(sizes) if (sizes := [row["bytes"] for row in rows if row["bytes"] is not None]) else None,
        "disk_unknown": [_name(row) for row in rows if row["to_do"] and row["bytes"] is None],
        "disk_free": free,
        "cost": _cost(book, measure) if costly else None,
    }


def _cost(book: Book, measure: bool) -> dict[str, Any]:
    from cmivae.audit.cost import cost  # loads torch, which takes seconds

    return cost(book, measure)


def _group(book: Book, stage: str, dataset: str, artefacts: list[Artefact]) -> dict[str, Any]:
    records = [book.record(artefact.folder) for artefact in artefacts]
    made = [record for record in records if record is not None and record.status == "complete"]
    to_do = [artefact for artefact in artefacts if state(book.workspace, artefact) is not None]
    on_gpu = [record for record in made if record.gpu]  # rates of a GPU and of a CPU are never mixed
    timed = on_gpu or made
    walls = [wall for record in timed if (wall := _wall(record))]
    sizes = [sum(file["size"] for file in record.files().values()) for record in made]
    rate = sum(walls) / len(walls) if walls else None
    size = sum(sizes) / len(sizes) if sizes else None
    new = sum(book.record(artefact.folder) is None for artefact in to_do)  # what is made again takes its own place
    return {
        "stage": stage,
        "dataset": dataset,
        "done": len(artefacts) - len(to_do),
        "failed": sum(record is not None and record.status == "failed" for record in records),
        "to_do": len(to_do),
        "rate_s": rate,
        "measured_on": sorted({record.device for record in timed}),
        "hours": None if rate is None else rate * len(to_do) / 3600,
        "bytes": None if size is None else int(size * new),
        "on_gpu": stage in ON_GPU,
        "borrowed": False,
    }


def _borrow(row: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """A data set that nothing was measured on takes the rate of another; ``borrowed`` says so."""
    other = next(
        (each for each in rows if each["stage"] == row["stage"] and each["rate_s"] and not each["borrowed"]), None
    )
    if row["to_do"] and row["rate_s"] is None and other is not None:
        row |= {"rate_s": other["rate_s"], "borrowed": True, "hours": other["rate_s"] * row["to_do"] / 3600}


def _wall(record: Record) -> float | None:
    told = [wall for segment in record.segments if (wall := segment.get("wall_s")) is not None]
    return sum(told) if told and len(told) == len(record.segments) else None  # of a killed segment nobody knows


def _sum(hours: Any) -> float:
    return sum(each for each in hours if each is not None)


def _name(row: dict[str, Any]) -> str:
    return f"{row['stage']} {row['dataset']}".strip()


def _disk(found: dict[str, Any]) -> str:
    """What more it takes; nothing is guessed of what was never made here."""
    free, unknown = f"{found['disk_free'] / 1e9:.0f} GB free", ", ".join(found["disk_unknown"])
    if found["disk_bytes"] is None:
        return f"unknown, since nothing has been made here yet; {free}"
    told = f"{found['disk_bytes'] / 1e9:.3g} GB more"
    return f"{told} of what has a size, {free}; unknown for {unknown}" if unknown else f"{told}, {free}"


def plan_text(found: dict[str, Any]) -> str:
    """A plan in words."""
    rows = [["stage", "data set", "done", "to do", "failed", "s each", "hours", "MB", "measured on"]]
    for row in found["stages"]:
        rate = "–" if row["rate_s"] is None else f"{row['rate_s']:.3g}"
        hours = "–" if row["hours"] is None else f"{row['hours']:.2g}"
        size = "–" if row["bytes"] is None else f"{row['bytes'] / 1e6:.3g}"
        where = "another data set" if row["borrowed"] else ", ".join(row["measured_on"]) or "not measured yet"
        rows.append([row["stage"], row["dataset"], str(row["done"]), str(row["to_do"]), str(row["failed"]), rate, hours,
                     size, where])  # fmt: skip
    lines = [f"{found['label']}: {found['runs']} runs, {found['trained']} trained", *table(rows)]
    known = " of what has a rate" if found["unmeasured"] else ""
    hours = f"{found['gpu_hours']:.3g} h on a device (train, embed), {found['other_hours']:.3g} h else"
    lines.append(line("to do", f"{hours}{known}"))
    lines.append(line("disk", _disk(found)))
    if found["unmeasured"]:
        lines.append(line("unknown", f"no rate yet for {', '.join(found['unmeasured'])}: make one run of it first"))
    if found["cost"]:
        from cmivae.audit.cost import cost_text

        lines += cost_text(found["cost"])
    return "\n".join(lines)
