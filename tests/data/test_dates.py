import datetime
import re
from collections.abc import Callable
from typing import Literal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, Table, read_table
from gatewise.data.dates import read_times
from gatewise.data.times import format_time

Read = Callable[[str], Table]

FORMATS = {
    "2011-01-01|2011-01-02": ["2011-01-01", "2011-01-02"],
    "2011-1-5|2011-1-15": ["2011-01-05", "2011-01-15"],
    "2011-01|2011-02": ["2011-01-01", "2011-02-01"],
    "2011-01-01 05:00|2011-01-01 06:00": ["2011-01-01 05:00", "2011-01-01 06:00"],
    "2011-01-01T05:00:07|2011-01-02": ["2011-01-01 05:00:07", "2011-01-02"],
    "2011-01-01 05:00:00.25|2011-01-01 05:00:01": [
        "2011-01-01 05:00:00.250000",
        "2011-01-01 05:00:01",
    ],
    "20110101|20110102": ["2011-01-01", "2011-01-02"],
    "2011/01/01|2011/01/02 03:00": ["2011-01-01", "2011-01-02 03:00"],
    "01.02.2011|2.2.2011": ["2011-02-01", "2011-02-02"],
    "12/30/2010|1/2/2011": ["2010-12-30", "2011-01-02"],
    "30/12/2010|1/2/2011": ["2010-12-30", "2011-02-01"],
    "1700|1701": ["1700-01-01", "1701-01-01"],
    "2011-01-01T05:00Z|2011-01-01T06:00Z": ["2011-01-01 05:00", "2011-01-01 06:00"],
    "2011-01-01 05:00+02:00|2011-01-01 05:00-0330": ["2011-01-01 03:00", "2011-01-01 08:30"],
}


def shown(values: np.ndarray) -> list[str]:
    return [format_time(value) for value in values]


@pytest.mark.parametrize("text", FORMATS)
def test_times_read_every_format(read: Read, text: str) -> None:
    table = read("when,y\n" + "".join(f"{value},1\n" for value in text.split("|")))
    times = read_times(table, "when")
    assert shown(times.values) == FORMATS[text]
    assert times.values.dtype == np.dtype("datetime64[us]")


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ("12/30/2010|1/2/2011", "dates with slashes read as MM/DD/YYYY"),
        ("30/12/2010|1/2/2011", "dates with slashes read as DD/MM/YYYY"),
        ("2011-01-01T05:00+01|2011-01-01T06:00+01", "times with an offset converted to UTC"),
    ],
)
def test_times_say_what_they_decided(read: Read, values: str, note: str) -> None:
    table = read("when,y\n" + "".join(f"{value},1\n" for value in values.split("|")))
    assert read_times(table).notes == [note]


@given(st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1)))
def test_times_text_equals_native(time: datetime.datetime) -> None:
    frame = pl.DataFrame({"text": [time.isoformat(" ")], "native": [time]})
    table = read_table(frame)
    np.testing.assert_array_equal(
        read_times(table, "text").values, read_times(table, "native").values
    )


