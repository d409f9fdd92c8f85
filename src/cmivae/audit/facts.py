"""``cmivae audit``: all that made a number, collected from records; ``render`` says it in words."""

from pathlib import Path
from typing import Any

from cmivae.audit.address import shell_safe
from cmivae.audit.book import TABLES, Book
from cmivae.audit.dvclock import DvcLock
from cmivae.audit.verdict import against_paper
from cmivae.errors import UserError
from cmivae.provenance.code import SOURCE, module_digest
from cmivae.provenance.io import digest
from cmivae.provenance.ledger import Record, flat, state
from cmivae.results.record import Cell

DATA = ("fetch", "prepare")


def cell_facts(book: Book, cell: Cell, part: str = "value") -> dict[str, Any]:
    """What made one cell.

    Raises:
        UserError: a run that the cell names has no record.
    """
    shown = {"value": cell.value, "se": cell.se, "n": cell.n, "paper": cell.paper}
    suffix = "" if part == "value" else f".{part}"
    found = {
        "address": f"{cell.address}{suffix}",
        "shell_safe": shell_safe(f"{cell.address}{suffix}"),
        "asked": shown[part],
        "value": cell.value,
        "se": cell.se,
        "n": cell.n,
        "expected": cell.expected,
        "problem": cell.problem,
        "label": cell.label,
        "dataset": cell.dataset,
        "aggregate": cell.aggregate,
        "paper": against_paper(cell, _printed(book, cell)),
        "deviations": list(cell.deviations),
        "failed_seeds": list(cell.failed),
        "missing_seeds": list(cell.missing),
    }
    return found | made_by(book, book.run_folders([cell]), [cell])


def row_facts(book: Book, cells: list[Cell]) -> dict[str, Any]:
    """What made a row: every column's number, and the runs that they share."""
    place = cells[0].address.removesuffix(f".{cells[0].column}")
    columns = [
        {"column": c.column, "value": c.value, "se": c.se, "n": c.n, "expected": c.expected, "problem": c.problem,
         "aggregate": c.aggregate, "paper": against_paper(c, _printed(book, c))}
        for c in cells
    ]  # fmt: skip
    found = {
        "address": place,
        "shell_safe": shell_safe(place),
        "label": cells[0].label,
        "dataset": cells[0].dataset,
        "columns": columns,
        "deviations": list(dict.fromkeys(line for cell in cells for line in cell.deviations)),
        "failed_seeds": sorted({seed for cell in cells for seed in cell.failed}),
        "missing_seeds": sorted({seed for cell in cells for seed in cell.missing}),
    }
    return found | made_by(book, book.run_folders(cells), cells)


def made_by(book: Book, folders: list[str], cells: list[Cell], shown: str = TABLES) -> dict[str, Any]:
    """The lineage of the cells of one row, with staleness and DVC's record: what is true of the workspace now.

    Args:
        shown: the artefact that shows the numbers: tables or figures.

    Raises:
        UserError: a run has no record.
    """
    records = dict.fromkeys(record.values["folder"] for folder in folders for record in book.chain(folder))
    now = {"stale": _stale(book, [*records, shown]), "dvc": dvc_facts(book, [*records, shown])}
    return lineage(book, folders, cells, shown) | now


def lineage(book: Book, folders: list[str], cells: list[Cell], shown: str = TABLES) -> dict[str, Any]:
    """Runs, parameters, data, code and environment behind the cells of one row: what records say, whenever asked.

    Raises:
        UserError: a run has no record.
    """
    values = {run.run: run.value for run in cells[0].runs} if len(cells) == 1 else {}
    chains = {folder: list(book.chain(folder)) for folder in folders}
    lost = [folder for folder in folders if book.record(folder) is None]
    if lost:
        fix = f"dvc pull {lost[0]}, or let snakemake make it again"
        raise UserError("a run that this number is made of has no record", where=lost[0], fix=fix)
    records = {record.values["folder"]: record for chain in chains.values() for record in chain}
    return {
        "runs": [_run_facts(folder, chain, values.get(folder)) for folder, chain in chains.items()],
        "params": resolved(chains[folders[0]]) if folders else {},
        "params_differ_over_seeds": _differ([resolved(chain) for chain in chains.values()]),
        "neighbour": neighbour(book, cells[0], resolved(chains[folders[0]])) if folders and cells else None,
        "data": [_data(record) for record in records.values() if record.values["stage"] in DATA],
        "code": _code(list(records.values())) if records else None,
        "environment": _environment(list(records.values())),
        "rebuild": _rebuild([*folders, shown]),
        "verify": f"cmivae verify {_asked(cells)}--level L3",
    }


