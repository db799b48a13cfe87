import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.data import DataError, Panel, Table, make_panel, read_table
from gatewise.data.delimited import read_delimited

Read = Callable[[str], Table]

START = datetime.datetime(2011, 1, 1)


def assert_same(got: Panel, want: Panel) -> None:
    """The same series with the same values; notes and names of files may differ."""
    assert (got.columns, got.frequency) == (want.columns, want.frequency)
    assert got.series == want.series
    for a, b in zip(got.times + got.target, want.times + want.target, strict=True):
        np.testing.assert_array_equal(a, b)
    assert got.values.keys() == want.values.keys()
    for name in got.values:
        for a, b in zip(got.values[name], want.values[name], strict=True):
            np.testing.assert_array_equal(a, b)
    assert got.static == want.static


def from_csv(frame: pl.DataFrame, separator: str = ",") -> Table:
    read, rows, notes = read_delimited(frame.write_csv(separator=separator).encode(), "x.csv")
    return Table(read, "x.csv", 2, notes, rows=rows)


# --- the public data sets, with the facts that their description states ---

SETS: dict[str, dict[str, Any]] = {
    "forecasting/ETTh1.csv": {
        "target": "OT",
        "steps": 17_420,
        "frequency": "1 hour",
        "past": ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL"),
    },
    "forecasting/AirPassengers.csv": {
        "target": "#Passengers",
        "steps": 144,
        "frequency": "1 month",
    },
    "forecasting/sunspots_yearly.csv": {
        "target": "SUNACTIVITY",
        "steps": 309,
        "frequency": "1 year",
    },
    "forecasting/co2_weekly.csv": {
        "target": "co2",
        "steps": 2_284,
        "missing": 59,
        "frequency": "1 week",
    },
    "forecasting/seattle_weather.csv": {
        "target": "temp_max",
        "steps": 1_461,
        "frequency": "1 day",
        "past": ("precipitation", "temp_min", "wind", "weather"),
    },
    "forecasting/bike_sharing_hourly.csv": {
        "target": "users",
        "steps": 17_544,
        "frequency": "1 hour",
        "past": (
            [
                "holiday",
                "workingday",
                "weather",
                "temp",
                "atemp",
                "hum",
                "windspeed",
                "month",
                "hour",
                "weekday",
            ]
        ),
    },
    "forecasting/m4_hourly.parquet": {
        "target": "value",
        "steps": 373_372,
        "series": 414,
        "frequency": "1 hour",
    },
    "forecasting/exchange_rates_monthly_long.csv": {
        "target": "Exchange rate",
        "steps": 17_237,
        "series": 34,
        "frequency": "1 month",
    },
    "forecasting/beijing_pm25.csv": {
        "target": "pm2.5",
        "steps": 43_824,
        "missing": 2_067,
        "frequency": "1 hour",
        "past": ("DEWP", "TEMP", "PRES", "cbwd", "Iws", "Is", "Ir"),
    },
    "tagging/nab/realKnownCause__nyc_taxi.csv": {
        "target": "value",
        "steps": 10_320,
        "frequency": "30 minutes",
    },
    "tagging/nab/realKnownCause__machine_temperature_system_failure.csv": {
        "target": "value",
        "steps": 22_695 - 12,
        "frequency": "5 minutes",
    },
    "tagging/nab/realKnownCause__ambient_temperature_system_failure.csv": {
        "target": "value",
        "steps": 7_267 + 621,
        "missing": 621,
        "frequency": "1 hour",
    },
}
SEVERAL_NUMBERS = ("ETTh1", "seattle", "bike", "beijing")


@pytest.mark.parametrize("name", SETS)
def test_panel_of_public_set_has_the_known_facts(shared_data: Path, name: str) -> None:
    facts = SETS[name]
    told = facts["target"] if any(part in name for part in SEVERAL_NUMBERS) else None
    panel = make_panel(read_table(shared_data / name), target=told)
    assert panel.columns.target == facts["target"]
    assert panel.columns.past == tuple(facts.get("past", ()))
    assert panel.steps == facts["steps"]
    assert len(panel) == facts.get("series", 1)
    assert int(np.isnan(np.concatenate(panel.target)).sum()) == facts.get("missing", 0)
    assert str(panel.frequency) == facts["frequency"]


def test_panel_of_beijing_finds_its_four_time_columns(shared_data: Path) -> None:
    panel = make_panel(read_table(shared_data / "forecasting/beijing_pm25.csv"), target="pm2.5")
    assert panel.columns.time == ("year", "month", "day", "hour")
    assert np.isnan(panel.target[0][:24]).all()
    assert set(panel.values["cbwd"][0]) == {"NW", "NE", "SE", "cv"}
    for note in (
        "time columns 'year', 'month', 'day', 'hour', every 1 hour, 2010-01-01 to 2014-12-31 23:00",
        "column 'No' left out: counts the rows",
        "target 'pm2.5': 2,067 of 43,824 values missing",
    ):
        assert note in panel.notes