BAD = {
    "day that is none": (
        "when,y\n2011-02-27,1\n2011-02-30,1\n",
        "row 3, column 'when': '2011-02-30' is no date or time; read are: YYYY-MM-DD",
    ),
    "hour that is none": (
        "when,y\n2011-02-27 23:00,1\n2011-02-27 24:00,1\n",
        "row 3, column 'when': '2011-02-27 24:00' is no date or time",
    ),
    "words": ("date,y\nsoon,1\nlater,2\n", "row 2, column 'date': 'soon' is no date or time"),
    "ambiguous": (
        "when,y\n1/2/2011,1\n2/2/2011,1\n",
        "row 2, column 'when': '1/2/2011' can be day/month or month/day",
    ),
    "missing": ("when,y\n2011-01-01,1\nNA,1\n", "row 3, column 'when': the time is missing"),
    "zone on some": (
        "when,y\n2011-01-01T00:00Z,1\n2011-01-01T01:00,1\n",
        "row 3, column 'when': '2011-01-01T01:00' has no time zone",
    ),
    "several": (
        "a,b,y\n2011-01-01,2011-01-01,1\n2011-01-02,2011-01-05,1\n",
        "several columns hold times: 'a', 'b'; name one with time (--time)",
    ),
    "none": ("a,y\n1,5\n2,9\n", "no column of times found among 'a', 'y'"),
    "part": (
        "year,month,day,y\n2011,1,1,5\n2011,13,1,5\n",
        "row 3, column 'year, month, day': year 2011, month 13, day 1 is no time",
    ),
    "part out of all bounds": (
        "year,month,y\n2011,1,5\n2011,1e400,5\n",
        "row 3, column 'month': inf is no month",
    ),
    "part that is no number": (
        "year,month,y\n2011,1,5\n2011,x,5\n",
        "row 3, column 'month': 'x' is no month",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_times_name_what_is_wrong(read: Read, case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(DataError, match=re.escape("small.csv")) as caught:
        read_times(read(text))
    assert message in str(caught.value)


def test_times_unknown_column_suggests_the_near_ones(read: Read) -> None:
    table = read("timestamp,value\n2011-01-01,1\n")
    with pytest.raises(DataError, match=r"'Timestmp': no such column; did you mean 'timestamp'\?"):
        read_times(table, "Timestmp")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("No,Year,MONTH,day,hour,y\n1,2011,1,2,3,5\n2,2011,1,2,4,5\n", "Year MONTH day hour"),
        ("year,month,day,hour,minute,y\n2011,1,2,3,0,5\n", "year month day hour minute"),
        ("year,month,y\n2011,01,5\n2011,02,6\n", "year month"),
        ("y,when,month\n5,2011-01-02 03:00,1\n", "when"),
        ("count,date\n2000,20110102\n1999,20110103\n", "date"),
        ("count,year\n2000,2011\n1999,2012\n", "year"),
        ("x,count\n2000,5\n2001,6\n", "x"),
    ],
)
def test_times_are_found_in_one_or_several_columns(read: Read, text: str, names: str) -> None:
    assert read_times(read(text)).names == tuple(names.split())


def test_times_from_given_columns_follow_their_order(read: Read) -> None:
    table = read("a,b,c,y\n3,1,2011,5\n4,1,2011,5\n")
    times = read_times(table, ["c", "b", "a"])
    assert shown(times.values) == ["2011-01-03", "2011-01-04"]


@pytest.mark.parametrize(
    "text",
    ["day,clock,y\n2011-01-02,3,5\n", "day,clock,y\n2011-01-02,03:00,5\n"],
    ids=["hours", "clock"],
)
def test_times_from_a_date_and_a_clock_column(read: Read, text: str) -> None:
    assert shown(read_times(read(text), ["day", "clock"]).values) == ["2011-01-02 03:00"]


def test_times_from_a_date_and_a_wrong_hour_name_the_row(read: Read) -> None:
    with pytest.raises(DataError, match="row 3, column 'hr': 24 is no hour from 0 to 23"):
        read_times(read("day,hr,y\n2011-01-02,3,5\n2011-01-02,24,5\n"), ["day", "hr"])


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_times_native_columns_keep_their_value(unit: Literal["ms", "us", "ns"]) -> None:
    column = pl.Series("t", [datetime.datetime(2011, 1, 2, 3)]).cast(pl.Datetime(unit))
    assert shown(read_times(read_table(column.to_frame())).values) == ["2011-01-02 03:00"]


def test_times_native_zone_is_converted_and_said() -> None:
    column = pl.Series("t", [datetime.datetime(2011, 1, 2, 3)])
    frame = column.dt.replace_time_zone("Europe/Berlin").to_frame()
    times = read_times(read_table(frame))
    assert shown(times.values) == ["2011-01-02 02:00"]
    assert times.notes == ["times of zone Europe/Berlin converted to UTC"]
