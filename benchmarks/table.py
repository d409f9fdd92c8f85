"""The result as a table in Markdown, which reads well in a terminal too."""

from typing import Any

HEAD = "| what | against | ours, s | peer, s | ratio (min to max) | bar | stretch | met | same outputs |"


def table(results: dict[str, dict[str, Any]]) -> str:
    """One line a row."""
    lines = [HEAD, "|:--|:--|--:|--:|--:|--:|--:|:--|:--|"]
    for found in results.values():
        sign = "≤ " if found["at_most"] else "≥ "
        cells = [
            found["what"],
            found["peer"],
            f"{found['ours_s']:.3g}",
            f"{found['peer_s']:.3g}",
            f"{found['ratio']:.3g} ({found['ratio_min']:.3g} to {found['ratio_max']:.3g})",
            _bar(sign, found["bar"]),
            _bar(sign, found["stretch"]),
            {True: "yes", False: "NO", None: "–"}[found["met"]],
            _same(found),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _bar(sign: str, value: float | None) -> str:
    return "–" if value is None else f"{sign}{value:g}"


def _same(found: dict[str, Any]) -> str:
    if found["equal"] is None:
        return found["compared"]
    word = "yes" if found["equal"] else "NO"
    return f"{word}: {found['difference']:.1e}, at most {found['tolerance']:g} ({found['compared']})"


def heading(about: dict[str, Any], repeats: int) -> str:
    """What was measured, where and when, in a few lines."""
    if about["smoke"]:
        return "Smoke run with a small network: it shows that everything runs and is not a measurement.\n"
    return (
        f"{about['processor']}, PyTorch {about['torch']}, commit {about['commit']}, {about['date']}; one thread, CPU\n"
        f"seconds of the process, medians of {repeats} interleaved repeats of all rows; the load of the machine was\n"
        f"{about['load']['before']:.1f} before and {about['load']['after']:.1f} after.\n"
    )
