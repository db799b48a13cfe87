"""Which column plays which part: target, series, past, future, static."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from gatewise.data.dates import Times, check_names, is_time
from gatewise.data.tables import Table
from gatewise.data.values import numbers

MOST_CATEGORIES = 50
"""A text column with more values than this is not taken as a past column by itself."""
DUPLICATE_SHARE = 0.01
"""Up to this share of rows may repeat a time with other values."""

_FIRST = 1_000  # rows that mostly tell that a column does not count them

Names = str | Sequence[str] | None


@dataclass(frozen=True)
class Columns:
    """The names of the columns by their part; each feature column has one part only.

    Attributes:
        target: what is forecast.
        time: one column, or several (year, month, …).
        series: the id column of a long table, None for a single series.
        past: known up to the present.
        future: known ahead too.
        static: one value a series.
    """

    target: str
    time: tuple[str, ...]
    series: str | None = None
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, names: Mapping[str, Any]) -> "Columns":
        """The columns that `dataclasses.asdict` wrote, also after a trip through JSON."""
        fields: dict[str, Any] = {
            part: tuple(value) if isinstance(value, list) else value
            for part, value in names.items()
        }
        return cls(**fields)


def choose_columns(
    table: Table,
    times: Times,
    target: str | None,
    series: str | None,
    past: Names,
    future: Names,
    static: Names,
) -> tuple[Columns, list[str]]:
    """Checks the parts that were given and finds the others; notes say what was found.

    Raises:
        DataError: no such column, a column with two parts, no or several candidates.
    """
    given = [_names(names) for names in (past, future, static)]
    named = [name for names in ([target], [series], times.names, *given) for name in names if name]
    check_names(table, named)
    twice = [name for name, count in Counter(named).items() if count > 1]
    if twice:
        raise table.error("named for two parts; name it once", column=twice[0])
    notes = []
    if series is None:
        series = _find_series(table, times, exclude={*named})
    taken = {*named, *([series] if series else [])}
    if target is None:
        target = _find_target(table, taken)
        notes.append(f"target {target!r}: the only numeric column")
    past_names, future_names, static_names = given
    if past is None:
        ids, _ = number_series(table, series)
        past_names, constant, left_out = _find_past(table, times, ids, {*taken, target})
        static_names = (*static_names, *constant)
        notes += _found_notes(constant, left_out)
    return Columns(target, times.names, series, past_names, future_names, static_names), notes


def number_series(table: Table, series: str | None) -> tuple[np.ndarray, list[str]]:
    """The number of each row's series (N,), in sorted order of the ids, and the ids as text."""
    if series is None:
        return np.zeros(table.frame.height, dtype=np.int64), [""]
    column = table.frame[series]
    missing = column.is_null().arg_true()
    if len(missing):
        raise table.error(
            "the series' id is missing; fill it in or remove the row",
            index=missing[0],
            column=series,
        )
    if column.dtype in (pl.Categorical, pl.Enum):
        column = column.cast(pl.String)
    codes = (column.rank("dense").cast(pl.Int64) - 1).to_numpy()
    return codes, column.unique().sort().cast(pl.String).to_list()


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names or ())


