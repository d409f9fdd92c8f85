"""Settings of all tests."""

import logging

import pytest
from hypothesis import settings

# No deadline: a busy machine is no bug. Derandomised: what passes here passes there.
settings.register_profile("cmivae", deadline=None, derandomize=True)
settings.load_profile("cmivae")


@pytest.fixture(autouse=True)
def logger_as_it_was():
    """A test that runs a command sets up our logger; the next one on the same worker must not notice."""
    log = logging.getLogger("cmivae")
    handlers, level, propagate = log.handlers, log.level, log.propagate
    yield
    log.handlers, log.propagate = handlers, propagate
    log.setLevel(level)
