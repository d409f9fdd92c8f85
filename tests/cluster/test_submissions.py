"""What the profile ``slurm`` submits for the paper: counted by a stand-in for Slurm that records and makes nothing."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from cmivae.provenance.specs import Study
from cmivae.study.loading import load_params

REPOSITORY = Path(__file__).resolve().parents[2]
SBATCH = r"""#!/bin/sh
# One line a submission; what its jobs are to make appears, empty, so that Snakemake goes on to what needs it.
said=$(printf '%s ' "$@" | tr '\n' ' ')
echo "$said" >> calls
make() { mkdir -p "$(dirname "$1")"; : > "$1"; }
echo "$said" | grep -o '[a-z]*:config=[^ ,]*,seed=[0-9]*' | sed 's/:config=/ /; s/,seed=/ /' |
  while read -r stage config seed; do
    make "runs/$stage/$config/s$seed/run.json"
    make "logs/benchmarks/$stage/$config/s$seed.tsv"
  done
echo "$said" | grep -o 'baseline:dataset=[a-z-]*' | sed 's/.*=//' |
  while read -r name; do make "runs/baseline/$name/run.json"; done
wc -l < calls
"""
SQUEUE = """#!/bin/sh
awk '{print NR "|COMPLETED"}' calls
"""
SCONTROL = """#!/bin/sh
echo 'MinJobAge = 300 sec'
"""
SINFO = """#!/bin/sh
echo 'gpu*'
"""


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> list[str]:
    """Arguments of every ``sbatch`` for the root workspace whose data are prepared."""
    pytest.importorskip("snakemake_executor_plugin_slurm")
    folder = tmp_path_factory.mktemp("slurm") / "paper"
    folder.mkdir()
    for name in ("Snakefile", "params.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    for name in ("workflow", "src"):
        (folder / name).symlink_to(REPOSITORY / name)
    (folder / "profiles").symlink_to("workflow/profiles")
    tools = folder / "tools"
    tools.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scontrol": SCONTROL, "sinfo": SINFO}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    study = Study(load_params(folder / "params.yaml"))
    for artefact in study.of_stage("prepare"):
        (folder / artefact.folder).mkdir(parents=True)
        (folder / artefact.folder / "run.json").touch()
    environment = {name: value for name, value in os.environ.items() if name != "CMIVAE_JOB"}
    environment |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{tools}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"PYTHONPATH": str(REPOSITORY / "src"), "XDG_CACHE_HOME": str(folder / "cache")}
    command = ["snakemake", "--profile", "workflow/profiles/slurm", "--quiet", "all", "--retries=0", "--latency-wait=1"]
    command += ["--max-jobs-per-timespan=1000/1s", "--slurm-init-seconds-before-status-checks=2"]
    command += ["--allowed-rules", "train", "embed", "evaluate", "baseline", "evaluate_all", "--", "evaluate_all"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return (folder / "calls").read_text().splitlines()


def rules(call: str) -> list[str]:
    return sorted(re.findall(r"(\w+):(?:config|dataset)=", call.partition("--target-jobs")[2]))


@pytest.mark.slow
def test_the_paper_is_189_trainings_with_one_gpu_each_and_short_jobs_share_a_submission(calls):
    kinds = Counter(" ".join(rules(call)) for call in calls)
    assert kinds == {"train": 189, "embed evaluate": 189, "baseline baseline baseline": 1}
    for call in calls:
        gpus = re.findall(r"--gpus=(\d+)", call.partition("--wrap")[0])
        assert gpus == ([] if "baseline" in rules(call) else ["1"])
        assert re.search(r"--mem \d+ ", call)
        assert "--signal=TERM@300" in call
        assert "--requeue" in call
    runs = {tuple(re.findall(r"train:config=([^ ,]*),seed=(\d)", call)) for call in calls if "train" in rules(call)}
    assert len(runs) == 189