def _run_facts(folder: str, chain: list[Record], value: Any = None) -> dict[str, Any]:
    """One run: its seed, checkpoint, and where, when and at what cost it was trained."""
    trained = next((record for record in chain if record.values["stage"] == "train"), chain[0])
    values = trained.values
    segments, environment = trained.segments, values["environment"]
    weights = {name: file["sha256"] for name, file in trained.files().items() if name.endswith(".safetensors")}
    weights = dict(sorted(weights.items(), key=lambda item: not item[0].startswith("model")))
    return {
        "folder": folder,
        "run_id": chain[0].run_id,
        "seed": values["params"].get("seed"),
        "value": list(value) if isinstance(value, tuple) else value,
        "status": chain[0].status,
        "trained_in": values["folder"],
        "checkpoint": values.get("selected"),
        "weights": weights,
        "start": segments[0]["start"] if segments else None,
        "stop": segments[-1]["stop"] if segments else None,
        "resumed": max(len(segments) - 1, 0),
        "host": environment["host"],
        "on": trained.device,
        "cost": values.get("cost"),
        "metrics": {name: file["sha256"] for name, file in chain[0].files().items()},
        "git": values.get("git"),
    }


def resolved(chain: list[Record]) -> dict[str, Any]:
    """Resolved parameters of all stages of a run by dotted key as ``params.yaml`` has them, the seed left out."""
    found: dict[str, Any] = {}
    for record in reversed(chain):
        stage = record.values["stage"]
        prefix = {"train": "", "prepare": "data"}.get(stage, stage)
        found |= flat({} if stage == "fetch" else record.values["params"], prefix)
    return {key: value for key, value in found.items() if key not in ("seed", "code")}


def neighbour(book: Book, cell: Cell, params: dict[str, Any]) -> dict[str, Any] | None:
    """The row beside this one, and the parameters that differ: the same gamma if there is one, else the nearest."""
    others = [c for c in book.cells(f"{cell.table}[") if c.column == cell.column and c.runs and c.gamma is not None]
    others = [c for c in others if (c.objective, c.gamma) != (cell.objective, cell.gamma)]
    if not others or cell.gamma is None:
        return None
    here = cell.gamma
    closest = min(others, key=lambda c: (abs((c.gamma or 0.0) - here), c.objective != cell.objective, c.objective))
    theirs = resolved(list(book.chain(closest.runs[0].run)))
    return {"address": closest.address, "value": closest.value, "differs": differing(theirs, params)}


def differing(old: dict[str, Any], new: dict[str, Any]) -> list[dict[str, Any]]:
    """Keys whose values differ, with both."""
    keys = sorted(key for key in old | new if old.get(key) != new.get(key))
    return [{"key": key, "there": old.get(key), "here": new.get(key)} for key in keys]


def changed_modules(code: dict[str, str]) -> list[str]:
    """Modules of a record whose code, here and now, is not what it was."""
    return [name for name, old in code.items() if not _file(name).is_file() or module_digest(name) != old]


def dvc_facts(book: Book, folders: list[str]) -> list[dict[str, Any]]:
    """What DVC recorded of each artefact; empty in a release archive, which has none."""
    if book.is_archive:
        return []
    lock = DvcLock(book.workspace)
    return [lock.facts(folder) for folder in folders]


def _data(record: Record) -> dict[str, Any]:
    files = {name: entry["sha256"] for name, entry in record.files().items()}
    return {"folder": record.values["folder"], "content": record.content, "files": files}


def _code(records: list[Record]) -> dict[str, Any]:
    modules: dict[str, str] = {}
    for record in records:
        modules |= record.values["code"]
    revisions = {_revision(record.values.get("git")) for record in records}
    return {
        "modules": len(modules),
        "digest": digest(modules),
        "git": sorted(revision for revision in revisions if revision),
        "changed_since": changed_modules(modules),
    }


def _revision(git: dict[str, Any] | None) -> str:
    return f"{git['revision'][:10]} {'dirty' if git['dirty'] else 'clean'}" if git else ""


def _environment(records: list[Record]) -> dict[str, Any]:
    trained = next((r for r in records if r.values["stage"] == "train"), records[0] if records else None)
    if trained is None:
        return {}
    found = {key: value for key, value in trained.values["environment"].items() if key != "host"}
    same = {digest(r.values["environment"]["libraries"]) for r in records}
    return found | {"digest": digest(found), "one_for_all_stages": len(same) == 1}


def _stale(book: Book, folders: list[str]) -> dict[str, str]:
    """Reasons by folder; what lies in no study any more is stale too. Not asked in an archive, whose files are few."""
    if book.is_archive:
        return {}
    found = {}
    for folder in folders:
        artefact = book.study.artefacts.get(folder)
        reason = state(book.workspace, artefact) if artefact else "params.yaml no longer names it"
        if reason is not None:
            found[folder] = reason
    return found


def _printed(book: Book, cell: Cell) -> str | None:
    """The printed table that a cell's table repeats."""
    table = book.study.params.tables.get(cell.table)
    return table.paper if table else None


def _differ(all_params: list[dict[str, Any]]) -> list[str]:
    first, *rest = all_params or [{}]
    return sorted({each["key"] for other in rest for each in differing(first, other)})


def _rebuild(folders: list[str]) -> str:
    targets = " ".join(f"{folder}/run.json" for folder in folders)
    return f"snakemake --cores all -- {targets}"


def _asked(cells: list[Cell]) -> str:
    if not cells:
        return ""
    cell = cells[0]
    return f"{shell_safe(cell.address if len(cells) == 1 else cell.address.removesuffix(f'.{cell.column}'))} "


def _file(module: str) -> Path:
    return SOURCE.parent / Path(*module.split(".")).with_suffix(".py")
