"""A forecaster small enough for tests."""

from typing import Any

from gatewise import Forecaster

HORIZON = 6


def quick(**parameters: Any) -> Forecaster:
    """A forecaster that trains in a tenth of a second."""
    small = {"lookback": 24, "hidden_size": 4, "steps": 10, "random_state": 0, "device": "cpu"}
    return Forecaster(HORIZON, **{"target": "load", **small, **parameters})
