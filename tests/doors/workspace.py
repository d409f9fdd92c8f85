"""A workspace of its own in a temporary folder: a git repository with a copy of the code and a very small study."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = """
label: test
note: "two small runs for the tests of the doors"
seeds: [0]
datasets:
  digits:
    reader: digits
    data: {n_train: 96, n_valid: 20, n_test: 60, probe_per_class: 3, mcas_per_class: 2, mcas_subsets: 2}
    model:
      {name: pixelcnn_vae, z_dim: 4, encoder_channels: 4, encoder_out: 8, channels: 4, kernels: [3, 3], cut: 1}
    critic: {channels: 4}
    train: {epochs: 1, batch_size: 24, lr: 0.003}
    embed: {decodes: 2, posthoc: {inits: 1, epochs: 1, n_train: 48}}
    evaluate: {c: 1.0}
configs:
  digits-vanilla: {dataset: digits, objective: vanilla, gamma: 0.0}
  digits-cmi-g030: {dataset: digits, objective: cmi, gamma: 0.3}
tables:
  X4: {title: "Test", dataset: digits}
figures:
  X3: {title: "Test", kind: curve, dataset: digits, metric: mcas}
  X5: {title: "Test", kind: samples, dataset: digits, configs: [digits-cmi-g030]}
style: {dpi: 60, width: 4.0, height: 3.0}
"""
# A data set of speech beside it, as small as the stages allow. No text of it is one that the tests edit above.
PARTS = {
    "configs": """\
  voices:
    reader: synth
    data:
      synth: {train_speakers: 4, test_speakers: 2, core_speakers: 2, sentences: 2, seconds: 0.6}
      norm: mvn  # so that a model of one epoch can be heard
      val: utterance
      valid_fraction: 0.25
      vc_segments: 8
    model: {name: dsae, z_dim: 4, s_dim: 4, hidden: 8}
    critic: {channels: 4, hidden: 8}
    train: {batch_size: 4, lr: 0.002, epochs: 1}
    embed: {voices: 1, posthoc: {inits: 1, epochs: 1}}
    evaluate: {max_iter: 1000}
""",
    "tables": """\
  voices-cmi-g080: {dataset: voices, objective: cmi, gamma: 0.8}
""",
    "figures": """\
  X1: {title: "Test", dataset: voices, layout: eer}
""",
    "style": """\
  X6: {title: "Test", kind: voices, dataset: voices, configs: [voices-cmi-g080]}
""",
}


def with_speech(text: str = SMALL) -> str:
    """The small study and its data set of speech, with one run, a table and a page of voices."""
    for following, part in PARTS.items():  # each part stands before the block that follows its own
        text = text.replace(f"\n{following}:", f"\n{part}{following}:", 1)
    return text


class Workspace:
    """Runs the doors in a folder and tells which artefacts they made anew."""

    def __init__(self, folder: Path):
        self.folder = folder

    @classmethod
    def create(cls, folder: Path) -> "Workspace":
        """A new git repository at ``folder`` with code, rules and small params."""
        folder.mkdir(parents=True)
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        for name in ("src", "workflow"):
            shutil.copytree(REPOSITORY / name, folder / name, ignore=ignore)
        for name in ("Snakefile", "dvc.yaml", ".dvcignore", ".gitignore"):
            shutil.copy(REPOSITORY / name, folder / name)
        (folder / "profiles").symlink_to("workflow/profiles")
        (folder / "params.yaml").write_text(with_speech())
        made = cls(folder)
        made.git("init", "--quiet", "--initial-branch", "main")
        made.run("dvc", "init", "--quiet")
        made.run("dvc", "config", "core.analytics", "false")
        made.commit("start")
        return made

    def clone(self, folder: Path) -> "Workspace":
        """A fresh git clone, with what DVC has from its remote."""
        subprocess.run(["git", "clone", "--quiet", str(self.folder), str(folder)], check=True)
        return Workspace(folder)

    def run(self, *command: str, ok: bool = True) -> subprocess.CompletedProcess:
        """Run a command in the workspace; unless ``ok`` is False it must succeed."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        inherited = {name: value for name, value in os.environ.items() if name != "CMIVAE_JOB"}
        environment = inherited | {
            "PATH": path,
            "PYTHONPATH": str(self.folder / "src"),
            "OMP_NUM_THREADS": "2" if command[0] in ("dvc", "snakemake") else "1",  # jobs are told their own
            "DVC_NO_ANALYTICS": "1",
            "XDG_CACHE_HOME": str(self.folder / ".cmivae/cache"),
        }
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        assert not ok or done.returncode == 0, f"{command} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def git(self, *arguments: str) -> str:
        """Run git with an identity of its own."""
        identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
        return self.run("git", *identity, *arguments).stdout

    def commit(self, message: str) -> None:
        """Commit everything that is not ignored."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def snakemake(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess:
        """The one door."""
        return self.run("snakemake", "--cores", "2", *arguments, ok=ok)

    def planned(self) -> dict[str, int]:
        """Jobs that Snakemake would run, by rule."""
        lines = self.snakemake("--dry-run").stdout.splitlines()
        if "Job stats:" not in lines:
            return {}
        first = lines.index("Job stats:") + 3
        rows = [line.split() for line in lines[first:]]
        rows = rows[: next(number for number, row in enumerate(rows) if row[:1] == ["total"])]
        return {rule: int(count) for rule, count in rows if rule != "all"}

    def records(self) -> dict[str, str]:
        """Digest of every run.json, by folder."""
        paths = sorted(p for top in ("data", "runs", "results") for p in (self.folder / top).rglob("run.json"))
        return {str(p.parent.relative_to(self.folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}

    def made(self, act) -> list[str]:
        """Folders of the artefacts that ``act()`` made or made again."""
        before = self.records()
        act()
        return [folder for folder, digest in self.records().items() if before.get(folder) != digest]

    def tables(self) -> dict[str, bytes]:
        """Bytes of every table, figure, page and sound, by their path in ``results``."""
        top = self.folder / "results"
        files = [p for p in sorted(top.rglob("*")) if p.is_file() and p.name != "run.json"]
        return {str(p.relative_to(top)): p.read_bytes() for p in files}

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text that must stand in a file."""
        text = (self.folder / path).read_text()
        assert old in text
        (self.folder / path).write_text(text.replace(old, new))
