"""What a table of the wild carries besides its values: empty rows and columns, missing codes."""

import re
from collections.abc import Callable, Sequence

import numpy as np
import polars as pl

from gatewise.data.counting import counted
from gatewise.data.errors import DataError
from gatewise.data.values import typed

_NAMELESS = re.compile(r"column \d+|Unnamed: \d+")


def drop_empty(
    frame: pl.DataFrame, row: Callable[[int], int], name: str
) -> tuple[pl.DataFrame, np.ndarray | None, list[str]]:
    """Leave out rows without any value, and nameless columns without any.

    Args:
        frame: the table.
        row: gives the file's row of a record.
        name: for messages.

    Returns:
        The table, which rows it holds (N,) bool where some went, and notes.

    Raises:
        DataError: no row holds a value.
    """
    notes = []
    nameless = [
        c for c in frame.columns if _NAMELESS.fullmatch(c) and frame[c].null_count() == frame.height
    ]
    if nameless:
        frame = frame.drop(nameless)
        notes.append(f"{counted(len(nameless), 'column')} without a name or a value left out")
    if frame.width < 2 or any(not column.null_count() for column in frame.get_columns()):
        return frame, None, notes
    blank = frame.select(pl.all_horizontal(pl.all().is_null())).to_series().to_numpy()
    if not blank.any():
        return frame, None, notes
    if blank.all():
        raise DataError("no row holds a value", name=name)
    first = row(int(np.argmax(blank)))
    notes.append(
        f"{counted(int(blank.sum()), 'row')} without any value left out (first: row {first:,})"
    )
    return frame.filter(pl.Series(~blank)), ~blank, notes


def replace_codes(frame: pl.DataFrame, codes: Sequence[str | float]) -> tuple[pl.DataFrame, str]:
    """Turn values that stand for a missing one into missing ones; says how many there were.

    A code is compared as a number with columns of numbers, as text with columns of text, which
    become numbers where nothing else was in the way.
    """
    words = [str(code).strip() for code in codes]
    values = [value for value in map(_number, codes) if value is not None]
    columns, count = [], 0
    for column in frame.get_columns():
        found = _stands_for_missing(column, words, values)
        if found.any():
            count += int(found.sum())
            column = column.set(found, None)
            column = typed(column) if column.dtype == pl.String else column
        columns.append(column)
    listed = ", ".join(words)
    return pl.DataFrame(columns), f"{counted(count, 'value')} {listed} read as missing"


def _stands_for_missing(column: pl.Series, words: list[str], values: list[float]) -> pl.Series:
    """Which values of a column are a code, as text or as a number."""
    if column.dtype == pl.String:
        as_number = column.str.strip_chars().cast(pl.Float64, strict=False)
        found = column.str.strip_chars().is_in(words) | as_number.is_in(values).fill_null(False)
    elif column.dtype.is_numeric():
        found = column.cast(pl.Float64).is_in(values)
    else:
        found = pl.Series([False]).new_from_index(0, len(column))
    return found.fill_null(False)


def _number(code: str | float) -> float | None:
    try:
        return float(code)
    except ValueError:
        return None
