"""What the tests of this room share."""

import pytest
import torch


@pytest.fixture
def seeded() -> None:
    """Begin torch's random numbers anew."""
    torch.manual_seed(0)
