"""Settings of all tests."""

import logging

import pytest
from hypothesis import settings

# No deadline: a busy machine is no bug. Derandomised: what passes here passes there.
settings.register_profile("cmivae", deadline=None, derandomize=True)
settings.load_profile("cmivae")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that no worker is left with one of them at the end."""
    items.sort(key=lambda item: "doors" not in item.path.parts)


@pytest.fixture(autouse=True)
def logger_as_it_came():
    """A command that a test or a fixture of a whole module runs sets up our logger: no test must notice."""
    log = logging.getLogger("cmivae")
    log.handlers, log.propagate = [], True
    log.setLevel(logging.NOTSET)


@pytest.fixture
def kernels(monkeypatch):
    """The kernels that a training on a GPU uses: deterministic ones in full float32. Put back afterwards."""
    import torch

    from cmivae.training.devices import set_up

    deterministic = torch.are_deterministic_algorithms_enabled()
    for backend in (torch.backends.cuda.matmul, torch.backends.cudnn):
        monkeypatch.setattr(backend, "allow_tf32", backend.allow_tf32)
    set_up(torch.device("cuda"), 1)
    yield
    torch.use_deterministic_algorithms(deterministic)
