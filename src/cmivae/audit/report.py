"""What ``cmivae verify`` says: a line a level, then each file that does not hold, with what it poisons and the fix."""

from cmivae.audit.findings import Finding, Report
from cmivae.audit.render import line

SHOWN = 20  # findings; the rest is counted
NAMES = 6


def verify_text(report: Report) -> str:
    """A report in words."""
    lines = [f"verify {report.asked}"]
    for done in report.done:
        bad = sum(finding.level == done.level for finding in report.findings)
        state = f"FAILED ({bad})" if bad else "ok"
        lines.append(f"  {done.level} {state:<11} {done.what}: {done.count} compared, tolerance: {done.tolerance}")
        lines += [f"     note        {note}" for note in done.notes]
    for finding in report.findings[:SHOWN]:
        lines += ["", *_finding(finding)]
    if len(report.findings) > SHOWN:
        lines += ["", f"… and {len(report.findings) - SHOWN} more (--json has all)"]
    if not report.findings:
        lines.append("All holds.")
    return "\n".join(lines)


def _finding(finding: Finding) -> list[str]:
    lines = [f"FAILED at {finding.level}: {finding.path}", line("what", finding.what)]
    if finding.expected or finding.found:
        lines.append(line("expected", finding.expected or "–") + f"   found {finding.found or '–'}")
    names = finding.poisons
    more = f" and {len(names) - NAMES} more" if len(names) > NAMES else ""
    lines.append(line("poisons", (", ".join(names[:NAMES]) + more) if names else "no number"))
    return [*lines, line("fix", finding.fix)]
