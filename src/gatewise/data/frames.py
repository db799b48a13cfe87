"""The caller's data frames, in and out, through Narwhals."""

from collections.abc import Mapping, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from gatewise.data.errors import DataError


def from_native(frame: Any) -> tuple[pl.DataFrame, nw.Implementation]:
    """A data frame of any library that Narwhals knows, as Polars, and which library it was.

    A pandas index of times, or one with names, becomes columns.
    """
    try:
        narwhal = nw.from_native(_with_index(frame), eager_only=True)
    except (TypeError, ValueError, nw.exceptions.NarwhalsError) as error:
        reason = "duplicate names" if "unique" in str(error) else "call .collect() if it is lazy"
        raise DataError(
            f"not a path and not a data frame that can be read: {type(frame).__name__}; give a "
            f"path, or a pandas, Polars or Arrow data frame ({reason})"
        ) from None
    implementation = narwhal.implementation
    if implementation.is_pandas_like():  # Polars' own conversion would need pyarrow
        columns = {str(name): _to_polars(narwhal[name]) for name in narwhal.columns}
        return pl.DataFrame(columns), implementation
    return narwhal.to_polars(), implementation


def to_frame(columns: Mapping[str, Sequence[Any] | np.ndarray], like: Any = None) -> Any:
    """A data frame of the caller's kind.

    Args:
        columns: values by name, all of one length.
        like: whatever has a `frame_type`, such as the panel or table read from the caller's frame;
            Polars where there is none.
    """
    implementation: Any = getattr(like, "frame_type", None) or nw.Implementation.POLARS
    plain = {name: _plain(values) for name, values in columns.items()}
    return nw.from_dict(plain, backend=implementation).to_native()


def _with_index(frame: Any) -> Any:
    """A pandas frame whose index carries times or names, with the index as columns."""
    if not nw.dependencies.is_pandas_dataframe(frame):
        return frame
    index = frame.index
    if type(index).__name__ == "PeriodIndex":
        frame = frame.set_axis(index.to_timestamp(), axis=0)
    elif type(index).__name__ != "DatetimeIndex" and not all(index.names):
        return frame
    clash = set(frame.index.names) & set(frame.columns)
    return frame if clash else frame.reset_index()


def _to_polars(series: nw.Series) -> pl.Series:
    """One pandas column, without the help of pyarrow."""
    if isinstance(series.dtype, nw.Datetime):
        if series.dtype.time_zone is None:
            return pl.Series(series.to_numpy())
        utc = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return pl.Series(utc.to_numpy()).dt.replace_time_zone("UTC")
    if series.dtype.is_numeric():
        missing = series.is_null().any()
        values = series.cast(nw.Float64).to_numpy() if missing else series.to_numpy()
        return pl.Series(values, nan_to_null=True)
    plain = [None if value != value else value for value in series.to_list()]
    try:
        return pl.Series(plain)
    except (TypeError, pl.exceptions.PolarsError):  # mixed kinds in one object column
        return pl.Series([None if value is None else str(value) for value in plain])


def _plain(values: Sequence[Any] | np.ndarray) -> Any:
    """Values that every library takes: text and objects as lists, the rest as arrays."""
    array = np.asarray(values)
    return array.tolist() if array.dtype.kind in "OUS" else array