def test_panel_of_m4_has_the_official_lengths(shared_data: Path) -> None:
    panel = make_panel(read_table(shared_data / "forecasting/m4_hourly.parquet"))
    assert panel.columns.series == "series_id"
    assert {len(target) for target in panel.target} == {748, 1008}
    assert panel.target[panel.series.index("H1")][:3].tolist() == [605.0, 586.0, 586.0]


def test_panel_of_exchange_rates_has_unequal_lengths(shared_data: Path) -> None:
    path = shared_data / "forecasting/exchange_rates_monthly_long.csv"
    panel = make_panel(read_table(path))
    assert panel.columns.series == "Country"
    lengths = [len(times) for times in panel.times]
    assert (min(lengths), max(lengths)) == (237, 666)
    assert panel.target[panel.series.index("Australia")][0] == 0.8944


def test_panel_of_machine_temperature_tells_duplicates_and_order(shared_data: Path) -> None:
    path = shared_data / "tagging/nab/realKnownCause__machine_temperature_system_failure.csv"
    notes = make_panel(read_table(path)).notes
    assert any(note.startswith("rows not in order of time: sorted") for note in notes)
    assert any(note.startswith("12 rows with the time of another row but other") for note in notes)


def test_fixed_width_table_is_refused(shared_data: Path) -> None:
    with pytest.raises(DataError, match=r"sunspots_monthly\.dat: .*fixed-width .* save it as CSV"):
        read_table(shared_data / "forecasting/sunspots_monthly.dat")


# --- the same data in other clothes ---


@st.composite
def long_frames(draw: st.DrawFn) -> pl.DataFrame:
    """A long table of two to four hourly series with numbers, text, gaps in values."""
    value = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32))
    word = st.sampled_from(["rain", "sun", None])
    rows = []
    for name in draw(st.lists(st.sampled_from("abcd"), min_size=2, max_size=4, unique=True)):
        first = draw(st.integers(0, 30))
        for step in range(draw(st.integers(4, 12))):
            time = START + datetime.timedelta(hours=first + step)
            # the first two values keep every series and column usable
            y, x = (step * 1.5, float(step**2)) if step < 3 else (draw(value), draw(value))
            rows.append((time, name, y, x, ["rain", "sun"][step] if step < 2 else draw(word)))
    schema = ["time", "id", "y", "x", "sky"]
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        pl.col("y", "x").cast(pl.Float64), pl.col("time").cast(pl.Datetime("us"))
    )


def panel_of(source: Any) -> Panel:
    """A long panel; the id is told, because in a few rows other columns could be one too."""
    table = source if isinstance(source, Table) else read_table(source)
    return make_panel(table, target="y", series="id" if "id" in table.frame.columns else None)


@settings(deadline=None, max_examples=40)
@given(long_frames(), st.randoms(use_true_random=False))
def test_panel_does_not_depend_on_the_order_of_rows(frame: pl.DataFrame, random: Any) -> None:
    order = list(range(frame.height))
    random.shuffle(order)
    assert_same(panel_of(frame[order]), panel_of(frame))


@settings(deadline=None, max_examples=40)
@given(long_frames(), st.sampled_from([",", ";", "\t", "|"]))
def test_panel_of_csv_equals_panel_of_frame(frame: pl.DataFrame, separator: str) -> None:
    assert_same(panel_of(from_csv(frame, separator)), panel_of(frame))


@settings(deadline=None, max_examples=20)
@given(long_frames())
def test_panel_does_not_depend_on_the_kind_of_frame(frame: pl.DataFrame) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    want = panel_of(frame)
    assert_same(panel_of(frame.to_arrow()), want)
    pandas = pd.DataFrame({name: frame[name].to_list() for name in frame.columns})
    assert_same(panel_of(pandas), want)
    assert_same(panel_of(pandas.set_index("time")), want)
    assert_same(panel_of(pandas.astype({"sky": object, "id": "category"})), want)


def test_panel_of_parquet_equals_panel_of_frame(tmp_path: Path) -> None:
    hours = [START + datetime.timedelta(hours=h) for h in range(30)]
    frame = pl.DataFrame({"time": hours, "y": [float(h % 7) for h in range(30)]})
    for unit in ("ms", "us", "ns"):
        path = tmp_path / f"{unit}.parquet"
        frame.with_columns(pl.col("time").cast(pl.Datetime(unit))).write_parquet(path)
        assert_same(panel_of(path), panel_of(frame))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(-1e6, 1e6, width=32)] * 3), min_size=3, max_size=20))
