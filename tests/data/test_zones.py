from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.data import DataError, Reading, make_panel, read_table
from gatewise.data.dates import read_times
from gatewise.data.encoding import Encoder
from gatewise.data.zones import suggest_zone, to_local

PARIS = Reading.of(timezone="Europe/Paris")


def utc_hours(start: str, count: int, minutes: int = 60) -> np.ndarray:
    return np.datetime64(start, "us") + np.arange(count) * np.timedelta64(minutes, "m")


def wall_of(utc: np.ndarray, zone: str) -> list[datetime]:
    """What the zone's clock shows, by Python's own zoneinfo."""
    there = ZoneInfo(zone)
    aware = [t.replace(tzinfo=timezone.utc) for t in utc.astype(object)]
    return [t.astimezone(there).replace(tzinfo=None) for t in aware]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(
        ["Europe/Paris", "America/New_York", "Pacific/Auckland", "Asia/Kolkata", "UTC"]
    ),
    st.integers(1981, 2035),
    st.sampled_from([(3, 20), (4, 1), (10, 1), (10, 20), (10, 30)]),  # changes lie behind
    st.sampled_from([15, 30, 60]),
    st.booleans(),
    st.integers(1, 2),
)
def test_clock_times_come_back_as_utc(
    zone: str, year: int, day: tuple[int, int], minutes: int, backwards: bool, series: int
) -> None:
    start = datetime(year, *day, 12)  # in no doubled hour
    utc = np.concatenate([utc_hours(start.isoformat(), 400 * 60 // minutes, minutes)] * series)
    ids = np.repeat(np.arange(series), len(utc) // series)
    if backwards:
        utc, ids = utc[::-1], ids[::-1]
    frame = pl.DataFrame({"t": wall_of(utc, zone), "id": ids, "y": 1.0})
    table = read_table(frame, reading=Reading.of(timezone=zone))
    got = read_times(table, "t", series="id" if series > 1 else None)
    np.testing.assert_array_equal(got.values, utc)
    assert [str(t) for t in to_local(utc, zone)] == [
        str(np.datetime64(t, "us")) for t in wall_of(utc, zone)
    ]


def changes(start: str, count: int = 100) -> pl.DataFrame:
    wall = wall_of(utc_hours(start, count), "Europe/Paris")
    return pl.DataFrame({"t": wall, "y": np.sin(np.arange(float(count)))})


@pytest.mark.parametrize("start", ["2024-03-30T00", "2024-10-26T00"])
def test_panel_over_a_change_has_no_gap_when_told(start: str) -> None:
    frame = changes(start)
    panel = make_panel(read_table(frame, reading=PARIS))
    assert (panel.steps, np.isnan(panel.target[0]).sum()) == (100, 0)
    assert panel.zone == "Europe/Paris"
    assert "times of zone Europe/Paris converted to UTC" in panel.notes
    assert not any("--timezone" in note for note in panel.notes)
    untold = make_panel(read_table(frame))
    assert untold.notes[-1].endswith("or whichever it is (--timezone Europe/Paris)")
    assert untold.zone is None


def test_calendar_goes_by_the_clock_of_the_zone() -> None:
    panel = make_panel(read_table(changes("2024-03-30T00"), reading=PARIS))
    calendar = Encoder.fit(panel, [80], log=False).encode(panel).calendar
    hours = calendar.at(np.arange(panel.steps))[:, :24].argmax(axis=1)
    assert hours.tolist() == [t.hour for t in changes("2024-03-30T00")["t"]]


def test_a_time_that_the_clock_skipped_is_an_error() -> None:
    frame = pl.DataFrame({"t": utc_hours("2024-03-31T00", 5), "y": 1.0})
    with pytest.raises(DataError) as caught:
        read_times(read_table(frame, reading=PARIS), "t")
    assert str(caught.value) == (
        "data frame, row 3: 2024-03-31 02:00 was skipped in Europe/Paris by the change to summer "
        "time; the times are of another zone, or in UTC: leave out timezone (--timezone)"
    )


def test_an_hour_three_times_is_an_error() -> None:
    hour = np.array(["2024-10-27T02"] * 3, dtype="datetime64[us]")
    table = read_table(pl.DataFrame({"t": hour, "id": [1, 2, 2]}), reading=PARIS)
    with pytest.raises(DataError, match="row 3: 2024-10-27 02:00 stands three times"):
        read_times(table, "t")
    assert str(read_times(table, "t", series="id").values[2]) == "2024-10-27T01:00:00.000000"


def test_times_with_an_offset_keep_it() -> None:
    frame = pl.DataFrame({"t": ["2024-10-27T02:00+02:00", "2024-10-27T02:00+01:00"], "y": [1, 2]})
    times = read_times(read_table(frame, reading=PARIS), "t")
    assert [str(t)[11:13] for t in times.values] == ["00", "01"]
    assert times.zone == "Europe/Paris"


def test_plain_dates_are_left_as_they_are() -> None:
    days = np.arange("2024-03-01", "2024-05-01", dtype="datetime64[D]")
    frame = pl.DataFrame({"t": days, "y": np.arange(61.0) ** 2})
    panel = make_panel(read_table(frame, reading=PARIS))
    assert (panel.zone, str(panel.frequency), panel.steps) == (None, "1 day", 61)


@pytest.mark.parametrize("zone", ["Europe/Paris", "Europe/London", "America/New_York"])
@pytest.mark.parametrize("start", ["2023-02-01", "2023-09-01"])
@pytest.mark.parametrize("minutes", [30, 60])
def test_zone_is_suggested_by_its_changes(zone: str, start: str, minutes: int) -> None:
    utc = utc_hours(start, 100 * 24 * 60 // minutes, minutes)
    assert suggest_zone(np.array(wall_of(utc, zone), dtype="datetime64[us]")) == zone


def test_zone_is_not_suggested_without_its_changes() -> None:
    utc = utc_hours("2023-02-01", 24 * 300)
    assert suggest_zone(utc) is None
    gaps = np.delete(utc, [100, 500, 501, 3000])
    assert suggest_zone(gaps) is None
    assert suggest_zone(utc_hours("2023-02-01", 20)) is None
    assert suggest_zone(np.arange("1700-01-01", "2100-01-01", dtype="datetime64[D]")) is None


@pytest.mark.parametrize("backwards", [False, True])
def test_an_hour_that_stands_once_is_summer_time(backwards: bool) -> None:
    wall = np.array(["2023-10-29T02", "2024-10-27T02", "2024-10-27T02"], dtype="datetime64[us]")
    utc = ["2023-10-29T00", "2024-10-27T00", "2024-10-27T01"]
    if backwards:
        wall, utc = wall[::-1], utc[::-1]
    got = read_times(read_table(pl.DataFrame({"t": wall, "y": 1.0}), reading=PARIS), "t")
    assert got.values.astype("datetime64[h]").astype(str).tolist() == utc
    assert got.notes[-1].startswith("3 rows in hours that the clock showed twice")
