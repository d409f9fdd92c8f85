"""`make test-cluster`: a workspace through workflow/profiles/slurm on a real Slurm, with what goes wrong on clusters.

On one run it does three things to it, and at the end its tables must be those of a local run, byte for byte:
a training is asked to stop (as before preemption or a time limit), another is taken off its node and queued again by
Slurm, and Snakemake itself is killed with ``kill -9`` and started again.
"""

import argparse
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import checks
from slurm import Cluster, install

REPOSITORY = Path(__file__).resolve().parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
# For a queue without other users: few jobs at a time, so that the killed one leaves few; quick looks at their state.
ON_CLUSTER = [*SNAKEMAKE, "--profile", "workflow/profiles/slurm", "--jobs=6", "--latency-wait=20",
              "--slurm-init-seconds-before-status-checks=3"]  # fmt: skip
PATIENCE = 1800.0  # seconds for any one thing to happen


def main() -> None:
    """Run all of it; the exit code is 0 only where every check held."""
    options = _options()
    if os.geteuid() != 0:
        sys.exit(
            "test-cluster: slurmd and apt-get need root: run it as root, best in a container (no systemd is needed)"
        )
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        sys.exit("test-cluster: snakemake-executor-plugin-slurm is missing: run `make setup`")
    install()
    top = Path(tempfile.mkdtemp(prefix="cmivae-cluster-"))
    _say(f"working in {top}")
    reference = options.built.resolve() if options.built else _local(top, options.params)
    workspace = _copy(top / "slurm", options.params)
    with Cluster(top / "daemons") as cluster:
        _say(cluster.call("sinfo", "--version").strip() + ", one node with two devices")
        story = _through(cluster, workspace)
        if left := cluster.jobs():
            cluster.call("scancel", *left)
    failed = checks.report(reference, workspace, story)
    if not failed and not options.keep:
        shutil.rmtree(top)
    sys.exit(f"test-cluster: {failed} checks failed; everything is kept in {top}" if failed else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--built", type=Path, help="workspace that was built on this machine from the same code")
    parser.add_argument("--params", type=Path, default=REPOSITORY / "demo/params.yaml", help="default: the demo's")
    parser.add_argument("--keep", action="store_true", help="keep the folder that it worked in")
    return parser.parse_args()


def _local(top: Path, params: Path) -> Path:
    workspace = _copy(top / "local", params)
    _say("the same workspace without Slurm, to compare with")
    log = (top / "local.log").open("w")
    command = [*SNAKEMAKE, "--cores", "2"]
    subprocess.run(command, cwd=workspace, env=_environment(workspace), stdout=log, stderr=log, check=True)
    return workspace


def _copy(folder: Path, params: Path) -> Path:
    """A workspace with a copy of the code, so that neither touches the other's or this repository."""
    folder.mkdir()
    for name in ("src", "workflow"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    shutil.copy(REPOSITORY / "Snakefile", folder)
    given = params.read_text().replace("{device: cpu}", "{device: auto}")  # so that jobs take the node's devices
    (folder / "params.yaml").write_text(given)
    (folder / "profiles").symlink_to("workflow/profiles")
    return folder


def _environment(workspace: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "CMIVAE_JOB" and not name.startswith("SLURM")}
    return kept | {"PYTHONPATH": str(workspace / "src"), "XDG_CACHE_HOME": str(workspace / ".cmivae/cache")} | more


def _through(cluster: Cluster, workspace: Path) -> checks.Story:
    """The whole workspace through Slurm; returns what was done to which run."""
    story, began = checks.Story(), time.monotonic()
    first = _start(cluster, workspace, "first.log")
    story.stopped, job = _training(cluster, workspace, first)
    cluster.call("scancel", "--signal=TERM", job)
    _say(f"{story.stopped}: job {job} asked to stop")
    story.requeued, job = _training(cluster, workspace, first, but=story.stopped)
    cluster.call("scontrol", "requeue", job)
    _say(f"{story.requeued}: job {job} taken off and queued again")
    _until((workspace / f"runs/train/{story.requeued}/run.json").is_file, first, "it to end")
    _until(lambda: any(state == "RUNNING" for state, _ in cluster.jobs().values()), first, "a job at work")
    first.send_signal(signal.SIGKILL)
    first.wait()
    story.retried = "Trying to restart job" in (workspace / "logs/first.log").read_text()
    story.left = sorted(cluster.jobs())
    _say(f"Snakemake killed (kill -9) while jobs {' '.join(story.left)} were running or waiting; started again")
    second = _start(cluster, workspace, "second.log")
    _until(lambda: second.poll() is not None, None, "the second Snakemake")
    story.exit, story.said = second.returncode, (workspace / "logs/second.log").read_text()
    _say(f"all of it through Slurm in {(time.monotonic() - began) / 60:.1f} minutes")
    return story


def _start(cluster: Cluster, workspace: Path, log: str) -> subprocess.Popen:
    (workspace / "logs").mkdir(exist_ok=True)
    file = (workspace / "logs" / log).open("w")
    environment = _environment(workspace, **cluster.environment)
    return subprocess.Popen(ON_CLUSTER, cwd=workspace, env=environment, stdout=file, stderr=file)


def _training(cluster: Cluster, workspace: Path, process: subprocess.Popen, but: str = "") -> tuple[str, str]:
    """Name and Slurm job of a training that is under way."""

    def found() -> tuple[str, str] | None:
        for job, (state, comment) in cluster.jobs().items():
            config, _, seed = comment.removeprefix("rule_train_wildcards_").rpartition("_")
            name = f"{config}/s{seed}"
            curves = (workspace / ".cmivae/scratch/train" / name).glob("*/curve.jsonl")
            if "rule_train" in comment and state == "RUNNING" and name != but and any(p.stat().st_size for p in curves):
                return name, job
        return None

    return _until(found, process, "a training at work")


def _until(found, process: subprocess.Popen | None, what: str):
    end = time.monotonic() + PATIENCE
    while not (value := found()):
        if time.monotonic() > end or (process is not None and process.poll() is not None):
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.2)
    return value


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


if __name__ == "__main__":
    main()
