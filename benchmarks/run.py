"""Ratios of our fast paths against plain peers, interleaved in one process: ``make bench`` (benchmarks/README.md).

CPU seconds of one thread, so that other work on the machine moves the ratios little. Prints a table and writes it with
all numbers as result.json and result.md. ``--smoke`` only shows that it runs.
"""

import argparse
import datetime
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import rows_cuda
import rows_image
import rows_metrics
import rows_speech
import sklearn
import torch
from measure import measure
from sizes import PAPER, SMOKE
from table import heading, table

from cmivae.provenance.environment import environment, git_state
from cmivae.training.devices import set_up

ROWS = [*rows_image.ROWS, *rows_speech.ROWS, *rows_metrics.ROWS]
ON_REQUEST = rows_image.ON_REQUEST  # only with ``--only``
REPEATS = 7


def main() -> int:
    """Run the benchmark; 1 where outputs of ours and of a peer are not the same, for then a ratio means nothing."""
    options = _options()
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    sizes, repeats = (SMOKE, 1) if options.smoke else (PAPER, options.repeats)
    rows = [row for row in [*ROWS, *ON_REQUEST] if row.key in options.only] if options.only else ROWS
    before = os.getloadavg()[0]
    if options.smoke:
        rows = [replace(row, bar=None, stretch=None) for row in rows]
    results = measure(rows, sizes, repeats)
    about = _about(options.smoke, before)
    text = [heading(about, repeats), table(results), ""]
    _write(options.out, about, results, text)  # kept also where the rows of a GPU end with an error
    if rows_cuda.available() and not options.only:
        set_up(torch.device("cuda"), 1)  # deterministic kernels, as trainings have them; the peers too
        on_gpu = measure(rows_cuda.ROWS, replace(sizes, device="cuda"), repeats)
        text += [f"CUDA, {torch.cuda.get_device_name()}, wall seconds:\n", table(on_gpu)]
        results |= on_gpu
    else:
        text.append(rows_cuda.NONE if not rows_cuda.available() else "CUDA: left out, since rows were chosen.")
    _write(options.out, about, results, text)
    print("\n".join(text))
    unequal = [key for key, found in results.items() if found["equal"] is False]
    if unequal:
        print(f"outputs differ: {', '.join(unequal)}", file=sys.stderr)
    return bool(unequal)


def _write(folder: Path, about: dict[str, Any], results: dict[str, Any], text: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {"about": about, "results": results, "cuda": rows_cuda.available()}
    (folder / "result.json").write_text(json.dumps(values, indent=1, ensure_ascii=False) + "\n")
    (folder / "result.md").write_text("\n".join(text) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small networks once: shows that it runs")
    keys = [row.key for row in [*ROWS, *ON_REQUEST]]
    parser.add_argument("--only", nargs="+", choices=keys, metavar="ROW", help="some rows of CPU")
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"of each row (default {REPEATS})")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder of result.json and result.md")
    return parser.parse_args()


def _about(smoke: bool, before: float) -> dict[str, Any]:
    git = git_state() or {"revision": "unknown", "dirty": None}
    return {
        "processor": environment()["processor"],
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "threads": torch.get_num_threads(),
        "commit": git["revision"][:12] + (" with changes" if git["dirty"] else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "load": {"before": before, "after": os.getloadavg()[0]},
        "smoke": smoke,
    }


if __name__ == "__main__":
    sys.exit(main())
