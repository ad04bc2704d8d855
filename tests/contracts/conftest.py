"""What the contracts share: the user's own files are known, and nothing is fetched."""

import socket

import pytest

from bench import registry
from tests.bench.conftest import _own_accelerator  # noqa: F401 - a fixture
from tests.contracts.known import OWN


@pytest.fixture(autouse=True, scope="session")
def _own_files():
    with registry.added(OWN):
        yield


@pytest.fixture
def offline(monkeypatch):
    """Any connection fails the test."""

    def connect(*_):
        pytest.fail("connected to something")

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """A tiny model's products are too small to be shared between threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
