"""The built workspaces of the audit's tests: made once a process, never changed by a test."""

import pytest
from built import SPEECH, build_all


@pytest.fixture(scope="session")
def space(tmp_path_factory):
    return build_all(tmp_path_factory.mktemp("audit") / "space")


@pytest.fixture(scope="session")
def speech(tmp_path_factory):
    return build_all(tmp_path_factory.mktemp("audit") / "speech", SPEECH)
