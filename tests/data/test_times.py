from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import Frequency
from gatewise.data.times import format_time

HOUR = 3_600_000_000
DAY = 24 * HOUR

NAMES = {
    "1 hour": Frequency(microseconds=HOUR),
    "30 minutes": Frequency(microseconds=HOUR // 2),
    "90 minutes": Frequency(microseconds=3 * HOUR // 2),
    "1 day": Frequency(microseconds=DAY),
    "2 days": Frequency(microseconds=2 * DAY),
    "1 week": Frequency(microseconds=7 * DAY),
    "250 milliseconds": Frequency(microseconds=250_000),
    "1 month": Frequency(months=1),
    "1 month (end)": Frequency(months=1, month_end=True),
    "3 months": Frequency(months=3),
    "1 year": Frequency(months=12),
    "2 years": Frequency(months=24),
}

frequencies = st.one_of(
    st.integers(1, 400 * DAY).map(lambda us: Frequency(microseconds=us)),
    st.builds(Frequency, months=st.integers(1, 40), month_end=st.booleans()),
)


def times(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[us]")


@pytest.mark.parametrize("name", NAMES)
def test_frequency_name_reads_as_people_write_it(name: str) -> None:
    assert str(NAMES[name]) == name
    assert Frequency.parse(name) == NAMES[name]


@given(frequencies)
def test_frequency_parse_inverts_str(frequency: Frequency) -> None:
    assert Frequency.parse(str(frequency)) == frequency


@pytest.mark.parametrize("text", ["", "hour", "0 hours", "1 fortnight", "-1 day", "1 hour (end)"])
def test_frequency_parse_rejects_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="frequency"):
        Frequency.parse(text)


@pytest.mark.parametrize("parts", [{}, {"months": 1, "microseconds": 1}, {"months": -1}])
def test_frequency_rejects_no_or_two_steps(parts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="positive number of months or of microseconds"):
        Frequency(**parts)


def test_range_keeps_month_ends() -> None:
    got = Frequency(months=1, month_end=True).range(np.datetime64("2011-11-30"), 5)
    want = times("2011-11-30", "2011-12-31", "2012-01-31", "2012-02-29", "2012-03-31")
    np.testing.assert_array_equal(got, want)
    assert got.dtype == np.dtype("datetime64[us]")


def test_range_clips_days_that_a_month_lacks() -> None:
    got = Frequency(months=1).range(np.datetime64("2011-01-30T06:00"), 3)
    np.testing.assert_array_equal(
        got, times("2011-01-30T06:00", "2011-02-28T06:00", "2011-03-30T06:00")
    )


def test_range_crosses_leap_years_and_the_epoch() -> None:
    yearly = Frequency(months=12).range(np.datetime64("1700-01-01"), 400)
    assert str(yearly[-1])[:10] == "2099-01-01"
    weekly = Frequency(microseconds=7 * DAY).range(np.datetime64("1969-12-29"), 2)
    np.testing.assert_array_equal(weekly, times("1969-12-29", "1970-01-05"))


@given(frequencies, st.integers(-(10**15), 10**15), st.integers(1, 50))
def test_index_inverts_range(frequency: Frequency, start: int, steps: int) -> None:
    first = np.datetime64(start, "us")
    if frequency.month_end:
        first = frequency.range(first, 1)[0]
    grid = frequency.range(first, steps)
    np.testing.assert_array_equal(frequency.index(grid[0], grid), np.arange(steps))


def test_index_marks_times_before_and_off_the_grid() -> None:
    start = np.datetime64("2011-01-01T00:00")
    hours = times("2010-12-31T23:00", "2011-01-01T01:30", "2011-01-01T02:00")
    assert Frequency(microseconds=HOUR).index(start, hours).tolist() == [-1, -1, 2]
    days = times("2010-12-01", "2011-02-02", "2011-02-01", "2011-04-01")
    assert Frequency(months=1).index(start, days).tolist() == [-1, -1, 1, 3]
    assert Frequency(months=3).index(start, days).tolist() == [-1, -1, -1, 1]


@pytest.mark.parametrize(
    ("name", "seasons"),
    {
        "1 minute": (1440,),
        "5 minutes": (288,),
        "15 minutes": (96, 672),
        "30 minutes": (48, 336),
        "1 hour": (24, 168),
        "6 hours": (4, 28),
        "7 hours": (24,),
        "1 day": (7,),
        "2 days": (1,),
        "1 week": (52,),
        "1 month": (12,),
        "3 months": (4,),
        "5 months": (1,),
        "1 year": (1,),
        "2 years": (1,),
    }.items(),
)
def test_seasons_are_whole_days_weeks_and_years(name: str, seasons: tuple[int, ...]) -> None:
    assert Frequency.parse(name).seasons == seasons


@given(frequencies)
def test_seasons_are_never_empty(frequency: Frequency) -> None:
    assert frequency.seasons
    assert min(frequency.seasons) >= 1


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2011-01-01T00:00:00", "2011-01-01"),
        ("2011-01-01T05:00:00", "2011-01-01 05:00"),
        ("1700-01-01T05:00:07", "1700-01-01 05:00:07"),
        ("2011-01-01T05:00:07.5", "2011-01-01 05:00:07.500000"),
    ],
)
def test_format_time_is_as_short_as_it_can_be(time: str, text: str) -> None:
    assert format_time(np.datetime64(time, "us")) == text
