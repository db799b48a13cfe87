import re
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from tables import hourly

from gatewise.data import DataError, Frequency, Panel, Table, make_panel, read_table
from gatewise.data import panel as panel_module
from gatewise.data.grid import even_grid

Read = Callable[[str], Table]


def panel_of(read: Read, times: list[str], **options: str) -> Panel:
    rows = "".join(f"{time},{i % 7}.5\n" for i, time in enumerate(times))
    return make_panel(read("when,y\n" + rows), **options)


def hours(*numbers: float) -> list[str]:
    start = np.datetime64("2011-01-01T00:00:00")
    return [str(start + np.timedelta64(round(3600 * n), "s")) for n in numbers]


def months(first: str, count: int, step: int = 1, day: int = 0) -> list[str]:
    """Dates `day` days after the first of each month; −1 for the last day of the month before."""
    starts = np.datetime64(first, "M") + step * np.arange(count)
    return [str(d) for d in starts.astype("datetime64[D]") + day]


FREQUENCIES = {
    "1 hour": hours(*range(20)),
    "90 minutes": hours(*np.arange(20) * 1.5),
    "1 week": [str(np.datetime64("2011-01-03") + 7 * i) for i in range(20)],
    "4 weeks": [str(np.datetime64("2011-01-03") + 28 * i) for i in range(30)],
    "1 month": months("2011-01", 30),
    "1 month (end)": months("2011-01", 30, day=-1),
    "3 months": months("2011-01", 12, step=3, day=14),
    "3 months (end)": months("2011-01", 12, step=3, day=-1),
    "1 year": months("2011-01", 9, step=12, day=-1),
    "10 years": months("1700-01", 9, step=120),
}


@pytest.mark.parametrize("name", FREQUENCIES)
def test_frequency_is_found(read: Read, name: str) -> None:
    panel = panel_of(read, FREQUENCIES[name])
    assert str(panel.frequency) == name
    assert panel.steps == len(FREQUENCIES[name])
    assert not np.isnan(panel.target[0]).any()


@pytest.mark.parametrize("name", FREQUENCIES)
def test_frequency_found_with_gaps_inserts_them(read: Read, name: str) -> None:
    times = FREQUENCIES[name]
    panel = panel_of(read, [time for i, time in enumerate(times) if i not in (3, 5)])
    assert str(panel.frequency) == name
    assert np.flatnonzero(np.isnan(panel.target[0])).tolist() == [3, 5]
    assert any(note.startswith("2 missing steps inserted") for note in panel.notes)


def test_frequency_irregular_is_refused_with_the_commonest_steps(read: Read) -> None:
    times = hours(*np.cumsum([0] + [1, 1, 1.5, 0.75, 1] * 6))
    with pytest.raises(DataError) as caught:
        panel_of(read, times)
    assert str(caught.value) == (
        "small.csv: no regular step: less than 90 % of the steps are whole multiples of 1 hour. "
        "The commonest are 1 hour (60%), 90 minutes (20%), 45 minutes (20%); bring the rows to "
        "one step first, or say resample='1 hour' (--resample '1 hour') for the mean of each step"
    )


def test_frequency_at_ninety_percent_is_the_limit(read: Read) -> None:
    regular = list(range(37))
    two_off = hours(*sorted([*regular, 10.5, 20.5]))  # 4 of 38 steps: above 10 %
    with pytest.raises(DataError, match="no regular step"):
        panel_of(read, two_off)
    one_off = hours(*sorted([*regular, 10.5]))  # 2 of 37 steps
    panel = panel_of(read, one_off)
    assert panel.steps == 37
    assert "1 row off the grid of 1 hour left out (first: row 13, 2011-01-01 10:30)" in panel.notes


def test_frequency_shift_of_the_whole_grid_is_refused(read: Read) -> None:
    times = hours(*range(20), *(np.arange(20) + 20.5))
    with pytest.raises(DataError, match="20 of 40 rows are off a grid of 1 hour"):
        panel_of(read, times)


def test_frequency_first_time_off_the_grid_does_not_move_it(read: Read) -> None:
    panel = panel_of(read, hours(-0.25, *range(1, 30)))
    assert str(panel.times[0][0]) == "2011-01-01T01:00:00.000000"
    assert panel.steps == 29


def test_frequency_given_is_not_guessed(read: Read) -> None:
    panel = panel_of(read, hours(0, 2, 4, 6), frequency="1 hour")
    assert str(panel.frequency) == "1 hour"
    assert panel.steps == 7
    with pytest.raises(DataError, match="3 of 6 rows are off a grid of 2 hours"):
        panel_of(read, hours(*range(6)), frequency="2 hours")


