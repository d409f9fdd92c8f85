"""Tables of a study that is still running: what is missing or failed is printed as such, never averaged over."""

from pathlib import Path

from cmivae.errors import UserError
from cmivae.provenance.ledger import recorded, state
from cmivae.provenance.specs import Study
from cmivae.results.cells import Cell, RunResult, build_cells
from cmivae.results.tables import to_markdown
from cmivae.stages.tables import result, views


def live_tables(workspace: Path, study: Study, names: list[str]) -> list[str]:
    """Markdown of each table, from the runs that are current now.

    Raises:
        UserError: a table is not in the study.
    """
    for name in names:
        if name not in study.params.tables:
            known = ", ".join(study.params.tables)
            raise UserError(f"no table {name!r}", where="params.yaml:tables", fix=f"known: {known}")
    cells = live_cells(workspace, study)
    return [to_markdown(table) for table in views(study.params, cells) if not names or table.name in names]


def live_cells(workspace: Path, study: Study) -> list[Cell]:
    """All cells of the study, from the runs that are current now."""
    runs = {
        (artefact.of_run.key, artefact.of_run.seed): found
        for artefact in study.of_stage("evaluate")
        if (found := _current(workspace, study, artefact.folder)) is not None
    }
    runs |= _diverged(workspace, study)
    baselines = {
        artefact.dataset or "": found
        for artefact in study.of_stage("baseline")
        if (found := _current(workspace, study, artefact.folder)) is not None
    }
    return build_cells(study.params, runs, baselines)


def _current(workspace: Path, study: Study, folder: str) -> RunResult | None:
    if state(workspace, study[folder]) is not None:
        return None
    return result(recorded(workspace, folder))


def _diverged(workspace: Path, study: Study) -> dict[tuple[str, int], RunResult]:
    """Trainings that failed already, though what is below them was not run yet."""
    found = {}
    for artefact in study.of_stage("train"):
        if state(workspace, artefact) is None:
            record = recorded(workspace, artefact.folder)
            if record.status == "failed":
                found[artefact.of_run.key, artefact.of_run.seed] = result(record)
    return found
