"""A release archive as a Workflow Run RO-Crate: the Snakefile, one action for the study and one for each artefact.

Made with ro-crate-py (extra ``[rocrate]``). An artefact is a ``CreateAction`` from its inputs' records to its own
files; a cell is a ``PropertyValue`` of the tables that names the runs it is made of.
"""

from pathlib import Path
from typing import Any

from cmivae import __version__
from cmivae.audit.book import CELLS, TABLES, Book
from cmivae.errors import UserError
from cmivae.provenance.ledger import RECORD, Record

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate"),
)
LICENSE = "https://spdx.org/licenses/MIT"


def describe(book: Book, root: Path) -> None:
    """Write ``ro-crate-metadata.json`` into an archive's folder.

    Raises:
        UserError: ro-crate-py is not installed, or the workspace has no Snakefile.
    """
    try:
        from rocrate.rocrate import ROCrate
    except ImportError:
        fix = "pip install 'cmivae[rocrate]', or leave out --ro-crate"
        raise UserError("ro-crate-py is not installed", why="only the RO-Crate needs it", fix=fix) from None
    if not (root / "Snakefile").is_file():
        raise UserError("there is no Snakefile to describe", where=str(book.workspace), fix="link the repository's")
    crate = ROCrate(version="1.1")  # the version that the profiles build on
    records = [record for folder in book.study.artefacts if (record := book.record(folder)) is not None]
    _root(crate, book, records)
    workflow = _workflow(crate, root)
    files = _files(crate, root)
    results = [entity for name, entity in files.items() if name.startswith("results/")]
    tools: dict[str, Any] = {}
    for record in records:
        _action(crate, record, files, tools)
    _study_action(crate, book, workflow, results, files, records)
    _cells(crate, book, files)
    crate.metadata.write(root)


def _root(crate: Any, book: Book, records: list[Record]) -> None:
    from rocrate.model.contextentity import ContextEntity

    params = book.study.params
    crate.name = f"cmivae: results of the {params.label} workspace"
    crate.description = params.note or "Tables, figures and run records of the CMI-VAE reproduction."
    crate.license = crate.add(ContextEntity(crate, LICENSE, {"@type": "CreativeWork", "name": "MIT License"}))
    ends = sorted(stop for record in records if (stop := _times(record)[1]))
    crate.root_dataset["datePublished"] = ends[-1] if ends else "1970-01-01T00:00:00Z"
    profiles = []
    for url, name in PROFILES:
        about = {"@type": "CreativeWork", "name": name, "version": url.rpartition("/")[2]}
        profiles.append(crate.add(ContextEntity(crate, url, about)))
    crate.root_dataset["conformsTo"] = profiles


def _workflow(crate: Any, root: Path) -> Any:
    workflow = crate.add_workflow(root / "Snakefile", "Snakefile", main=True, lang="snakemake", gen_cwl=False)
    workflow["name"] = "cmivae: raw data to tables and figures"
    workflow["version"] = __version__
    workflow["license"] = {"@id": LICENSE}
    workflow["conformsTo"] = {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"}
    return workflow


def _files(crate: Any, root: Path) -> dict[str, Any]:
    """A ``File`` entity for each file of the archive but the sums and the workflow."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and name != "Snakefile":
            about = {"name": name, "contentSize": str(path.stat().st_size), "encodingFormat": _format(path)}
            found[name] = crate.add_file(path, name, properties=about)
    found["README.md"]["about"] = crate.root_dataset
    return found


def _format(path: Path) -> str:
    kinds = {".json": "application/json", ".jsonl": "application/jsonl", ".csv": "text/csv", ".png": "image/png",
             ".pdf": "application/pdf", ".md": "text/markdown", ".tex": "application/x-tex", ".py": "text/x-python",
             ".yaml": "application/yaml"}  # fmt: skip
    return kinds.get(path.suffix, "application/octet-stream" if path.suffix == ".safetensors" else "text/plain")


def _action(crate: Any, record: Record, files: dict[str, Any], tools: dict[str, Any]) -> None:
    """One artefact: which command made which files from which records, when and where."""
    from rocrate.model.contextentity import ContextEntity

    folder, stage = record.values["folder"], record.values["stage"]
    if stage not in tools:
        about = {"@type": "SoftwareApplication", "name": f"cmivae {stage}", "softwareVersion": __version__,
                 "version": __version__, "url": {"@id": "Snakefile"}}  # fmt: skip
        tools[stage] = crate.add(ContextEntity(crate, f"#cmivae-{stage}", about))
    made = [files[name] for name in (f"{folder}/{RECORD}", *(f"{folder}/{n}" for n in record.files())) if name in files]
    used = [files[name] for above in record.values["inputs"] if (name := f"{above}/{RECORD}") in files]
    start, stop = _times(record)
    failed = record.status == "failed"
    about = {
        "@type": "CreateAction",
        "name": f"{stage} {folder}",
        "description": f"run {record.run_id}, spec {record.spec[:16]}, on {record.values['environment']['processor']}",
        "instrument": tools[stage],
        "object": _one_or_all(used),
        "result": _one_or_all(made),
        "actionStatus": {"@id": f"http://schema.org/{'FailedActionStatus' if failed else 'CompletedActionStatus'}"},
    }
    about |= {"error": str(record.values.get("failure"))} if failed else {}
    about |= {"startTime": start} if start else {}
    crate.add(ContextEntity(crate, f"#{record.run_id}-{folder.replace('/', '-')}", about | {"endTime": stop or start}))


def _one_or_all(entities: list[Any]) -> Any:
    return entities[0] if len(entities) == 1 else entities  # as RO-Crate likes its JSON


def _times(record: Record) -> tuple[str | None, str | None]:
    segments = record.values.get("segments") or [{}]
    return segments[0].get("start"), segments[-1].get("stop")


def _study_action(
    crate: Any, book: Book, workflow: Any, results: list[Any], files: dict[str, Any], records: list[Record]
) -> None:
    from rocrate.model.contextentity import ContextEntity

    starts = sorted(start for record in records if (start := _times(record)[0]))
    ends = sorted(stop for record in records if (stop := _times(record)[1]))
    about = {
        "@type": "CreateAction",
        "name": f"the {book.study.params.label} study, {len(records)} artefacts",
        "instrument": workflow,
        "object": [files["params.yaml"]],
        "result": results,
        "actionStatus": {"@id": "http://schema.org/CompletedActionStatus"},
    }
    about |= {"startTime": starts[0], "endTime": ends[-1]} if starts and ends else {}
    crate.root_dataset["mentions"] = [crate.add(ContextEntity(crate, "#study", about))]


def _cells(crate: Any, book: Book, files: dict[str, Any]) -> None:
    """Each printed number, with the records of the runs that it is made of."""
    from rocrate.model.contextentity import ContextEntity

    values = []
    for cell in book.cells():
        if cell.value is not None:
            about = {"@type": "PropertyValue", "name": cell.address, "value": cell.value,
                     "description": f"{cell.aggregate} over {cell.n} runs of {cell.dataset}",
                     "isBasedOn": _one_or_all([files[f"{run.run}/{RECORD}"] for run in cell.runs])}  # fmt: skip
            values.append(crate.add(ContextEntity(crate, f"#{cell.address}", about)))
    files[CELLS]["variableMeasured"] = values
    files[CELLS]["name"] = f"all cells of {TABLES}"
