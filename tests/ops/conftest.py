"""The core on each instruction set and number of threads, for the tests of this room."""

from collections.abc import Callable, Iterator

import pytest
import torch
from sequence_cases import TARGETS

from gatewise.ops import cpu_backend


@pytest.fixture(params=TARGETS)
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Force each instruction set that this machine has."""
    monkeypatch.setenv(cpu_backend.WANTED_TARGET, request.param)
    assert cpu_backend.target() == request.param
    return request.param


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Set torch's number of threads, and at the end the old one."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
