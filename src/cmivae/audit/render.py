"""What ``cmivae audit`` says, in words: the facts, a line or a small table each, for eighty to a hundred columns."""

from typing import Any

WIDTH = 11


def number(value: Any) -> str:
    """Six significant digits; lists in brackets; a dash where there is none."""
    if value is None:
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"[{', '.join(number(each) for each in value)}]" if isinstance(value, list | tuple) else str(value)
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def audit_text(facts: dict[str, Any]) -> str:
    """A cell, a row or a point of a figure."""
    lines = _head(facts) + _columns(facts) + _runs(facts) + _params(facts) + _origin(facts) + _recorded(facts)
    return "\n".join(lines)


def line(name: str, text: str) -> str:
    """``  name       text``."""
    return f"  {name:<{WIDTH}}{text}"


def table(rows: list[list[str]], indent: int = 2) -> list[str]:
    """Columns as wide as they must be; numbers are text already."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [" " * indent + "  ".join(f"{text:<{w}}" for text, w in zip(row, widths, strict=True)).rstrip()
            for row in rows]  # fmt: skip


def _head(facts: dict[str, Any]) -> list[str]:
    if "point" in facts and "asked" not in facts:
        what = f"{facts['kind']} of {len(facts['runs'])} runs".replace("of 1 runs", "of one run")
        return [f"{facts['point']}: {what}", line("label", f"{facts['label']}, {facts['dataset']}")]
    if "asked" not in facts:
        return [facts["address"], line("label", f"{facts['label']}, {facts['dataset']}")]
    paper = facts["paper"]
    of = f"n {facts['n']} of {facts['expected']}"
    value = number(facts["asked"])
    if facts["value"] is None:
        value = facts["problem"] or "not ours"
    lines = [f"{facts['address']} = {value}   (se {number(facts['se'])}, {of})   paper {_paper(paper)}"]
    if "point" in facts:
        lines.insert(0, f"{facts['point']} is drawn from:")
        lines += [
            line("drawn", f"{c['drawn']} {number(c['value'])} {'is' if c['agrees'] else 'IS NOT'} {c['cell']}")
            for c in facts["drawn_from"]
        ]
    lines += [line("verdict", _verdict(paper)), line("label", f"{facts['label']}, {facts['dataset']}")]
    lines += [line("aggregate", f"{facts['aggregate']} over {facts['n']} of {facts['expected']} runs")]
    return lines


def _paper(paper: dict[str, Any]) -> str:
    """``3.43 (se 0.26, n 3)``."""
    error = f" (se {number(paper['se'])}, n {number(paper['n'])})" if paper["se"] is not None else ""
    return f"{number(paper['value'])}{error}"


def _verdict(paper: dict[str, Any]) -> str:
    """``consistent: +0.08 (95 % CI -0.46 to +0.62); why``."""
    if paper["difference"] is None:
        return f"{paper['verdict']}: {paper['why']}"
    interval = " (95 % CI {:+.4g} to {:+.4g})".format(*paper["interval"]) if paper["interval"] else ""
    return f"{paper['verdict']}: difference {paper['difference']:+.4g}{interval}; {paper['why']}"


def _columns(facts: dict[str, Any]) -> list[str]:
    if not facts.get("columns"):
        return []
    rows = [["column", "value", "se", "n", "paper", "verdict"]]
    rows += [
        [c["column"], c["problem"] or number(c["value"]), number(c["se"]), f"{c['n']}/{c['expected']}",
         _paper(c["paper"]), c["paper"]["verdict"]]
        for c in facts["columns"]
    ]  # fmt: skip
    return ["", *table(rows)]


def _runs(facts: dict[str, Any]) -> list[str]:
    lines = [line("seeds", f"{what}: {', '.join(map(str, facts[key]))}")
             for key, what in (("failed_seeds", "FAILED"), ("missing_seeds", "MISSING")) if facts.get(key)]  # fmt: skip
    if not facts["runs"]:
        return [*lines, line("runs", "none: this number is not made of runs")]
    rows = [["seed", "run", "value", "checkpoint", "trained (UTC)", "on", "resumed", "hours"]]
    for run in facts["runs"]:
        cost = run["cost"] or {}
        hours = cost.get("gpu_s") or cost.get("wall_s")
        epoch = f"epoch {run['checkpoint']['epoch']}" if run["checkpoint"] else "–"
        rows.append([
            number(run["seed"]), run["run_id"][:10], number(run["value"]), epoch, (run["start"] or "–")[:16],
            f"{run['on']}, {run['host']}", str(run["resumed"]),
            "–" if hours is None else f"{hours / 3600:.2g} {'GPU' if cost.get('gpu_s') else 'CPU'}",
        ])  # fmt: skip
    lines += ["", *table(rows), ""]
    for run in facts["runs"]:
        weights = next(iter(run["weights"].items()), None)
        if weights:
            lines.append(line("weights", f"{run['trained_in']}/{weights[0]}  sha256 {weights[1][:12]}…"))
    return lines


def _params(facts: dict[str, Any]) -> list[str]:
    params = facts.get("params")
    if not params:
        return []
    differ = facts["params_differ_over_seeds"]
    same = f"NOT the same for all seeds: {', '.join(differ)}" if differ else "the same for all seeds"
    lines = [line("params", f"{len(params)} resolved, {same}")]
    chosen = [f"{key} {number(value)}" for key, value in params.items() if key.startswith("train.") or "." not in key]
    lines += _wrapped("", chosen)
    near = facts["neighbour"]
    if near:
        changes = [f"{d['key']} {number(d['there'])} -> {number(d['here'])}" for d in near["differs"]]
        lines += _wrapped("differs", [f"from {near['address']} ({number(near['value'])}) in {len(changes)}:", *changes])
    return lines


def _origin(facts: dict[str, Any]) -> list[str]:
    if not facts.get("code"):
        return []
    lines = [
        line("data", f"{each['folder']}  content {each['content'][:12]}…  {_names(list(each['files']))}")
        for each in facts["data"]
    ]
    code, env = facts["code"], facts["environment"]
    git = "; ".join(code["git"]) or "unknown"
    lines.append(line("code", f"{code['modules']} modules  digest {code['digest'][:12]}…  git {git}"))
    if code["changed_since"]:
        lines += _wrapped("", ["CHANGED since:", *code["changed_since"]])
    if env:
        torch = env.get("torch") or {}
        lock = (env.get("lock_sha256") or "none")[:12]
        text = f"python {env['python']}  torch {env['libraries'].get('torch')}  cuda {torch.get('cuda') or 'none'}"
        text += f"  threads {torch.get('threads', '–')}  deterministic {'on' if torch.get('deterministic') else 'off'}"
        lines.append(line("env", f"{text}  lock {lock}…  digest {env['digest'][:12]}…"))
    return lines + _wrapped("deviations", facts["deviations"])


def _names(files: list[str], most: int = 4) -> str:
    return ", ".join(files if len(files) <= most else [*files[:1], f"{len(files) - 1} files more"])


def _recorded(facts: dict[str, Any]) -> list[str]:
    if "stale" not in facts:
        return []
    lines = []
    for each in _by_stage(facts["dvc"]):
        agrees = {True: "agrees", False: "DOES NOT AGREE", None: "cannot be told"}[each["agrees"]]
        where = (
            f"{each['stage']}  md5 {each['md5'][:12]}…  commit {each['commit'] or 'none yet'}" if each["md5"] else ""
        )
        lines.append(line("dvc", f"{where}  {agrees}{': ' + each['why'] if each['why'] else ''}".strip()))
    lines += [line("STALE", f"{folder}: {reason}") for folder, reason in facts["stale"].items()]
    lines += (
        [] if facts["stale"] or not facts["dvc"] else [line("state", "current: params, code and inputs are as then")]
    )
    return [*lines, line("rebuild", facts["rebuild"]), line("prove", facts["verify"])]


def _by_stage(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One line a DVC stage and opinion, since a stage records many runs."""
    found: dict[tuple, dict[str, Any]] = {}
    for each in entries:
        found.setdefault((each["stage"], each["md5"], each["agrees"], each["why"]), each)
    return list(found.values())


def _wrapped(name: str, parts: list[str], width: int = 100) -> list[str]:
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 2 + WIDTH <= width:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return [line(name if first else "", text) for first, text in ((i == 0, t) for i, t in enumerate(lines))]
