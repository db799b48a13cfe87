import datetime
import re
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from gatewise.data import DataError, Panel, Table, make_panel, read_future, read_table

Read = Callable[[str], Table]
START = datetime.datetime(2011, 1, 1)


def rows(first: int, last: int, series: tuple[str, ...] = ("a", "b")) -> pl.DataFrame:
    """Hourly rows of each series, with values that tell series and hour apart."""
    return pl.DataFrame(
        [
            (START + datetime.timedelta(hours=h), s, 100.0 * n + h, ["rain", "sun"][h % 2], h % 5)
            for n, s in enumerate(series)
            for h in range(first, last)
        ],
        schema=["time", "id", "heat", "sky", "y"],
        orient="row",
    )


def panel_of(frame: pl.DataFrame) -> Panel:
    return make_panel(read_table(frame), target="y", series="id", past=(), future=["heat", "sky"])


def future_of(frame: pl.DataFrame, horizon: int = 4) -> dict[str, list[np.ndarray]]:
    return read_future(read_table(frame), panel_of(rows(0, 10)), horizon)


def test_future_follows_the_end_of_each_series() -> None:
    known = pl.concat([rows(0, 10, ("a", "b")), rows(10, 12, ("a",))])  # a ends later than b
    ahead = rows(5, 30).sample(fraction=1.0, shuffle=True, seed=1)
    got = read_future(read_table(ahead.drop("y")), panel_of(known), 4)
    assert [values.tolist() for values in got["heat"]] == [[12, 13, 14, 15], [110, 111, 112, 113]]
    assert [values.tolist() for values in got["sky"]] == [["rain", "sun"] * 2] * 2


def test_future_of_a_single_series_needs_no_id() -> None:
    panel = make_panel(
        read_table(rows(0, 10, ("a",)).drop("id")), target="y", past=(), future="heat"
    )
    got = read_future(read_table(rows(10, 20, ("a",)).drop("id", "y")), panel, 3)
    assert got["heat"][0].tolist() == [10.0, 11.0, 12.0]


def test_future_without_future_columns_reads_nothing() -> None:
    panel = make_panel(read_table(rows(0, 10)), target="y", series="id")
    assert read_future(read_table(pl.DataFrame({"a": [1]})), panel, 3) == {}


def test_future_continues_month_ends() -> None:
    ends = [datetime.date(2011, month + 1, 1) - datetime.timedelta(1) for month in range(1, 8)]
    frame = pl.DataFrame({"day": ends, "y": [3, 1, 4, 1, 5, 9, 2], "x": [1, 2, 4, 8, 5, 7, 6]})
    panel = make_panel(read_table(frame[:5]), target="y", past=(), future="x")
    assert read_future(read_table(frame), panel, 2)["x"][0].tolist() == [7.0, 6.0]


def test_future_keeps_empty_cells_missing() -> None:
    ahead = rows(10, 14).with_columns(
        heat=pl.when(pl.col("heat") == 11).then(None).otherwise(pl.col("heat"))
    )
    heat = future_of(ahead)["heat"]
    assert np.flatnonzero(np.isnan(heat[0])).tolist() == [1]
    assert not np.isnan(heat[1]).any()


BAD = {
    "step": (
        rows(10, 14).filter((pl.col("id") != "b") | (pl.col("heat") < 112)),
        "data frame: no row for 2011-01-01 12:00 of series 'b', step 3 of 4 after the data's end; "
        "add the rows that are missing (2 for this series) with 'heat', 'sky'",
    ),
    "series": (
        rows(10, 14, ("a",)),
        "no row for 2011-01-01 10:00 of series 'b', step 1 of 4",
    ),
    "column": (rows(10, 14).drop("sky"), "column 'sky': no such column"),
    "id": (rows(10, 14).drop("id"), "column 'id': no such column"),
    "text": (
        rows(10, 14).with_columns(
            heat=pl.when(pl.col("heat") == 11)
            .then(pl.lit("warm"))
            .otherwise(pl.col("heat").cast(pl.String))
        ),
        "row 2, column 'heat': 'warm' is no number, and the data has numbers here",
    ),
    "twice": (
        pl.concat([rows(10, 14), rows(11, 12).with_columns(heat=pl.lit(7.0))]),
        "row 2, column 'heat': row 9 has the same time and another value; keep one",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_future_names_what_is_missing(case: str) -> None:
    frame, message = BAD[case]
    with pytest.raises(DataError, match=re.escape(message)):
        future_of(frame)


def test_future_of_file_names_file_and_row(read: Read) -> None:
    panel = make_panel(read("day,y,x\n2011-01-01,5,1\n2011-01-02,6,2\n"), target="y", future="x")
    with pytest.raises(DataError, match=r"small\.csv, row 3, column 'x': 'two' is no number"):
        read_future(read("day,x\n2011-01-03,1\n2011-01-04,two\n"), panel, 2)
