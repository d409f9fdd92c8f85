"""The made-up workspace and the browser of the report's tests: made once, never changed by a test."""

import os

import browser
import made_up
import pytest

from cmivae.provenance.specs import Study


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple:
    """Folder and study of the made-up workspace, page included."""
    folder = tmp_path_factory.mktemp("report") / "space"
    return folder, made_up.build(folder)


@pytest.fixture(scope="session")
def space(made):
    return made[0]


@pytest.fixture(scope="session")
def study(made) -> Study:
    return made[1]


@pytest.fixture(scope="session")
def page(space):
    """The page of the made-up workspace."""
    return space / "results/report/report.html"


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A browser that is still running; the tests are left out, and say so, where there is none."""
    program = browser.find()
    if program is None:
        text = "there is no Chromium here: make test-browser gets it"
        pytest.fail(text) if os.environ.get("CMIVAE_BROWSER") == "required" else pytest.skip(text)
    running = browser.Browser(program, tmp_path_factory.mktemp("chromium"))
    yield running
    running.close()


@pytest.fixture
def reader(chromium, page):
    """The browser with the page open, in a desktop's window, and nothing said yet."""
    chromium.said.clear()
    chromium.asked.clear()
    chromium.window(1280, 900)
    chromium.open(page)
    yield chromium
    assert chromium.said == []
    assert [each for each in chromium.asked if not each.startswith(("data:", "file:", "about:"))] == []
