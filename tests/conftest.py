"""Settings of all tests."""

import logging

import pytest
from hypothesis import settings

# No deadline: a busy machine is no bug. Derandomised: what passes here passes there.
settings.register_profile("cmivae", deadline=None, derandomize=True)
settings.load_profile("cmivae")


@pytest.fixture(autouse=True)
def logger_as_it_came():
    """A command that a test or a fixture of a whole module runs sets up our logger: no test must notice."""
    log = logging.getLogger("cmivae")
    log.handlers, log.propagate = [], True
    log.setLevel(logging.NOTSET)
