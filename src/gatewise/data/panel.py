"""A panel: one or more regular series with their target and feature columns."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from gatewise.data.columns import Columns, Names, choose_columns, number_series
from gatewise.data.dates import Times, read_times
from gatewise.data.grid import Grid, even_grid, make_grid
from gatewise.data.missing_codes import suggest_codes
from gatewise.data.resampling import resample
from gatewise.data.tables import Table
from gatewise.data.times import DAY, Frequency, format_time
from gatewise.data.values import has_decimal_commas, numbers
from gatewise.data.zones import suggest_zone


@dataclass
class Panel:
    """Series on regular times, values aligned step by step.

    Attributes:
        name: of the file, or "data frame".
        columns: the names of the columns by their part.
        frequency: the step.
        series: the ids, S of them; [""] for a single series.
        times: per series (T_n,) datetime64[us].
        target: per series (T_n,) float64 (or the table's own float32), NaN where missing.
        values: past and future columns by name, per series (T_n,): floats with NaN, or text
            (dtype object) with None where missing.
        static: per static column one float or text (NaN or None where missing) a series.
        notes: what was found, dropped and inserted, in reading order, one line each.
        frame_type: the caller's kind of data frame; None for files.
        zone: whose clock calendar features go by; None takes the times as they are.
    """

    name: str
    columns: Columns
    frequency: Frequency
    series: list[str]
    times: list[np.ndarray]
    target: list[np.ndarray]
    values: dict[str, list[np.ndarray]]
    static: dict[str, list[Any]]
    notes: list[str] = field(default_factory=list)
    frame_type: nw.Implementation | None = None
    zone: str | None = None

    def __len__(self) -> int:
        return len(self.series)

    @property
    def steps(self) -> int:
        """Steps of all series together."""
        return sum(map(len, self.times))


def make_panel(
    table: Table,
    *,
    target: str | None = None,
    time: Names = None,
    series: str | None = None,
    past: Names = None,
    future: Names = (),
    static: Names = (),
    frequency: Frequency | str | None = None,
) -> Panel:
    """Finds or checks the parts of the columns, and puts every series on its regular times.

    Args:
        table: from `read_table`.
        target: the column to forecast; None if only one can be.
        time: the column of times, or several (year, month, …); None to find it.
        series: the id column of a long table; None for one series, or to find it.
        past: columns known up to the present; None for every usable one, () for none.
        future: columns known ahead too.
        static: columns with one value a series.
        frequency: the step between rows; None to find it.

    Raises:
        DataError: whatever makes the table unusable, with the row and the column.
    """
    if isinstance(frequency, str):
        frequency = Frequency.parse(frequency)
    moments = read_times(table, time, series=series)
    columns, found = choose_columns(table, moments, target, series, past, future, static)
    values = _target(table, columns.target)
    features = columns.past + columns.future
    suggested = suggest_codes(chain([(columns.target, values)], _each(table, features)))
    if table.reading.resample is not None:
        table, moments, frequency = _resampled(table, moments, columns, frequency)
        values = _target(table, columns.target)
    alone = columns.series is None and np.isfinite(values).any()
    even = even_grid(moments.values, frequency) if alone else None
    codes, names = number_series(table, columns.series)
    dropped: list[str] = []
    zones: list[str] = []
    if even is not None:
        grid = even
    else:
        keep, dropped = _usable_series(table, codes, names, values)
        grid = make_grid(table, moments.values, codes, keep, names, frequency)
        zones = _zone_note(moments, codes)
    panel = Panel(
        name=table.name,
        columns=columns,
        frequency=grid.frequency,
        series=[names[code] for code in grid.codes],
        times=grid.times,
        target=_on_grid(grid, values),
        values={c: _on_grid(grid, feature_values(table, c)) for c in features},
        static={c: _static(table, grid, c, names) for c in columns.static},
        frame_type=table.frame_type,
        zone=moments.zone if 0 < grid.frequency.microseconds < DAY else None,
    )
    panel.notes = [*table.notes, *_time_notes(panel, moments), *found, *dropped, *grid.notes]
    panel.notes += _missing_notes(panel, grid) + suggested + zones
    return panel


def _resampled(
    table: Table, moments: Times, columns: Columns, frequency: Frequency | None
) -> tuple[Table, Times, Frequency]:
    step = Frequency.parse(table.reading.resample or "")
    if frequency not in (None, step):
        raise ValueError(f"frequency={str(frequency)!r} and resample={str(step)!r} differ")
    return *resample(table, moments, columns, step), step


def _zone_note(moments: Times, codes: np.ndarray) -> list[str]:
    """Say where the times look like those of a clock with summer time, and no zone is told."""
    zone = None if moments.utc else suggest_zone(moments.values[codes == codes[0]])
    if zone is None:
        return []
    return [
        f"the clock seems to go by summer time: if the times are of one zone, say timezone={zone!r}"
        f", or whichever it is (--timezone {zone})"
    ]


def _target(table: Table, name: str) -> np.ndarray:
    """The target of every row, (N,) float64."""
    values, bad = numbers(table.frame[name])
    if bad is not None:
        commas = table.frame[name].dtype == pl.String and has_decimal_commas(table.frame[name])
        told = "say decimal=',' (--decimal ,) if that is a decimal comma; else " if commas else ""
        raise table.error(
            f"the target must be numbers, got {table.frame[name][bad]!r}; {told}mend the value, "
            "leave it empty if it is missing, or choose another target",
            index=bad,
            column=name,
        )
    if values.null_count() == len(values):
        raise table.error("the target holds no value, only missing ones", column=name)
    return _finite(table, name, values)


def feature_values(table: Table, name: str) -> np.ndarray:
    """A past, future or static column of every row (N,): float64, or text as object."""
    column = table.frame[name]
    values, bad = numbers(column)
    if bad is None:
        return _finite(table, name, values)
    if column.dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise table.error(f"holds {column.dtype}, neither numbers nor text", column=name)
    return column.cast(pl.String).to_numpy().astype(object)


def _finite(table: Table, name: str, values: pl.Series) -> np.ndarray:
    infinite = values.is_infinite().fill_null(False).arg_true()
    if len(infinite):
        raise table.error(
            "an infinite value; mend it, or leave it empty if it is missing",
            index=infinite[0],
            column=name,
        )
    return values.fill_null(np.nan).to_numpy()


def _usable_series(
    table: Table, codes: np.ndarray, names: list[str], target: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Rows (N,) bool of the series that have two rows and a target value; notes on the others."""
    count = np.bincount(codes, minlength=len(names))
    known = np.bincount(codes, weights=~np.isnan(target), minlength=len(names))
    single = count < 2
    empty = ~single & (known == 0)
    if (single | empty).all():
        raise table.error(f"too few rows: {len(target):,}, and no series has two of them")
    notes = []
    for mask, why in ((empty, "without a target value"), (single, "with a single row")):
        if mask.any():
            first = ", ".join(repr(names[n]) for n in np.flatnonzero(mask)[:3])
            more = ", …" if mask.sum() > 3 else ""
            notes.append(f"{mask.sum():,} series {why} left out: {first}{more}")
    return ~(single | empty)[codes], notes


def _each(table: Table, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """One column after the other, so that not all are held at once."""
    for name in names:
        yield name, feature_values(table, name)


def _on_grid(grid: Grid, values: np.ndarray) -> list[np.ndarray]:
    """Values of the table's rows (N,) on each series' grid (T_n,); views into one flat array."""
    if isinstance(grid.rows, slice):
        return [values]
    missing = None if values.dtype == object else np.nan
    flat = np.full(grid.offsets[-1], missing, dtype=values.dtype)
    flat[grid.cells] = values[grid.rows]
    return np.split(flat, grid.offsets[1:-1])


def _static(table: Table, grid: Grid, name: str, names: list[str]) -> list[Any]:
    """The one value of each series."""
    result = []
    for code, values in zip(grid.codes, _on_grid(grid, feature_values(table, name)), strict=True):
        known = values[~is_missing(values)].tolist()
        other = next((value for value in known if value != known[0]), None)
        if other is not None:
            raise table.error(
                f"not one value a series: series {names[code]!r} has {known[0]!r} and {other!r}; "
                "give the column as past or future",
                column=name,
            )
        result.append(known[0] if known else (None if values.dtype == object else np.nan))
    return result


def is_missing(values: np.ndarray) -> np.ndarray:
    """Tell where a column (N,) of a panel, numbers or text, has no value."""
    return np.array([v is None for v in values]) if values.dtype == object else np.isnan(values)


def _time_notes(panel: Panel, moments: Times) -> list[str]:
    first = format_time(min(times[0] for times in panel.times))
    last = format_time(max(times[-1] for times in panel.times))
    plural = "columns" if len(moments.names) > 1 else "column"
    names = ", ".join(map(repr, moments.names))
    notes = [f"time {plural} {names}, every {panel.frequency}, {first} to {last}", *moments.notes]
    if len(panel) > 1:
        lengths = [len(times) for times in panel.times]
        notes.append(
            f"{len(panel):,} series by column {panel.columns.series!r}, of {min(lengths):,} to "
            f"{max(lengths):,} steps"
        )
    return notes


def _missing_notes(panel: Panel, grid: Grid) -> list[str]:
    """Missing values in rows that are there, by column."""
    notes = []
    columns = {panel.columns.target: panel.target, **panel.values}
    for name, series in columns.items():
        flat = series[0] if len(series) == 1 else np.concatenate(series)
        flat = flat[grid.cells]
        count = int(is_missing(flat).sum())
        if count:
            what = "target" if name == panel.columns.target else "column"
            notes.append(f"{what} {name!r}: {count:,} of {len(flat):,} values missing")
    return notes
