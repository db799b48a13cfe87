import pytest

from gatewise.data import Frequency
from gatewise.estimators.defaults import default_horizon, default_lookback, default_segment

CASES = {  # frequency: horizon, look-back
    "15 minutes": (96, 336),
    "1 hour": (24, 168),
    "6 hours": (4, 28),
    "1 day": (7, 28),
    "1 week": (13, 104),
    "1 month": (12, 24),
    "1 month (end)": (12, 24),
    "3 months": (4, 8),
    "1 year": (5, 8),
}


@pytest.mark.parametrize("name", CASES)
def test_horizon_and_lookback_follow_the_frequency(name: str) -> None:
    frequency = Frequency.parse(name)
    horizon = default_horizon(frequency)
    assert (horizon, default_lookback(frequency, horizon)) == CASES[name]


def test_lookback_is_never_shorter_than_the_horizon() -> None:
    assert default_lookback(Frequency.parse("1 day"), 100) == 100


@pytest.mark.parametrize(("lookback", "segment"), [(1, 1), (32, 1), (33, 2), (64, 2), (168, 6)])
def test_segment_keeps_the_recurrence_at_32_steps(lookback: int, segment: int) -> None:
    assert default_segment(lookback) == segment
    assert -(-lookback // segment) <= 32
