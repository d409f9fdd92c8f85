"""What must hold after a workspace went through Slurm."""

import itertools
import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Story:
    """What was done on the way.

    Attributes:
        stopped: run whose training was asked to stop.
        requeued: run whose training Slurm took off its node.
        left: Slurm jobs that the killed Snakemake left.
        exit: exit code of the second Snakemake.
        said: what it printed.
    """

    stopped: str = ""
    requeued: str = ""
    left: list[str] = field(default_factory=list)
    exit: int | None = None
    said: str = ""


def report(reference: Path, workspace: Path, story: Story) -> int:
    """Print each check; returns how many failed."""
    checks = {
        "Snakemake after kill -9: went on without unlocking, exit 0": _went_on(story),
        f"{story.stopped} asked to stop: saved, retried, went on from its checkpoint": _resumed(
            workspace, story.stopped
        ),
        f"{story.requeued} queued again by Slurm: made to its end": _made_again(workspace, story.requeued),
        "no other training was made twice": _once(workspace, {story.stopped, story.requeued}),
        "no device had two jobs at a time, and both had some": _devices(workspace),
        "tables are byte-identical to the local run's": _tables(reference, workspace),
    }
    for name, fault in checks.items():
        print(f"{'FAILED' if fault else 'ok':<7}{name}{f': {fault}' if fault else ''}", flush=True)
    return sum(bool(fault) for fault in checks.values())


def _went_on(story: Story) -> str:
    if story.exit != 0:
        return f"exit {story.exit}\n{story.said[-3000:]}"
    wanted = ["removed the lock that a killed Snakemake left"]
    if story.left:
        wanted.append("scancel ")
    return ", ".join(f"{text!r} was not said" for text in wanted if text not in story.said)


def _segments(workspace: Path, run: str, stage: str = "train") -> list[dict]:
    return json.loads((workspace / f"runs/{stage}/{run}/run.json").read_text())["segments"]


def _ends(workspace: Path, run: str) -> list[str]:
    return [segment.get("end", "?") for segment in _segments(workspace, run)]


def _resumed(workspace: Path, run: str) -> str:
    ends = _ends(workspace, run)
    return "" if ends == ["signal 15", "finished"] else f"segments ended {ends}"


def _made_again(workspace: Path, run: str) -> str:
    ends = _ends(workspace, run)
    return "" if len(ends) == 2 and ends[0] in ("signal 15", "killed") and ends[1] == "finished" else f"{ends}"


def _once(workspace: Path, but: set[str]) -> str:
    runs = _runs(workspace) - but
    return ", ".join(run for run in sorted(runs) if _ends(workspace, run) != ["finished"]) or (
        "" if runs else "no runs"
    )


def _runs(workspace: Path) -> set[str]:
    return {
        str(path.parent.relative_to(workspace / "runs/train")) for path in workspace.glob("runs/train/*/*/run.json")
    }


def _devices(workspace: Path) -> str:
    """Last segment of each job that said which device it used."""
    spans: dict[str, list[tuple[str, str, str]]] = {}
    for stage in ("train", "embed"):
        for run in sorted(_runs(workspace)):
            used = re.findall(r"using GPU (\S+)", (workspace / f"logs/{stage}/{run}.log").read_text())
            if used:
                last = _segments(workspace, run, stage)[-1]
                spans.setdefault(used[-1], []).append((last["start"], last["stop"], f"{stage} {run}"))
    if set(spans) != {"0", "1"}:
        return f"devices used: {sorted(spans)}"
    for device, times in spans.items():
        times.sort()
        for (_, stop, one), (start, _, other) in itertools.pairwise(times):
            if start < stop:
                return f"{one} and {other} on device {device}"
    return ""


def _tables(reference: Path, workspace: Path) -> str:
    expected, made = (_of_tables(folder / "results/tables") for folder in (reference, workspace))
    if not expected:
        return f"no tables in {reference}"
    return ", ".join(sorted(name for name, content in expected.items() if made.get(name) != content))


def _of_tables(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.iterdir() if path.suffix in (".csv", ".md", ".tex"))
    return {path.name: path.read_bytes() for path in paths}
