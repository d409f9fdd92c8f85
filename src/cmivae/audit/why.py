"""``cmivae why``: why a run is stale, or that it is not; which change is the cause, and what must be made again."""

from cmivae.audit.address import parse
from cmivae.audit.book import FIGURES, TABLES, Book
from cmivae.audit.points import figure_runs, whole_point
from cmivae.errors import UserError
from cmivae.provenance.code import SOURCE
from cmivae.provenance.environment import said
from cmivae.provenance.ledger import Record, flat, read_record, state
from cmivae.provenance.specs import Artefact
from cmivae.registry import RUN_STAGES

COMMITS = 3  # shown of each changed module


def why_text(book: Book, name: str) -> str:
    """The state of what ``name`` means and of all above it, cause first."""
    folders = wanted(book, name)
    asked = [set() if f.startswith("results/") and f != folders[0] else _study_closure(book, f) for f in folders]
    meant = {*folders}.union(*asked)  # of a number: its own runs and the table, not all runs of the table
    chain = [folder for folder in book.study.artefacts if folder in meant]
    lines, to_do = [], []
    for folder in chain:
        artefact = book.study[folder]
        if state(book.workspace, artefact) is None:
            continue
        to_do.append(folder)
        lines += _reasons(book, artefact, to_do)
    if not lines:
        made = book.record(folders[-1])
        stop = made.segments[-1]["stop"] if made and made.segments else "–"
        text = f"{', '.join(folders)}: current (made {stop})"
        return f"{text}\n  params, inputs and the code that it imports are what they were; nothing must be made again"
    below = [f for f in book.study.artefacts if f not in to_do and _study_closure(book, f) & set(to_do)]
    lines.append(f"to make again: {_count(to_do)}" + (f"; and below: {_count(below)}" if below else ""))
    kept = [folder for folder in chain if folder not in to_do]
    return "\n".join([*lines, f"stays as it is: {_count(kept)}" if kept else "nothing above it is kept"])


def wanted(book: Book, name: str) -> list[str]:
    """Folders of artefacts that a user means by a run, a folder or an address.

    Raises:
        UserError: it means nothing in this study.
    """
    artefacts = book.study.artefacts
    name = name.strip("/").removesuffix("/run.json")
    if name in artefacts:
        return [name]
    if (book.workspace / name).is_dir() and (inner := [f for f in artefacts if f.startswith(f"{name}/")]):
        return inner
    found = [f"runs/{stage}/{name}" for stage in RUN_STAGES if f"runs/{stage}/{name}" in artefacts]
    found = found or [f for f in artefacts if f.startswith(tuple(f"runs/{stage}/{name}/" for stage in RUN_STAGES))]
    if found:
        return found
    try:
        address = parse(name, book.names)
    except UserError:
        known = ", ".join(dict.fromkeys(a.run.name for a in book.study.of_stage("train")[:4] if a.run))
        raise UserError(f"no run, folder or number {name!r}", where="params.yaml", fix=f"e.g. {known}") from None
    if address.name in book.study.params.figures:
        panel = whole_point(book, address).configs
        return [*(figure_runs(book, address) if panel else [TABLES]), FIGURES]
    cells = [book.cell(address)[0]] if address.rest else book.row(address)
    return [*book.run_folders(cells), TABLES]


def _study_closure(book: Book, folder: str) -> set[str]:
    """An artefact and all above it, as the study has them now."""
    found, waiting = set(), [folder]
    while waiting:
        name = waiting.pop()
        if name not in found and name in book.study.artefacts:
            found.add(name)
            waiting.extend(book.study[name].inputs)
    return found


def _reasons(book: Book, artefact: Artefact, stale: list[str]) -> list[str]:
    """All of an artefact's own reasons; one that is stale only because of another says which."""
    record = read_record(book.workspace, artefact.folder)
    lines = [f"STALE {artefact.folder}: {state(book.workspace, artefact)}"]
    if record is None:
        return lines
    old, new = flat(record.values["params"]), flat(artefact.params)
    for key in sorted(key for key in old | new if old.get(key) != new.get(key)):
        lines.append(f"  param   {key}: made with {old.get(key)!r}, params.yaml says {new.get(key)!r}")
    lines += _code(record, artefact)
    above = [name for name in artefact.inputs if name in stale]
    return [*lines, *(f"  input   {name} is stale" for name in above)]


def _code(record: Record, artefact: Artefact) -> list[str]:
    then, lines = record.values["code"], []
    revision = (record.values.get("git") or {}).get("revision")
    for module in sorted(then | artefact.code):
        if then.get(module) != artefact.code.get(module):
            what = (
                "changed" if module in then and module in artefact.code else "is new" if module not in then else "gone"
            )
            path = f"src/{module.replace('.', '/')}.py"
            lines.append(f"  code    {path} {what} since it was made")
            lines += [f"          commit {commit}" for commit in _commits(revision, path)]
    return lines


def _commits(revision: str | None, path: str) -> list[str]:
    if revision is None:
        return []
    since = f"-{COMMITS}", f"{revision}..HEAD", "--", path
    return (said("git", "-C", str(SOURCE.parents[1]), "log", "--format=%h %s", *since) or "").splitlines()


def _count(folders: list[str]) -> str:
    stages: dict[str, int] = {}
    for folder in folders:
        stage = folder.split("/")[1]
        stages[stage] = stages.get(stage, 0) + 1
    return ", ".join(f"{count} {stage}" if count > 1 else stage for stage, count in stages.items())
