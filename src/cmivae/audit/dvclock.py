"""What DVC recorded of an artefact: stage, MD5, the commit whose lock holds it, and whether the files agree.

Read from ``dvc.lock`` and the listings in DVC's cache; no DVC is needed, and its own idea of "unchanged" is not used.
"""

import configparser
import hashlib
import json
import re
import subprocess
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

LOCK = "dvc.lock"
_SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where there is one


class DvcLock:
    """``dvc.lock`` of a workspace; all answers are empty where there is none."""

    def __init__(self, workspace: Path):
        self.workspace = workspace

    @cached_property
    def text(self) -> str:
        """The lock as it stands; empty where there is none."""
        path = self.workspace / LOCK
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    @cached_property
    def outs(self) -> dict[str, tuple[str, str]]:
        """Path of each recorded output to its stage and MD5."""
        found: dict[str, tuple[str, str]] = {}
        heads = [*re.finditer(r"^  (?=\S)(.+):\n", self.text, flags=re.MULTILINE)]
        bounds = [*(head.start() for head in heads), len(self.text)]
        for head, end in zip(heads, bounds[1:], strict=True):
            block = self.text[head.end() : end]
            _, _, outs = block.partition("    outs:\n")  # the last part of a stage; its params are long, and not asked
            try:
                for out in yaml.load(outs, Loader=_SafeLoader) or ():  # noqa: S506 (a safe loader)
                    found[out["path"]] = (head[1].strip("'\""), out["md5"])
            except (yaml.YAMLError, KeyError, TypeError):
                continue  # half-written or merged by hand: the same as not recorded
        return found

    @cached_property
    def commit(self) -> tuple[str, str]:
        """The newest commit that changed the lock, and the lock that it holds."""
        name = self._git("log", "-1", "--format=%h", "--", LOCK)
        return (name, self._git("show", f"{name}:./{LOCK}")) if name else ("", "")

    def facts(self, folder: str) -> dict[str, Any]:
        """What DVC holds of an artefact's folder, and whether what lies there is the same.

        Returns: stage, out, md5 and commit (None where there is none); ``agrees`` is None where it cannot be told,
            and ``why`` says so.
        """
        out = next((path for path in self.outs if folder == path or folder.startswith(f"{path}/")), None)
        if out is None:
            why = f"not in {LOCK}" if self.text else f"there is no {LOCK} here"
            return {"folder": folder, "stage": None, "md5": None, "commit": None, "agrees": None, "why": why}
        stage, md5 = self.outs[out]
        commit, committed = self.commit
        agrees, why = self._compare(folder, out, md5)
        held = commit if md5 in committed else None
        return {"folder": folder, "stage": stage, "md5": md5, "commit": held, "agrees": agrees, "why": why}

    def _compare(self, folder: str, out: str, md5: str) -> tuple[bool | None, str]:
        """Hash the small files of an artefact, its record first: that holds the digests of the others."""
        listed = self._listing(md5)
        if listed is None:
            return None, "DVC's listing of this folder is not in its cache: dvc fetch"
        inside = folder.removeprefix(out).strip("/")
        for name in ("run.json", "metrics.json", "cells.jsonl"):
            path, wanted = self.workspace / folder / name, listed.get(f"{inside}/{name}".strip("/"))
            if not path.is_file():
                if wanted is not None:
                    return False, f"{name} is recorded but missing"
            elif wanted is None or hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != wanted:
                return False, f"{name} is not the one that DVC recorded: cmivae verify, then cmivae record"
        return True, ""

    def _listing(self, md5: str) -> dict[str, str] | None:
        path = self._cache / "files/md5" / md5[:2] / md5[2:]
        if not path.is_file():
            return None
        content = path.read_bytes()
        if f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir" != md5:
            return None
        return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}

    @cached_property
    def _cache(self) -> Path:
        home = next((p / ".dvc" for p in (self.workspace, *self.workspace.resolve().parents) if (p / ".dvc").is_dir()),
                    self.workspace / ".dvc")  # fmt: skip
        config = configparser.ConfigParser(strict=False, interpolation=None)
        config.read([home / "config", home / "config.local"])
        return home / config.get("cache", "dir", fallback="cache")

    def _git(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.workspace), *arguments], capture_output=True, text=True, errors="replace",
                timeout=20, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired):
            return ""
        return done.stdout.strip() if done.returncode == 0 else ""
