"""How it goes: a progress bar with ETA on a terminal, plain log lines otherwise."""

import logging
import sys
import time

from tqdm import tqdm

log = logging.getLogger("cmivae")
EVERY = 30.0  # seconds between plain lines


def set_up_logging(quiet: bool = False) -> None:
    """Log lines to standard error, with the time where nobody watches."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(message)s" if sys.stderr.isatty() else "%(asctime)s %(message)s", "%H:%M:%S")
    )
    log.handlers = [handler]
    log.setLevel(logging.WARNING if quiet else logging.INFO)
    log.propagate = False


class Progress:
    """Counts steps towards a total and shows rate and ETA.

    Args:
        name: what is being done.
        total: number of steps.
        done: steps done in an earlier process.
        unit: what a step is called.
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "step"):
        self.name, self.total, self.unit = name, total, unit
        self.done = self.first = done
        self.start = self.said = time.monotonic()
        shown = sys.stderr.isatty()
        self.bar = tqdm(total=total, initial=done, desc=name, unit=unit, dynamic_ncols=True) if shown else None

    def step(self, count: int = 1, note: str = "") -> None:
        """Say that ``count`` more steps are done."""
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
            if note:
                self.bar.set_postfix_str(note, refresh=False)
        elif time.monotonic() - self.said > EVERY:
            self.said = time.monotonic()
            self.line(note)

    def line(self, note: str = "") -> None:
        """Print one plain line with rate and ETA."""
        rate = (self.done - self.first) / max(time.monotonic() - self.start, 1e-9)
        left = (self.total - self.done) / rate if rate > 0 else float("inf")
        eta = f"{int(left // 3600)}:{int(left % 3600 // 60):02d}:{int(left % 60):02d}" if left < 1e8 else "?"
        share = 100 * self.done / max(self.total, 1)
        log.info(
            "%s %d/%d (%.0f %%) %.1f %s/s, ETA %s %s",
            self.name,
            self.done,
            self.total,
            share,
            rate,
            self.unit,
            eta,
            note,
        )

    def close(self) -> None:
        """Finish the bar."""
        if self.bar is not None:
            self.bar.close()