def _find_series(table: Table, times: Times, exclude: set[str]) -> str | None:
    """The one column that tells apart rows of the same time; None where times are unique."""
    if (times.values[1:] > times.values[:-1]).all():
        return None
    frame = table.frame.with_columns(_TIME=pl.Series(times.values))
    allowed = max(1, int(DUPLICATE_SHARE * frame.height))
    if frame.height - frame["_TIME"].n_unique() <= allowed:
        return None
    distinct = _distinct_rows(frame)
    if distinct.height - distinct["_TIME"].n_unique() <= allowed:
        return None
    for kind in ("text", "whole numbers"):
        found = [
            name
            for name in table.frame.columns
            if name not in exclude
            and _kind(table.frame[name]) == kind
            and _tells_series_apart(distinct, name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise table.error(
                f"several columns could name the series: {', '.join(map(repr, found))}; "
                "name one with series (--series)"
            )
    index = int(frame["_TIME"].is_duplicated().arg_true()[1])
    raise table.error(
        "many rows share their time, and no column tells them apart as series; name the column "
        "that does with series (--series), or remove the duplicates",
        index=index,
        column=", ".join(times.names),
    )


def _distinct_rows(frame: pl.DataFrame) -> pl.DataFrame:
    """Rows that differ in some plain column."""
    plain = [c for c in frame.columns if not frame[c].dtype.is_nested()]
    return frame.select(plain).unique(maintain_order=True)


def _tells_series_apart(frame: pl.DataFrame, name: str) -> bool:
    if frame[name].null_count() or frame[name].n_unique() * 2 > frame.height:
        return False
    return frame.select(pl.struct(name, "_TIME").n_unique()).item() == frame.height


def _kind(column: pl.Series) -> str:
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        return "text"
    return "whole numbers" if column.dtype.is_integer() else "other"


def _find_target(table: Table, taken: set[str]) -> str:
    """The only column of numbers that vary; failing that the only one of numbers at all."""
    free = [name for name in table.frame.columns if name not in taken]
    numeric = [name for name in free if _is_numeric(table.frame[name])]
    varying = [
        name
        for name in numeric
        if _unusable(table, name) is None
        and table.frame[name].dtype != pl.Boolean
        and not _counts_rows(table.frame[name])
    ]
    nearly = [name for name in free if _is_nearly_numeric(table.frame[name])]
    found = varying or numeric or nearly
    if len(found) == 1:
        return found[0]
    if found:
        raise table.error(
            f"several columns could be the target: {', '.join(map(repr, found))}; "
            "name one with target (--target)"
        )
    listed = ", ".join(map(repr, free[:10])) or "none besides the time"
    raise table.error(f"no column of numbers for the target; the columns are: {listed}")


def _find_past(
    table: Table, times: Times, ids: np.ndarray, taken: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, str]]:
    """Past columns, columns constant within every series, and the others with the reason why."""
    past, static = [], []
    left_out: dict[str, str] = {}
    several = bool(ids.max(initial=0))
    sorted_ = not several and bool((times.values[1:] >= times.values[:-1]).all())
    order = slice(None) if sorted_ else np.lexsort((times.values, ids))
    for name in table.frame.columns:
        if name in taken:
            continue
        column = table.frame[name]
        reason = _unusable(table, name)
        if reason is None and _counts_rows(column):
            reason = "counts the rows"
        elif reason is None and several and counts_within(column[order], ids[order]):
            reason = "counts the rows of each series"
        if reason:
            left_out[name] = reason
        elif several and _constant_within(column, ids):
            if _is_numeric(column) or column.n_unique() <= ids.max():
                static.append(name)
            else:
                left_out[name] = "repeats the series' names"
        else:
            past.append(name)
    return tuple(past), tuple(static), left_out


def _found_notes(static: Sequence[str], left_out: Mapping[str, str]) -> list[str]:
    notes = [f"column {name!r} left out: {reason}" for name, reason in left_out.items()]
    if static:
        notes.append(f"constant within each series, so static: {', '.join(map(repr, static))}")
    return notes


def _unusable(table: Table, name: str) -> str | None:
    """Why a column cannot be a feature, or None."""
    column = table.frame[name]
    if column.dtype.is_temporal():
        return "holds times"
    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Object):
        return f"holds {column.dtype}, neither numbers nor text"
    count = _distinct(column)
    if count < 2:
        return "constant" if count else "empty"
    if _is_numeric(column):
        return None
    if _is_nearly_numeric(column):
        index = numbers(column)[1] or 0
        return f"not all numbers (row {table.row(index):,}: {column[index]!r})"
    if count <= MOST_CATEGORIES:
        return None
    if is_time(column, years=False):
        return "holds times"
    return f"text with {count:,} different values (at most {MOST_CATEGORIES})"


def _distinct(column: pl.Series) -> int:
    """How many values a column has; 2 for all numbers that vary: to count them takes memory."""
    if not column.dtype.is_numeric():
        return column.drop_nulls().n_unique()
    values = numbers(column)[0]
    low, high = values.min(), values.max()
    return 0 if low is None else 1 if low == high else 2


def _is_numeric(column: pl.Series) -> bool:
    values, bad = numbers(column)
    return bad is None and values.null_count() < len(values)


def _is_nearly_numeric(column: pl.Series) -> bool:
    """Whether a column of text has some that is no number among at least half numbers."""
    values, bad = numbers(column)
    return bad is not None and values.null_count() * 2 <= len(values)


def _counts_rows(column: pl.Series) -> bool:
    """Whether the numbers rise by the same step from every row to the next."""
    if not _is_numeric(column) or column.null_count() or len(column) < 3:
        return False
    values = numbers(column)[0].to_numpy()
    return _rises_evenly(values[:_FIRST]) and _rises_evenly(values)


def _rises_evenly(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool(steps[0] > 0 and (steps == steps[0]).all())


def counts_within(column: pl.Series, ids: np.ndarray) -> bool:
    """The same for rows sorted by series and time, within each series."""
    if not _is_numeric(column) or column.null_count():
        return False
    inside = ids[1:] == ids[:-1]
    steps = np.diff(numbers(column)[0].to_numpy())[inside]
    return bool(len(steps) > 1 and steps[0] > 0 and (steps == steps[0]).all())


def _constant_within(column: pl.Series, ids: np.ndarray) -> bool:
    counts = (
        pl.DataFrame({"value": column, "id": ids})
        .group_by("id")
        .agg(pl.col("value").drop_nulls().n_unique())
    )
    return bool((counts["value"] <= 1).all())