def long_table(**series: list[str]) -> str:
    rows = [f"{t},{name},{i % 5}.5" for name, ts in series.items() for i, t in enumerate(ts)]
    return "when,id,y\n" + "\n".join(rows) + "\n"


@pytest.mark.parametrize("step", [24, 0.75])
def test_frequency_mixed_names_two_series(read: Read, step: float) -> None:
    text = long_table(fast=hours(*range(40)), other=hours(*np.arange(10) * step))
    other = "1 day" if step == 24 else "45 minutes"
    message = (
        f"mixed frequencies: series 'fast' has a row every 1 hour, series 'other' every {other}"
    )
    with pytest.raises(DataError, match=re.escape(message)):
        make_panel(read(text), series="id")


def test_frequency_series_may_start_at_other_phases(read: Read) -> None:
    text = long_table(full=hours(*range(40)), half=hours(*(np.arange(40) + 0.5)))
    panel = make_panel(read(text), series="id")
    assert str(panel.frequency) == "1 hour"
    assert panel.steps == 80


def test_frequency_short_series_of_month_ends_is_not_another_one(read: Read) -> None:
    ends = ["2011-07-31", "2011-08-31", "2011-12-31", "2012-01-31"]
    text = long_table(long=months("2010-01", 40, day=-1), short=ends)
    panel = make_panel(read(text), series="id")
    assert str(panel.frequency) == "1 month (end)"
    assert [len(times) for times in panel.times] == [40, 7]


def test_duplicates_identical_are_dropped_and_others_keep_the_last(read: Read) -> None:
    rows = [f"{t},{i % 7}" for i, t in enumerate(hours(*range(150)))]
    rows[100:100] = [rows[99], f"{hours(98)[0]},77"]
    panel = make_panel(read("when,y\n" + "\n".join(rows)))
    assert panel.steps == 150
    assert panel.target[0][98] == 77
    assert panel.target[0][99] == 99 % 7
    assert (
        "1 row with the time of another row and the same values dropped (first: row 102, "
        "2011-01-05 03:00)"
    ) in panel.notes
    assert (
        "1 row with the time of another row but other values: the last one kept (first: row 103, "
        "2011-01-05 02:00)"
    ) in panel.notes


def test_duplicates_many_but_identical_are_dropped(read: Read) -> None:
    rows = [f"{t},{i % 7}" for i, t in enumerate(hours(*range(50)))]
    panel = make_panel(read("when,y\n" + "\n".join(rows + rows)))
    assert panel.steps == 50
    assert any(note.startswith("50 rows with the time of another row and") for note in panel.notes)


def test_wrong_date_does_not_make_a_huge_grid(read: Read) -> None:
    times = hours(*range(50))
    times[20] = "1911-01-01T20:00:00"
    with pytest.raises(
        DataError,
        match=r"makes .* steps out of 50 rows; the widest gap is from "
        r"1911-01-01 20:00 to 2011-01-01: is one of the dates wrong\?",
    ):
        panel_of(read, times)


def test_gaps_name_the_series(read: Read) -> None:
    text = long_table(a=hours(*range(9)), b=hours(0, 1, 2, 3, 5, 6, 7, 8))
    notes = make_panel(read(text), series="id").notes
    assert "1 missing step inserted as missing values (first: 2011-01-01 04:00 of series 'b')" in (
        notes
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("frequency", [None, "1 hour"])
def test_even_rows_give_the_panel_that_all_rows_go_through(
    dtype: str, frequency: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = hourly(60, gaps=True).with_columns(pl.col("temp").cast(getattr(pl, dtype.capitalize())))
    quick = make_panel(read_table(frame), target="load", frequency=frequency)
    monkeypatch.setattr(panel_module, "even_grid", lambda *_: None)
    careful = make_panel(read_table(frame), target="load", frequency=frequency)
    assert quick.notes == careful.notes
    assert quick.frequency == careful.frequency
    for name, columns in {"load": quick.target, **quick.values}.items():
        other = careful.target if name == "load" else careful.values[name]
        np.testing.assert_array_equal(columns[0], other[0])
    assert (quick.times[0] == careful.times[0]).all()


@pytest.mark.parametrize(
    "rows",
    [
        slice(None, None, -1),  # from late to early
        [0, 1, 3, 4, 5],  # one is missing
        [0, 1, 1, 2, 3],  # one stands twice
        [0],
    ],
    ids=str,
)
def test_rows_that_are_not_even_are_no_even_grid(rows: slice | list[int]) -> None:
    times = hourly(10)["time"].to_numpy()
    assert even_grid(times, None) is not None
    assert even_grid(times[rows], None) is None
    assert even_grid(times, Frequency.parse("2 hours")) is None
