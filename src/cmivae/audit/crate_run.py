"""The run in a Provenance Run RO-Crate: workflow, tools, steps, and an action for the study and for each artefact."""

from pathlib import Path
from typing import Any

from cmivae import __version__
from cmivae.audit.book import Book
from cmivae.provenance.ledger import RECORD, Record
from cmivae.provenance.specs import STAGES

CONFORMS = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"
TYPES = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
COMPLETED, FAILED = (f"http://schema.org/{word}ActionStatus" for word in ("Completed", "Failed"))


def add_workflow(crate: Any, root: Path, license_url: str, repository: str | None) -> Any:
    """The Snakefile as main workflow; its address is the repository's, where ``CITATION.cff`` names one."""
    about = {
        "@type": TYPES,
        "name": "cmivae: raw data to tables and figures",
        "version": __version__,
        "license": {"@id": license_url},
        "conformsTo": {"@id": CONFORMS},
        "encodingFormat": "text/plain",
        "url": {"@id": repository or "Snakefile"},
    }
    how = {"main": True, "lang": "snakemake", "gen_cwl": False, "properties": about}
    return crate.add_workflow(root / "Snakefile", "Snakefile", **how)


def add_actions(
    crate: Any, book: Book, workflow: Any, files: dict[str, Any], records: list[Record], agent: Any
) -> None:
    """Tools and steps of the workflow, an action an artefact, and the one that is all of them."""
    tools = _tools(crate, book, workflow, records)
    made = [_action(crate, record, files, tools[book.study[record.values["folder"]].maker]) for record in records]
    results = [entity for name, entity in files.items() if name.startswith("results/")]
    actions = [_study_action(crate, book, workflow, results, files, records), *made]
    for action in actions if agent else ():
        action["agent"] = agent
    crate.root_dataset["mentions"] = one_or_all(actions)


def _tools(crate: Any, book: Book, workflow: Any, records: list[Record]) -> dict[str, Any]:
    """A ``SoftwareApplication`` for each module that made something, and the step that it is of."""
    from rocrate.model.contextentity import ContextEntity

    used = {book.study[record.values["folder"]].maker: record.values["stage"] for record in records}
    base = workflow["url"] if str(workflow["url"]).startswith("http") else ""
    tools, steps = {}, []
    for maker in sorted(used, key=lambda maker: (STAGES.index(used[maker]), maker)):
        name = maker.removeprefix("cmivae.stages.").replace(".", "-")
        about = {"@type": "SoftwareApplication", "name": f"cmivae {used[maker]} ({name})",
                 "softwareVersion": __version__, "url": {"@id": f"src/{maker.replace('.', '/')}.py"}}  # fmt: skip
        tools[maker] = crate.add(ContextEntity(crate, f"{base}#{name}", about))
        about = {"@type": "HowToStep", "name": f"rule {used[maker]}", "workExample": tools[maker],
                 "position": str(STAGES.index(used[maker]) + 1)}  # fmt: skip
        steps.append(crate.add(ContextEntity(crate, f"#step-{name}", about)))
    workflow["hasPart"] = one_or_all(list(tools.values()))
    workflow["step"] = one_or_all(steps)
    return tools


def _action(crate: Any, record: Record, files: dict[str, Any], tool: Any) -> Any:
    """One artefact: which command made which files from which records, when and where."""
    from rocrate.model.contextentity import ContextEntity

    folder, stage = record.values["folder"], record.values["stage"]
    made = [files[name] for name in (f"{folder}/{RECORD}", *(f"{folder}/{n}" for n in record.files())) if name in files]
    used = [files[name] for above in record.values["inputs"] if (name := f"{above}/{RECORD}") in files]
    start, stop = span([record])
    failed = record.status == "failed"
    about = {
        "@type": "CreateAction",
        "name": f"{stage} {folder}",
        "description": f"run {record.run_id}, spec {record.spec[:16]}, on {record.values['environment']['processor']}",
        "instrument": tool,
        "object": one_or_all(used),
        "result": one_or_all(made),
        "actionStatus": FAILED if failed else COMPLETED,
    }
    about |= {"error": str(record.values.get("failure"))} if failed else {}
    about |= {"startTime": start} if start else {}
    about |= {"endTime": stop or start} if stop or start else {}
    return crate.add(ContextEntity(crate, f"#{record.run_id}-{folder.replace('/', '-')}", about))


def _study_action(
    crate: Any, book: Book, workflow: Any, results: list[Any], files: dict[str, Any], records: list[Record]
) -> Any:
    from rocrate.model.contextentity import ContextEntity

    start, stop = span(records)
    about = {
        "@type": "CreateAction",
        "name": f"the {book.study.params.label} study",
        "description": f"all {len(records)} artefacts, from raw data to tables and figures",
        "instrument": workflow,
        "object": files["params.yaml"],
        "result": one_or_all(results),
        "actionStatus": COMPLETED,
    }
    about |= {"startTime": start, "endTime": stop} if start and stop else {}
    return crate.add(ContextEntity(crate, "#study", about))


def one_or_all(entities: list[Any]) -> Any:
    """One entity as itself, several as a list: how RO-Crate likes its JSON."""
    return entities[0] if len(entities) == 1 else entities


def span(records: list[Record]) -> tuple[str | None, str | None]:
    """First start and last stop of records, in the spelling that the profiles ask for (``+00:00``, not ``Z``)."""
    segments = [segment for record in records for segment in record.segments]
    starts = sorted(segment["start"] for segment in segments if segment.get("start"))
    stops = sorted(segment["stop"] for segment in segments if segment.get("stop"))
    return _offset(starts[0]) if starts else None, _offset(stops[-1]) if stops else None


def _offset(time: str) -> str:
    return time.replace("Z", "+00:00")
