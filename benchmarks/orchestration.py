"""What both doors take on a whole study that is built and current, with nothing to do.

Clones this repository into a temporary folder, puts small stand-in files and valid records in the place of all
artefacts of the root study (189 runs), lets ``cmivae record`` verify and commit them, and times no-op commands there.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cmivae.provenance.io import write_text
from cmivae.provenance.ledger import recorded, write_record
from cmivae.provenance.specs import Study
from cmivae.study.loading import load_params
from cmivae.workflow import Workflow

REPOSITORY = Path(__file__).resolve().parents[1]
COMMANDS = {  # and what each has to say where nothing is to do
    ("snakemake", "-n"): "Nothing to be done",
    ("dvc", "status"): "up to date",
    ("dvc", "repro"): "up to date",
    ("cmivae", "stale"): "579 of 579 artefacts are current",
    ("cmivae", "plan"): "189 runs, 189 trained",
}
FILES = ("latents.safetensors", "samples.safetensors", "metrics.json")  # of a stand-in
REPEATS = 3


def build(workspace: Path) -> int:
    """Stand-ins of all artefacts.  -> how many"""
    study = Study(load_params(workspace / "params.yaml"))
    outputs = [path for path in vars(Workflow(study)).values() if isinstance(path, list)]
    declared = {name for paths in outputs for name in paths if isinstance(name, str) and name.startswith("results/")}
    for artefact in study.artefacts.values():
        own = [name for name in declared if name.startswith(f"{artefact.folder}/")]
        for name in own or [f"{artefact.folder}/{file}" for file in FILES]:
            write_text(workspace / name, f"stand-in of {name}\n")
        inputs = [recorded(workspace, name) for name in artefact.inputs]
        write_record(workspace / artefact.folder, study.params.label, artefact, inputs)
    return len(study.artefacts)


def timed(command: tuple[str, ...], workspace: Path, environment: dict[str, str]) -> tuple[float, float, str]:
    """Wall and CPU seconds of a command that must succeed, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout + done.stderr


def main() -> None:
    """Build, record, and print a table of the shortest of some repeats."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "study"
        subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(workspace)], check=True)
        own = {"PYTHONPATH": str(workspace / "src"), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | own | {"PATH": path, "XDG_CACHE_HOME": str(workspace / ".cmivae/cache")}
        artefacts = build(workspace)
        wall, cpu, _ = timed(("cmivae", "record"), workspace, environment)
        print(
            f"{artefacts} artefacts; cmivae record: {wall:.1f} s wall, {cpu:.1f} s CPU; load {os.getloadavg()[0]:.1f}\n"
        )
        print("| command | wall, s | CPU, s |\n|:--|--:|--:|")
        for command, says in COMMANDS.items():
            runs = [timed(command, workspace, environment) for _ in range(REPEATS)]
            if not all(says in text for _, _, text in runs):
                sys.exit(f"{' '.join(command)} did not say {says!r}:\n{runs[0][2]}")
            print(f"| `{' '.join(command)}` | {min(run[0] for run in runs):.2f} | {min(run[1] for run in runs):.2f} |")


if __name__ == "__main__":
    main()
