"""What the fault suite tried and how often it held: a row a fault, written as a table into docs/reliability.md."""

import contextlib
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- faults: begin (written by make test-faults) -->", "<!-- faults: end -->"
COMMAND = "make test-faults"
# All faults in the order of the table, and how many of each the full suite tries at least.
FAULTS = {
    "SIGKILL of a training": 50,
    "SIGTERM, SIGUSR1, SIGHUP or Ctrl-C to a training": 20,
    "SIGTERM or SIGUSR1 before or after the steps": 8,
    "a second signal": 5,
    "SIGKILL inside the write of a checkpoint": 40,
    "SIGKILL of snakemake": 10,
    "SIGKILL of dvc repro": 10,
    "two orchestrators in one folder": 10,
    "disk full": 10,
    "read-only folders": 5,
    "vanished folders": 5,
    "NaN and infinity": 20,
    "hostile tar archives": 14,
    "zip archives": 14,
    "hostile paths in lists and records": 8,
    "pickles and code in data files": 8,
    "damaged and random inputs": 2000,
    "fresh clones with shuffled times": 20,
}


def seed() -> int:
    """What every random choice of the suite comes from: FAULT_SEED, else 0."""
    return int(os.environ.get("FAULT_SEED", "0"))


def times(short: int, full: int) -> Callable:
    """Run a test twice: with few cases in the default suite, with all of them under the marker ``fault``."""
    everything = pytest.param(full, id="full", marks=[pytest.mark.fault, pytest.mark.timeout(3600)])
    return pytest.mark.parametrize("count", [pytest.param(short, id="short"), everything])


@dataclass
class Row:
    """One fault: how it was made, how often it was tried, what did not hold."""

    fault: str
    how: str = ""
    bar: str = ""
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    full: bool = False

    @contextlib.contextmanager
    def case(self, label: str, of: int = 1) -> Iterator[None]:
        """One case, or ``of`` at once: what goes wrong in it is noted, and the next ones are still tried."""
        self.tried += of
        try:
            yield
        except Exception as error:
            self.failures.append(f"{label}: {type(error).__name__}: {error}")

    def done(self) -> None:
        """All cases must have held."""
        assert self.tried
        assert not self.failures, f"{len(self.failures)} of {self.tried} failed\n" + "\n\n".join(self.failures[:5])

    def plain(self) -> dict:
        """For another process."""
        return asdict(self)

    def line(self) -> str:
        """A line of the table."""
        held = self.tried - len(self.failures)
        return f"| {self.fault} | {self.how} | {self.bar} | {self.tried:,} | {held:,} | {self.seconds:.0f} |"


def merged(rows: list[Row]) -> dict[str, Row]:
    """Rows of one fault from several tests as one."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.fault not in found:
            found[row.fault] = row
            continue
        old = found[row.fault]
        old.tried, old.seconds = old.tried + row.tried, old.seconds + row.seconds
        old.failures += row.failures
    return found


def table(rows: list[Row]) -> str:
    """The table, and below it on which machine and how it was made."""
    found = merged(rows)
    lines = ["| fault | how it was made | what must hold | tried | held | seconds |", "|:--|:--|:--|--:|--:|--:|"]
    lines += [found[name].line() if name in found else f"| {name} | not run | | 0 | 0 | |" for name in FAULTS]
    lines += ["", *_where()]
    return "\n".join(lines)


def _where() -> list[str]:
    said = f"`{COMMAND}`, FAULT_SEED={seed()}, {time.strftime('%Y-%m-%d', time.gmtime())}, commit {_commit()}."
    cpus = len(os.sched_getaffinity(0))
    machine = (
        f"{platform.system()} {platform.machine()}, {cpus} CPU cores ({_cpu()}), Python {platform.python_version()}"
    )
    user = "root" if os.geteuid() == 0 else "a plain user"
    load = f"load average {os.getloadavg()[2]:.1f} over the last 15 minutes"
    return [said, f"{machine}, as {user}; {load}. Seconds are wall-clock, of two processes side by side."]


def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return "unknown"


def _commit() -> str:
    run = {"cwd": REPOSITORY, "capture_output": True, "text": True, "check": False}
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], **run).stdout.strip() or "unknown"
    changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], **run).stdout.splitlines()
    changed = [line for line in changed if not line.endswith("docs/reliability.md")]
    return f"{name} with {len(changed)} changed files" if changed else name


def replaced(page: str, content: str) -> str:
    """The page with another table between its marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{content}\n{END}{rest.split(END)[1]}"