def test_panel_of_long_table_equals_the_wide_columns(values: list[tuple[float, ...]]) -> None:
    hours = [START + datetime.timedelta(hours=h) for h in range(len(values))]
    wide = pl.DataFrame(values, schema=["a", "b", "c"], orient="row", strict=False).with_columns(
        time=pl.Series(hours)
    )
    long = wide.unpivot(index="time", variable_name="id", value_name="y")
    panel = make_panel(read_table(long), target="y", series="id")
    assert panel.series == ["a", "b", "c"]
    for name, target in zip(panel.series, panel.target, strict=True):
        single = make_panel(read_table(wide), target=name, past=())
        np.testing.assert_array_equal(target, single.target[0])
        np.testing.assert_array_equal(panel.times[0], single.times[0])


@settings(deadline=None, max_examples=40)
@given(st.integers(60, 120), st.sets(st.integers(1, 58), max_size=5), st.integers(0, 58))
def test_panel_counts_exactly_the_hours_removed_and_repeated(
    hours: int, removed: set[int], repeated: int
) -> None:
    times = [START + datetime.timedelta(hours=h) for h in range(hours)]
    rows = [(t, float(h % 7)) for h, t in enumerate(times) if h not in removed]
    rows.append(rows[0] if repeated in removed else (times[repeated], 99.0))
    frame = pl.DataFrame(rows, schema=["time", "y"], orient="row")
    panel = panel_of(frame)
    target = panel.target[0]
    assert len(target) == hours
    assert set(np.flatnonzero(np.isnan(target))) == removed
    gaps = [n for n in panel.notes if "missing steps" in n or "missing step " in n]
    assert [int(note.split()[0]) for note in gaps] == ([len(removed)] if removed else [])
    if repeated in removed:
        assert any("1 row with the time of another row and the same" in n for n in panel.notes)
    else:
        assert target[repeated] == 99.0
        assert any("1 row with the time of another row but other" in n for n in panel.notes)


# --- shapes, views and notes ---


def test_panel_arrays_are_views_into_one_flat_array(read: Read) -> None:
    rows = [f"2011-01-{d:02d},{s},{d * d}.5" for s in "ab" for d in range(1, 6)]
    panel = make_panel(read("day,id,y\n" + "\n".join(rows)))
    assert panel.target[0].base is panel.target[1].base is not None
    assert (len(panel), panel.steps) == (2, 10)


def test_panel_notes_come_in_reading_order(read: Read) -> None:
    lines = [
        f"2011-01-{d:02d};{'NA' if d == 7 else d * d};{'' if d < 3 else d % 3}"
        for d in range(1, 20)
    ]
    lines[4], lines[5] = lines[5], lines[4]
    del lines[9]
    panel = make_panel(read("day;y;x\n" + "\n".join(lines)), target="y")
    assert panel.notes == [
        "small.csv: 18 rows, 3 columns, separator ';'",
        "time column 'day', every 1 day, 2011-01-01 to 2011-01-19",
        "rows not in order of time: sorted (first out of order: row 7)",
        "1 missing step inserted as missing values (first: 2011-01-10)",
        "target 'y': 1 of 18 values missing",
        "column 'x': 2 of 18 values missing",
    ]


def test_panel_missing_text_is_none(read: Read) -> None:
    text = "day,y,sky\n2011-01-01,1,sun\n2011-01-02,5,\n2011-01-03,2,rain\n2011-01-05,3,sun\n"
    panel = make_panel(read(text), target="y", frequency="1 day")
    assert panel.values["sky"][0].tolist() == ["sun", None, "rain", None, "sun"]


def test_panel_series_without_use_are_left_out_and_named(read: Read) -> None:
    rows = [f"2011-01-{d:02d},{s},{d * d}" for s in "ab" for d in range(1, 6)]
    rows += ["2011-01-01,lone,5", *(f"2011-01-{d:02d},void," for d in range(1, 4))]
    panel = make_panel(read("day,id,y\n" + "\n".join(rows)))
    assert panel.series == ["a", "b"]
    assert "1 series without a target value left out: 'void'" in panel.notes
    assert "1 series with a single row left out: 'lone'" in panel.notes


@pytest.mark.parametrize("rows", ["2011-01-01,5\n", "2011-01-01,5\n2011-01-01,5\n"])
def test_panel_of_one_time_is_refused(read: Read, rows: str) -> None:
    with pytest.raises(DataError, match=r"small\.csv: .*two rows|small\.csv: too few rows"):
        make_panel(read("day,y\n" + rows), target="y")
