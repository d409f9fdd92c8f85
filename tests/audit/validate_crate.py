"""Asks the public validator (roc-validator) about RO-Crates, without the network. Needs an environment of its own:

    python -m venv /tmp/roc && /tmp/roc/bin/pip install roc-validator==0.13.0 rocraters==0.6.0
    /tmp/roc/bin/python tests/audit/validate_crate.py CRATE…

The validator asks the web for one file, the JSON-LD context of RO-Crate 1.1. The package rocraters carries that file,
byte for byte, in its library; here it is taken from there, checked by its SHA-256, and put into the validator's own
HTTP cache, which ``--offline`` then reads. Exit code 1 where a REQUIRED check of any profile fails; what is RECOMMENDED
and not there is listed.
"""

import collections
import hashlib
import importlib.util
import io
import json
import subprocess
import sys
import tempfile
from pathlib import Path

PROFILE = "provenance-run-crate-0.5"  # the narrowest; the validator checks those that it is built on with it:
ALL = {"ro-crate-1.1", "process-run-crate-0.5", "workflow-ro-crate-1.0", "workflow-run-crate-0.5", PROFILE}
URL = "https://w3id.org/ro/crate/1.1/context"
BEGIN = b'{\n     "@id": "https://w3id.org/ro/crate/1.1/context",'
SIZE, SHA256 = 164469, "4b3dc231f8f1719d6c435cd0551ba0c8047342f8e1532343084514c9327d9f83"


def context() -> bytes:
    """``context.jsonld`` of RO-Crate 1.1 (version 1.1.3), cut out of the library of rocraters."""
    folder = Path(importlib.util.find_spec("rocraters").origin).parent
    for path in sorted(folder.rglob("*.so")):
        library = path.read_bytes()
        at = library.find(BEGIN)
        found = library[at : at + SIZE]
        if at >= 0 and hashlib.sha256(found).hexdigest() == SHA256:
            return found
    raise SystemExit(
        f"rocraters in {folder} does not carry the context with SHA-256 {SHA256}: install rocraters==0.6.0"
    )


def warm(cache: Path, content: bytes) -> None:
    """Put the context into the validator's HTTP cache, as the answer of the web to a request for it."""
    from requests.adapters import BaseAdapter, HTTPAdapter
    from requests_cache import CachedSession
    from urllib3.response import HTTPResponse

    class Carried(BaseAdapter):
        def send(self, request, **_):
            raw = HTTPResponse(io.BytesIO(content), {"Content-Type": "application/ld+json"}, 200, preload_content=False,
                               request_method="GET", request_url=request.url)  # fmt: skip
            return HTTPAdapter().build_response(request, raw)

        def close(self):
            pass

    with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
        session.mount("https://", Carried())
        session.get(URL).raise_for_status()


def validated(crate: str, cache: Path) -> dict:
    """The validator's report on REQUIRED and RECOMMENDED checks of all profiles."""
    report = cache.with_name("report.json")
    command = [Path(sys.executable).with_name("rocrate-validator"), "-y", "validate", "--offline", "--cache-path",
               cache, "-np", "-p", PROFILE, "-l", "recommended", "-f", "json", "-o", report, crate]  # fmt: skip
    report.unlink(missing_ok=True)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    values = json.loads(report.read_text()) if report.is_file() else {}
    if set(values.get("statistics", {}).get("profiles", ())) != ALL:
        raise SystemExit(f"the validator did not check all profiles:\n{done.stdout}{done.stderr}")
    return values


def main(crates: list[str]) -> int:
    """Print a line a crate, and one a kind of finding."""
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        cache = Path(name) / "cache"
        warm(cache, context())
        for crate in crates:
            report = validated(crate, cache)
            issues, counts = report["issues"], report["statistics"]["total_checks_by_severity"]
            required = sum(each["severity"] == "REQUIRED" for each in issues)
            failed += required
            print(f"{crate}: {counts['REQUIRED']} REQUIRED checks of {len(ALL)} profiles: "
                  f"{f'{required} FAILED' if required else 'all passed'}")  # fmt: skip
            kinds = collections.Counter(
                (each["severity"], each["check"]["identifier"], each["message"]) for each in issues
            )
            for (severity, check, message), count in sorted(kinds.items()):
                print(f"  {severity.lower()} ({count}) {check}: {message}")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
