"""Levels L0 and L1: every link of the chain is there, and every byte of it is what its record says.

Nothing is taken from DVC's or Snakemake's bookkeeping or from modification times: all files are read and hashed.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cmivae.audit.audio import FIX, audio_of
from cmivae.audit.book import CELLS, Book
from cmivae.audit.facts import changed_modules
from cmivae.audit.findings import Done, Finding, Lineage, Report, fix_for
from cmivae.data.corpus import INDEX
from cmivae.provenance.io import digest, sha256_file
from cmivae.provenance.ledger import RECORD, Record, difference, seal
from cmivae.results.record import Cell

SUMS = "SHA256SUMS"
SEALED_WITH = {"run", "cost"}  # fields that came with the seal


class Checker:
    """Checks artefacts and cells of one book and notes in a report what does not hold."""

    def __init__(self, book: Book, report: Report, lineage: Lineage):
        self.book, self.report, self.lineage = book, report, lineage
        self.unsealed = 0
        self.outside: dict[str, str] = {}  # audio that lies elsewhere: the index that names it
        self.absent: dict[str, str] = {}  # fetched data whose audio does not lie on this machine: its folder

    def add(self, level: str, path: str, what: str, expected: str = "", found: str = "", fix: str = "") -> None:
        """Note a finding, one a file and level; one with a ``fix`` of its own is of what is unproven: no poison."""
        if not any((each.level, each.path) == (level, path) for each in self.report.findings):
            poisons = () if fix else self.lineage.poisoned(self.outside.get(path, path))
            fix = fix or (FIX if path in self.outside else fix_for(path))
            self.report.findings.append(Finding(level, path, what, expected, found, fix, poisons))

    # --- L0 -----------------------------------------------------------------------------------------------------------

    def links(self, folders: Iterable[str], cells: list[Cell]) -> None:
        """L0: records and files are there, and were made with the parameters of ``params.yaml``."""
        count, stale_code = 0, set()
        for folder in folders:
            record = self.book.record(folder)
            if record is None:
                there = (self.book.workspace / folder / RECORD).is_file()
                what = "the record is damaged or incomplete" if there else "there is no record"
                self.add("L0", f"{folder}/{RECORD}", what, "a complete run.json")
                continue
            count += 1
            for name in record.files():
                count += 1
                self._exists(f"{folder}/{name}")
            stale_code |= set(changed_modules(record.values["code"]))
            self._as_params_say(folder, record)
        for cell in cells:
            for run in cell.runs:
                if self.book.record(run.run) is None and run.run not in self.book.study.artefacts:
                    self.add("L0", CELLS, f"{cell.address} names {run.run}, which is no run of the study")
        done = Done("L0", "records, files and inputs that are named are there", "none may miss", count)
        if stale_code:
            done.notes.append(f"code has changed since in {len(stale_code)} modules: {', '.join(sorted(stale_code))}")
        self.report.done.append(done)

    def _exists(self, path: str) -> None:
        if not (self.book.workspace / path).is_file() and path not in self.book.left_out:
            self.add("L0", path, "a recorded file is missing", "a file", "none")

    def _as_params_say(self, folder: str, record: Record) -> None:
        artefact = self.book.study.artefacts.get(folder)
        if artefact is not None and artefact.params != record.values["params"]:
            self.add("L0", f"{folder}/{RECORD}", f"params.yaml says otherwise: {difference(record, artefact)}")

    # --- L1 -----------------------------------------------------------------------------------------------------------

    def hashes(self, folders: Iterable[str], cells: list[Cell]) -> None:
        """L1: files, records and the links between them are the recorded ones, byte for byte."""
        present = [(folder, record) for folder in folders if (record := self.book.record(folder)) is not None]
        wanted: dict[str, str] = {}
        notes: list[str] = []
        for folder, record in present:
            audio, absent = audio_of(self.book, folder, record)
            self.outside |= dict.fromkeys(audio, f"{folder}/{INDEX}")
            if absent:
                self.absent[folder] = absent
                notes.append(f"the audio of {folder} does not lie on this machine, and was not read: {absent}")
            for path in (each for each in audio if not self._there(each)):
                self.add("L1", path, "an audio file of the corpus is missing", "a file", "none")
            wanted |= audio
            wanted |= {f"{folder}/{name}": entry["sha256"] for name, entry in record.files().items()}
            self._record(folder, record)
            self._strangers(folder, record)
        count, size = self._rehash(wanted)
        if self.book.is_archive:
            count += self._sums()
        for folder, record in present:
            self._inputs(folder, record)
        for cell in cells:
            self._cell_runs(cell)
        done = Done("L1", f"SHA-256 of {count} files ({size / 1e6:.1f} MB), records and links", "exact", count, notes)
        left = [path for path in wanted if path in self.book.left_out and not self._there(path)]
        if left:
            done.notes.append(f"{len(left)} files are left out of this archive on purpose: their hashes are recorded")
        if self.unsealed:
            done.notes.append(
                f"{self.unsealed} records are from before there were seals: of what they say on machine, time and "
                "cost nothing but their spelling is checked"
            )
        self.report.done.append(done)

    def _there(self, path: str) -> bool:
        return (self.book.workspace / path).is_file()

    def _rehash(self, wanted: dict[str, str]) -> tuple[int, int]:
        paths = [path for path in wanted if self._there(path)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # hashing runs outside Python's lock
            found = list(pool.map(lambda path: sha256_file(self.book.workspace / path), paths))
        for path, sha256 in zip(paths, found, strict=True):
            if sha256 != wanted[path]:
                recorded = self._recorded_size(path)
                size = (self.book.workspace / path).stat().st_size
                same = "same size: silent corruption, or an edit" if size == recorded else f"{size} bytes"
                what = "the file is not what its run recorded"
                self.add("L1", path, what, f"sha256 {wanted[path][:16]}…", f"{sha256[:16]}… ({same})")
        return len(paths), sum((self.book.workspace / path).stat().st_size for path in paths)

    def _recorded_size(self, path: str) -> int | None:
        for depth in range(1, path.count("/") + 1):
            folder, name = path.rsplit("/", depth)[0], path.split("/", path.count("/") + 1 - depth)[-1]
            record = self.book.record(folder)
            if record is not None and name in record.files():
                return record.files()[name]["size"]
        return None

    def _record(self, folder: str, record: Record) -> None:
        """A record is written in one spelling and sealed; its spec is the digest of what it says."""
        values, path = record.values, f"{folder}/{RECORD}"
        spelled = json.dumps(values, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"
        if "seal" not in values and values.keys() & SEALED_WITH:
            self.add("L1", path, "the record has lost its seal: it was edited")
        elif "seal" not in values:
            self.unsealed += 1
        elif values["seal"] != seal(values):
            self.add("L1", path, "the record was edited", f"seal {values['seal']}"[:21], seal(values)[:16])
        if record.path.read_bytes() != spelled.encode():
            self.add("L1", path, "the record was edited", "the bytes that its values are written as")
        inputs = {name: made_from["spec"] for name, made_from in values["inputs"].items()}
        parts = {"stage": values["stage"], "params": values["params"], "inputs": inputs, "code": values["code"]}
        if digest(parts) != record.spec:
            self.add("L1", path, "the spec is not the digest of stage, params, inputs and code", digest(parts)[:16],
                     str(record.spec)[:16])  # fmt: skip

    def _strangers(self, folder: str, record: Record) -> None:
        known = {*record.files(), RECORD}
        for path in sorted((self.book.workspace / folder).rglob("*")):
            name = str(path.relative_to(self.book.workspace / folder))
            if path.is_file() and name not in known and not path.name.endswith(".part"):
                self.add("L1", f"{folder}/{name}", "the run did not make this file", "no such file")

    def _inputs(self, folder: str, record: Record) -> None:
        """What was consumed is what lies upstream now; a damaged record upstream is a finding of its own."""
        for name, made_from in record.values["inputs"].items():
            upstream = self.book.record(name)
            if upstream is None or f"{name}/{RECORD}" in self.report.bad or f"{folder}/{RECORD}" in self.report.bad:
                continue
            if upstream.content != made_from["content"]:
                what = f"it was made from other files than {name} holds now"
                self.add("L1", f"{folder}/{RECORD}", what, made_from["content"][:16], upstream.content[:16])

    def _cell_runs(self, cell: Cell) -> None:
        if CELLS in self.report.bad:
            return
        for run in cell.runs:
            record = self.book.record(run.run)
            if record is None or f"{run.run}/{RECORD}" in self.report.bad:
                continue
            recorded = [entry["sha256"] for entry in record.files().values()]
            if (run.run_id, run.metrics_sha256 in recorded) != (record.run_id, True):
                self.add("L1", CELLS, f"{cell.address} is made of another {run.run} than lies there",
                         run.run_id, record.run_id)  # fmt: skip

    def _sums(self) -> int:
        """``SHA256SUMS`` of a release archive, read here as ``sha256sum -c`` reads it."""
        path, count = self.book.workspace / SUMS, 0
        if not path.is_file():
            self.add("L1", SUMS, "the archive has no list of checksums")
            return 0
        for entry in path.read_text(encoding="utf-8", errors="replace").splitlines():
            sha256, _, name = entry.partition("  ")
            inside = Path(name)
            if inside.is_absolute() or ".." in inside.parts or not self._there(name):
                self.add("L1", name or SUMS, "a file of SHA256SUMS is missing or lies outside the archive", "a file")
            elif name not in self.report.bad and sha256_file(self.book.workspace / name) != sha256:
                self.add("L1", name, "the file is not what SHA256SUMS says", f"sha256 {sha256[:16]}…")
            count += 1
        return count
