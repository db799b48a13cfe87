import numpy as np
import pytest

from gatewise.data.calendar import Calendar, calendar_features, calendar_names
from gatewise.data.times import Frequency

STEPS = ["5 minutes", "1 hour", "6 hours", "1 day", "1 week", "1 month", "3 months", "1 year"]


@pytest.mark.parametrize("step", STEPS)
def test_features_have_the_names_they_are_given(step):
    frequency = Frequency.parse(step)
    times = frequency.range(np.datetime64("1969-11-30T05:00", "us"), 50)
    features = calendar_features(times, frequency)
    assert features.shape == (50, len(calendar_names(frequency)))
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_hours_and_weekdays_match_the_calendar():
    hour = Frequency.parse("1 hour")
    times = hour.range(np.datetime64("1969-12-28T22:00", "us"), 100)  # before and after 1970
    names = calendar_names(hour)
    features = calendar_features(times, hour)
    for time, row in zip(times.tolist(), features, strict=True):
        hot = {name for name, value in zip(names, row, strict=True) if value == 1 and "_" in name}
        assert f"hour_{time.hour}" in hot
        assert f"weekday_{time.weekday()}" in hot
    one_hot = [i for i, n in enumerate(names) if n.startswith(("hour_", "weekday_"))]
    assert (features[:, one_hot].sum(1) == 2).all()


def test_place_in_the_year_repeats_each_year():
    day = Frequency.parse("1 day")
    times = np.array(["2023-03-01", "2025-03-01"], dtype="datetime64[us]")
    year = [i for i, n in enumerate(calendar_names(day)) if n.startswith("year")]
    first, second = calendar_features(times, day)[:, year]
    np.testing.assert_array_equal(first, second)


def test_yearly_steps_have_no_calendar():
    assert calendar_names(Frequency.parse("1 year")) == []


@pytest.mark.parametrize("step", [*STEPS, "7 minutes", "5 hours", "36 hours", "2 days"])
@pytest.mark.parametrize("second", ["1970-02-03T05:00", "1970-02-03T05:01"])  # on its grid, or not
def test_calendar_looked_up_is_the_calendar_of_the_times(step, second):
    frequency = Frequency.parse(step)
    starts, lengths = ["1969-11-30T05:00", "1970-01-01", second], [400, 0, 90]
    times = [
        frequency.range(np.datetime64(start, "us"), length)
        for start, length in zip(starts, lengths, strict=True)
    ]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    calendar = Calendar(times, offsets, frequency)
    rows = np.random.default_rng(0).integers(0, 490, (60, 5))
    expected = calendar_features(np.concatenate(times)[rows.ravel()], frequency)
    assert calendar.width == expected.shape[1]
    np.testing.assert_array_equal(calendar.at(rows), expected.reshape(60, 5, -1))
