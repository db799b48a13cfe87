"""The known future: feature values for the steps after each series' end."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from gatewise.data.dates import check_names, read_times
from gatewise.data.panel import Panel, feature_values, is_missing
from gatewise.data.tables import Table
from gatewise.data.times import format_time


def read_future(table: Table, panel: Panel, horizon: int) -> dict[str, list[np.ndarray]]:
    """The future columns for the `horizon` steps after each series' end.

    Args:
        table: rows with the panel's time, series and future columns; it may hold more.
        panel: whose end the future follows.
        horizon: steps.

    Returns:
        By column, per series (horizon,): float64 (NaN where a cell is empty), or text as object.

    Raises:
        DataError: a step, a series or a column is missing, or a time stands twice with other
            values.
    """
    columns = panel.columns
    if not columns.future:
        return {}
    series = (columns.series,) if columns.series else ()
    check_names(table, (*columns.time, *series, *columns.future))
    times = read_times(table, columns.time, series=columns.series).values
    values = {name: _like_panel(table, panel, name) for name in columns.future}
    rows = []
    for number, candidates in enumerate(_rows_by_series(table, panel)):
        steps = panel.frequency.index(panel.times[number][-1], times[candidates]) - 1
        inside = (steps >= 0) & (steps < horizon)
        chosen = np.full(horizon, -1)
        chosen[steps[inside]] = candidates[inside]
        _check_complete(table, panel, number, chosen)
        _check_same(table, values, candidates[inside], chosen[steps[inside]])
        rows.append(chosen)
    return {name: [column[chosen] for chosen in rows] for name, column in values.items()}


def _like_panel(table: Table, panel: Panel, name: str) -> np.ndarray:
    """A future column of every row (N,), numbers or text as in the panel."""
    values = feature_values(table, name)
    text = panel.values[name][0].dtype == object
    if text and values.dtype != object:
        return table.frame[name].cast(pl.String).to_numpy().astype(object)
    if values.dtype == object and not text:
        numeric = table.frame[name].cast(pl.String).cast(pl.Float64, strict=False)
        index = int((numeric.is_null() & table.frame[name].is_not_null()).arg_true()[0])
        raise table.error(
            f"{table.frame[name][index]!r} is no number, and the data has numbers here",
            index=index,
            column=name,
        )
    return values


def _rows_by_series(table: Table, panel: Panel) -> list[np.ndarray]:
    """The table's rows of each series of the panel."""
    if panel.columns.series is None:
        return [np.arange(table.frame.height)] * len(panel)
    groups = (
        table.frame.select(id=pl.col(panel.columns.series).cast(pl.String))
        .with_row_index("row")
        .group_by("id")
        .agg("row")
    )
    rows = dict(zip(groups["id"], groups["row"], strict=True))
    none = np.zeros(0, dtype=np.int64)
    return [rows[name].to_numpy() if name in rows else none for name in panel.series]


def _check_complete(table: Table, panel: Panel, number: int, chosen: np.ndarray) -> None:
    missing = np.flatnonzero(chosen < 0)
    if not len(missing):
        return
    step = int(missing[0])
    end = panel.times[number][-1]
    time = panel.frequency.range(end, step + 2)[-1]
    series = f" of series {panel.series[number]!r}" if panel.columns.series else ""
    names = ", ".join(map(repr, panel.columns.future))
    raise table.error(
        f"no row for {format_time(time)}{series}, step {step + 1} of {len(chosen)} after the "
        f"data's end; add the rows that are missing ({len(missing):,} for this series) with {names}"
    )


def _check_same(
    table: Table, values: dict[str, np.ndarray], rows: np.ndarray, chosen: np.ndarray
) -> None:
    """Refuses two rows for one step that disagree."""
    for name, column in values.items():
        a, b = column[rows], column[chosen]
        differ = (a != b) & ~((a != a) & (b != b))
        if differ.any():
            index = int(np.flatnonzero(differ)[0])
            raise table.error(
                f"row {table.row(chosen[index]):,} has the same time and another value; keep one",
                index=int(rows[index]),
                column=name,
            )


def gaps_before(panel: Panel, future: Mapping[str, list[np.ndarray]]) -> list[str]:
    """Say where a forecast starts later, or knows less of the future, than one may think.

    Args:
        panel: the history.
        future: as from :func:`read_future`.
    """
    lines = []
    trailing = {
        name: int(np.isnan(y[::-1]).argmin())
        for name, y in zip(panel.series, panel.target, strict=True)
    }
    late = {name: steps for name, steps in trailing.items() if steps}
    if late:
        name, steps = next(iter(late.items()))
        which = f" of series {name!r}" if panel.columns.series else ""
        more = f" (and {len(late) - 1:,} series more)" if len(late) > 1 else ""
        lines.append(
            f"the target is missing in the last {steps:,} steps{which}{more}: "
            "forecasts start behind these steps all the same"
        )
    for column, arrays in future.items():
        empty = sum(int(is_missing(values).sum()) for values in arrays)
        if empty:
            lines.append(
                f"future column {column!r}: {empty:,} values missing, filled by the last known"
            )
    return lines
