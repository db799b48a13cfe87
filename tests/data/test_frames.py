import builtins
import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from gatewise.data import DataError, make_panel, read_table, to_frame

COLUMNS: dict[str, Any] = {
    "id": ["a", "b"],
    "time": np.array(["2011-01-01T05:00", "1700-01-01T00:00"], dtype="datetime64[us]"),
    "forecast": np.array([1.5, -2.0]),
}
DAYS = [datetime.datetime(2011, 1, day) for day in range(1, 6)]


def test_to_frame_gives_polars_without_a_caller() -> None:
    frame = to_frame(COLUMNS)
    assert isinstance(frame, pl.DataFrame)
    assert frame["time"].to_list() == [
        datetime.datetime(2011, 1, 1, 5),
        datetime.datetime(1700, 1, 1),
    ]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow"])
def test_to_frame_gives_the_callers_kind(kind: str) -> None:
    pytest.importorskip(kind)
    frame = pl.DataFrame({"time": DAYS, "y": [3.0, 1, 4, 1, 5]})
    given = {"pandas": frame.to_pandas, "pyarrow": frame.to_arrow, "polars": frame.clone}[kind]()
    panel = make_panel(read_table(given))
    got = to_frame(COLUMNS, panel)
    assert type(got) is type(given)
    back = read_table(got).frame
    assert back["forecast"].to_list() == [1.5, -2.0]
    assert back["id"].to_list() == ["a", "b"]
    np.testing.assert_array_equal(back["time"].to_numpy(), COLUMNS["time"])


def test_pandas_needs_no_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(
        {
            "time": DAYS,
            "y": [3.0, np.nan, 4, 1, 5],
            "word": pd.Series(["a", None, "b", "a", "b"], dtype=object),
            "whole": pd.array([1, None, 3, 1, 2], dtype="Int64"),
            "flag": [True, False, True, True, False],
            "kind": pd.Categorical(["u", "v", "u", "v", "u"]),
        }
    )
    original = builtins.__import__

    def without_pyarrow(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.split(".")[0] == "pyarrow":
            raise ImportError("no pyarrow here")
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_pyarrow)
    table = read_table(frame)
    assert table.frame["y"].to_list() == [3.0, None, 4.0, 1.0, 5.0]
    assert table.frame["whole"].to_list() == [1.0, None, 3.0, 1.0, 2.0]
    assert table.frame["word"].to_list() == ["a", None, "b", "a", "b"]
    panel = make_panel(table, target="y")
    assert panel.columns.past == ("word", "whole", "flag", "kind")
    assert isinstance(to_frame(COLUMNS, panel), pd.DataFrame)


def test_pandas_index_of_times_becomes_a_column() -> None:
    pd = pytest.importorskip("pandas")
    values = [3.0, 1, 4, 1, 5]
    for index in (
        pd.DatetimeIndex(DAYS),
        pd.DatetimeIndex(DAYS, name="when"),
        pd.period_range("2011-01-01", periods=5, freq="D"),
        pd.DatetimeIndex(DAYS, tz="UTC"),
    ):
        panel = make_panel(read_table(pd.DataFrame({"y": values}, index=index)))
        np.testing.assert_array_equal(panel.times[0], np.array(DAYS, dtype="datetime64[us]"))
        assert panel.target[0].tolist() == values


def test_pandas_plain_index_is_no_column() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"time": DAYS, "y": [3.0, 1, 4, 1, 5]}, index=[7, 3, 1, 9, 5])
    assert read_table(frame).frame.columns == ["time", "y"]


def test_pandas_object_column_of_mixed_values_is_text() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": pd.Series([1, "x", None, 2.5], dtype=object)})
    assert read_table(frame).frame["a"].to_list() == ["1", "x", None, "2.5"]


@pytest.mark.parametrize("thing", [42, None, [1, 2], pl.LazyFrame({"a": [1]})])
def test_read_table_rejects_what_is_no_frame(thing: Any) -> None:
    with pytest.raises(DataError, match="not a path and not a data frame"):
        read_table(thing)


def test_read_table_rejects_an_empty_frame() -> None:
    with pytest.raises(DataError, match="data frame: no rows of data"):
        read_table(pl.DataFrame({"a": []}))
