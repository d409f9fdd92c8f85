"""Rows of the fault suite, gathered from all its processes; the full one writes docs/reliability.md."""

import os
import random
import time
from pathlib import Path

import faultbook
import pytest
import studies

from cmivae.provenance.io import write_text

ROWS: list[faultbook.Row] = []


def pytest_report_header() -> str:
    return f"fault suite: FAULT_SEED={faultbook.seed()}"


@pytest.fixture
def chance(request) -> random.Random:
    """Random choices of one test, the same for the same FAULT_SEED."""
    return random.Random(f"{faultbook.seed()} {request.node.name}")


@pytest.fixture
def row(request, record_property):
    """The row of a test's fault, which its marker ``row`` names; checked and handed on at its end."""
    fault, how, bar = request.node.get_closest_marker("row").args
    assert fault in faultbook.FAULTS
    made = faultbook.Row(fault, how, bar, full=request.node.get_closest_marker("fault") is not None)
    start = time.monotonic()
    yield made
    made.seconds = time.monotonic() - start
    record_property("fault", made.plain())
    made.done()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A workspace with prepared data of images and speech; never changed, only copied."""
    return studies.prepare(tmp_path_factory.mktemp("faults") / "prepared")


def pytest_runtest_logreport(report) -> None:
    if report.when == "teardown":
        ROWS.extend(faultbook.Row(**value) for name, value in report.user_properties if name == "fault")


def pytest_sessionfinish(session) -> None:
    target = os.environ.get("FAULT_REPORT")
    if not target or hasattr(session.config, "workerinput"):
        return
    path = faultbook.REPOSITORY / target
    write_text(path, faultbook.replaced(path.read_text(), faultbook.table([row for row in ROWS if row.full])))
