"""Irregular rows averaged to regular steps, where their owner says so."""

from dataclasses import replace

import numpy as np
import polars as pl

from gatewise.data.columns import Columns
from gatewise.data.dates import Times
from gatewise.data.tables import Table
from gatewise.data.times import DAY, WEEK, Frequency
from gatewise.data.values import numbers


def resample(table: Table, times: Times, columns: Columns, step: Frequency) -> tuple[Table, Times]:
    """Give one row for each series and step that has any.

    A column of numbers becomes the mean of its known values in the step, another one its last known
    value, and so does a static one. A step starts at its time: the row of 05:00 with a step of an
    hour holds what lies from 05:00 to before 06:00.

    Args:
        table: the rows.
        times: of each row.
        columns: the parts; other columns are left out.
        step: the new one.
    """
    used = (columns.target, *columns.past, *columns.future, *columns.static)
    frame = pl.DataFrame([_numeric(table.frame[name]) for name in used])
    keys = [pl.Series("_bin", times.values).dt.truncate(_duration(step))]
    if columns.series:
        keys.append(table.frame[columns.series])
    frame = frame.with_columns(*keys, _row=np.arange(frame.height), _time=times.values)
    grouped = frame.sort("_time", maintain_order=True).group_by(
        *[key.name for key in keys], maintain_order=True
    )
    wanted = [
        pl.col(name).mean()
        if frame[name].dtype.is_numeric() and name not in columns.static
        else pl.col(name).drop_nulls().last()
        for name in used
    ]
    result = grouped.agg(*wanted, pl.col("_row").last())
    index = result["_row"].to_numpy()
    rows = np.array([table.row(i) for i in index]) if table.rows is None else table.rows[index]
    note = (
        f"{table.frame.height:,} rows brought to {result.height:,} of one step of {step}: means of "
        "numbers, the last of text"
    )
    moments = result["_bin"].to_numpy().astype("datetime64[us]")
    return (
        replace(table, frame=result.drop("_row", "_bin"), rows=rows),
        replace(times, values=moments, notes=[*times.notes, note]),
    )


def _numeric(column: pl.Series) -> pl.Series:
    values, bad = numbers(column)
    return values if bad is None else column


def _duration(step: Frequency) -> str:
    """The step as Polars writes it; weeks start on Mondays."""
    if step.months:
        return f"{step.months}mo"
    for size, unit in ((WEEK, "w"), (DAY, "d")):
        if step.microseconds % size == 0:
            return f"{step.microseconds // size}{unit}"
    return f"{step.microseconds}us"
