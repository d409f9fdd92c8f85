"""The command line: parse, call, print. All work is done elsewhere."""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cmivae import __version__
from cmivae.audit import commands as audit
from cmivae.errors import EXIT_USER, UserError
from cmivae.progress import log, set_up_logging
from cmivae.provenance.io import disk_error
from cmivae.registry import RUN_STAGES

if TYPE_CHECKING:
    from cmivae.provenance.specs import Study

DATASET_STAGES = ("fetch", "prepare", "baseline")
DATASET_HELP = {
    "fetch": "bring the raw files of a data set, or index a corpus where it lies",
    "prepare": "prepare a data set for all its runs",
    "baseline": "score a data set without a model",
}
OWN_FILES = (
    "your own files, no download: a folder of images, which are copied; a folder of speech, or the CSV file of reader "
    "manifest, which is indexed where it lies and not copied"
)
RESULT_STAGES = ("tables", "figures", "report")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; mistakes of the user end in one readable message and exit code 2."""
    options = _parser().parse_args(arguments)
    set_up_logging(options.quiet)
    try:
        options.call(options)
    except UserError as error:
        return _say(str(error), error.code)
    except KeyboardInterrupt:
        return _say("stopped", 130)
    except BrokenPipeError:  # the reader of our output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _say(str(disk_error(error.filename or "", error)), EXIT_USER)
    return 0


def _say(text: str, code: int) -> int:
    with contextlib.suppress(BrokenPipeError):  # a signal to the whole group may have ended the log's reader
        print(f"cmivae: {text}", file=sys.stderr, flush=True)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="cmivae", description="Rebuild the CMI-VAE paper from raw data.")
    parser.add_argument("--version", action="version", version=f"cmivae {__version__}")
    parser.add_argument("-C", "--workspace", type=Path, default=Path(), help="folder of params.yaml (default: here)")
    parser.add_argument("-q", "--quiet", action="store_true", help="warnings and errors only")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for stage in DATASET_STAGES:
        command = _command(commands, stage, _stage, DATASET_HELP[stage], f"cmivae {stage} mnist")
        command.add_argument("dataset", help="name in params.yaml:datasets")
        command.set_defaults(stage=stage)
        if stage == "fetch":
            command.add_argument("--from", dest="source", metavar="PATH", help=OWN_FILES)
    for stage in RUN_STAGES:
        command = _command(commands, stage, _stage, f"{stage} one run", f"cmivae {stage} mnist-cmi-g030 0")
        command.add_argument("config", help="name in params.yaml:configs")
        command.add_argument("seed", type=int, help="one of params.yaml:seeds")
        command.set_defaults(stage=stage)
    for stage in RESULT_STAGES:
        call = _report if stage == "report" else _stage
        command = _command(commands, stage, call, f"make the {stage}", f"cmivae {stage}")
        command.set_defaults(stage=stage)
        if stage == "report":
            command.add_argument("--live", type=Path, metavar="FILE", help="of what there is now, finished or not")
    _command(commands, "check", _check, "check params.yaml and count the runs", "cmivae -C demo check")
    _command(commands, "stale", _stale, "say what is not current, and why", "cmivae -C demo stale")
    show = _command(commands, "show", _show, "print the tables from all runs there are", "cmivae -C demo show")
    show.add_argument("tables", nargs="*", help="names of tables (default: all)")
    _command(
        commands,
        "record",
        _record,
        "verify what Snakemake made and commit it to dvc.lock",
        "cmivae -C demo record",
    )
    audit.register(functools.partial(_command, commands))
    schema = _command(commands, "schema", _schema, "print the JSON schema of params.yaml", "cmivae schema")
    schema.set_defaults(quiet=True)
    return parser


def _command(commands: Any, name: str, call: Callable, text: str, example: str) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"Example: {example}"
    )
    command.set_defaults(call=call)
    if name in (*DATASET_STAGES, *RUN_STAGES, *RESULT_STAGES):
        command.add_argument("--force", action="store_true", help="make it even where it is current")
    return command


def _stage(options: argparse.Namespace) -> None:
    from cmivae.stages.runner import build, locate

    study = _study(options)
    artefact = locate(study, options.stage, **_where(options))
    build(options.workspace, study, artefact, force=options.force, source=getattr(options, "source", None))


def _report(options: argparse.Namespace) -> None:
    if options.live is None:
        _stage(options)
        return
    if options.force:
        why = "a live report is made anew each time, and the study's own stays as it is"
        raise UserError("--live and --force do not go together", where="cmivae report", why=why, fix="leave one out")
    from cmivae.report.live import write_live

    found = write_live(options.workspace, _study(options), options.live)
    print(f"{options.live}: {found.current} of {found.total} artefacts are current, {len(found.stale)} stale, "
          f"{len(found.missing)} not made; stale ones are in no number")  # fmt: skip


def _where(options: argparse.Namespace) -> dict:
    return {name: getattr(options, name) for name in ("dataset", "config", "seed") if hasattr(options, name)}


def _check(options: argparse.Namespace) -> None:
    from cmivae.study.checks import beyond_paper

    study = _study(options)
    params = study.params
    print(f"{options.workspace / 'params.yaml'} is fine: workspace {params.label!r},", end=" ")
    print(f"{len(params.configs)} configurations x {len(params.seeds)} seeds = {len(study.of_stage('train'))} runs")
    for line in beyond_paper(params):
        print(f"beyond the paper: {line}")


def _stale(options: argparse.Namespace) -> None:
    from cmivae.provenance.ledger import state

    study = _study(options)
    reasons = {folder: state(options.workspace, artefact) for folder, artefact in study.artefacts.items()}
    for folder, reason in reasons.items():
        if reason is not None:
            print(f"{folder}: {reason}")
    stale = sum(reason is not None for reason in reasons.values())
    print(f"{len(reasons) - stale} of {len(reasons)} artefacts are current")


def _show(options: argparse.Namespace) -> None:
    from cmivae.stages.overview import live_tables

    for text in live_tables(options.workspace, _study(options), options.tables):
        print(text)


def _record(options: argparse.Namespace) -> None:
    from cmivae.provenance.record import record

    done = record(options.workspace, _study(options))
    log.info("%s", done)


def _schema(options: argparse.Namespace) -> None:
    import json

    from cmivae.study.params import Params

    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    print(json.dumps(dialect | Params.model_json_schema(), indent=1))


def _study(options: argparse.Namespace) -> "Study":
    from cmivae.provenance.specs import Study
    from cmivae.study.loading import load_params

    return Study(load_params(options.workspace / "params.yaml"))
