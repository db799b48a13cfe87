"""Long tables as sequences: a row a step, an id column, and a label a sequence or a step."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from gatewise.data.columns import Names, counts_within
from gatewise.data.counting import counted
from gatewise.data.dates import check_names, read_times
from gatewise.data.sequences import Sequences, Tagged
from gatewise.data.tables import Table
from gatewise.data.values import numbers

ID_NAMES = {"id", "series", "series_id", "sequence", "sequence_id", "unique_id", "case", "case_id"}
LABEL_NAMES = {"label", "class"}


@dataclass
class Rows:
    """The rows of a long table, sorted by sequence (in the file's order) and by time.

    Attributes:
        table: the rows as they were read.
        order: rows of the table (N,), sequence by sequence.
        starts: where each sequence starts in ``order`` (S,), the first at 0.
        ids: the sequences' names, S of them.
        features: the names of the F columns of values.
        label: the label column, where there is one.
        notes: what was found.
    """

    table: Table
    order: np.ndarray
    starts: np.ndarray
    ids: list[str]
    features: list[str]
    label: str | None
    notes: list[str] = field(default_factory=list)

    def values(self) -> list[np.ndarray]:
        """Per sequence (T, F) float32, NaN where missing."""
        flat = np.empty((len(self.order), len(self.features)), dtype=np.float32)
        for index, name in enumerate(self.features):
            flat[:, index] = number_column(self.table, name)[self.order]
        return np.split(flat, self.starts[1:])

    def labels(self) -> list[pl.Series]:
        """Per sequence the label of each of its steps."""
        column = self.table.frame[self.label or ""].gather(self.order)
        ends = np.append(self.starts[1:], len(self.order))
        return [column[a:b] for a, b in zip(self.starts.tolist(), ends.tolist(), strict=True)]


def read_long(
    table: Table,
    *,
    label: str | None = None,
    series: str | None = None,
    time: Names = None,
    past: Names = None,
) -> Sequences:
    """Give the sequences of a long table, with the one label of each.

    Args:
        table: a row a step.
        label: the column of labels; None takes one named label or class, if there is one.
        series: the id column; None takes one named id, series, sequence or the like.
        time: the column to sort by; None keeps the file's order.
        past: the columns of values; None for all others that hold numbers.

    Raises:
        DataError: no id column, two labels in one sequence, a value that is no number.
    """
    rows = find_rows(table, label=label, series=series, time=time, past=past, several=True)
    labels = None
    if rows.label is not None:
        known = table.frame[rows.label]
        _require_labels(table, rows.label)
        _require_one_label(rows)
        labels = label_values(known.gather(rows.order[rows.starts]))
    found = Sequences(table.name, rows.values(), labels, rows.ids, rows.features)
    found.notes = [*table.notes, *rows.notes, found.describe()]
    return found


def read_long_tagged(
    table: Table,
    *,
    words: str | None = None,
    label: str | None = None,
    series: str | None = None,
    time: Names = None,
    past: Names = None,
) -> Tagged:
    """Give the sequences of a long table, with a label for each step.

    Args:
        table: a row a step.
        words: a column of words; None reads the numbers of the other columns.
        label: the column of labels; None takes one named label or class.
        series: the id column; None takes one named id, series, sequence or the like, and the whole
            table as one sequence if there is none.
        time: the column to sort by; None keeps the file's order.
        past: the columns of values; None for all others that hold numbers.
    """
    if words is not None:
        check_names(table, [words])
        past = [words]
    rows = find_rows(
        table, label=label, series=series, time=time, past=past, several=False, text=words
    )
    tags: list[list[str]] = [[] for _ in rows.ids]
    if rows.label is not None:
        _require_labels(table, rows.label)
        tags = [as_text(piece).to_list() for piece in rows.labels()]
    if words is None:
        found = Tagged(table.name, rows.values(), tags, rows.ids, rows.features)
    else:
        column = as_text(table.frame[words].gather(rows.order))
        ends = np.append(rows.starts[1:], len(rows.order)).tolist()
        items = [column[a:b].to_list() for a, b in zip(rows.starts.tolist(), ends, strict=True)]
        found = Tagged(table.name, items, tags, rows.ids, [words])
    told = f"{counted(len(rows.ids), 'sequence')} of {len(rows.order):,} steps in all"
    found.notes = [*table.notes, *rows.notes, told]
    return found


def find_rows(
    table: Table,
    *,
    label: str | None,
    series: str | None,
    time: Names,
    past: Names,
    several: bool,
    text: str | None = None,
) -> Rows:
    """Find or check the columns, and sort the rows.

    Args:
        table, label, series, time, past: as for `read_long`.
        several: whether an id column must be there.
        text: a column of ``past`` that holds words.
    """
    times = [time] if isinstance(time, str) else list(time or ())
    chosen = [past] if isinstance(past, str) else None if past is None else list(past)
    named = [name for name in (label, series, *times, *(chosen or ())) if name]
    check_names(table, named)
    notes: list[str] = []
    if series is None:
        series = _only(table, ID_NAMES, exclude=named)
        notes += [f"sequences by column {series!r}"] if series else []
    if series is None and several:
        raise table.error(
            "no id column found that tells the sequences apart; name it with series (--series)"
        )
    if label is None:
        label = _only(table, LABEL_NAMES, exclude=[*named, series or ""])
        notes += [f"labels from column {label!r}"] if label else []
    codes, ids = _number(table, series)
    order, sort_notes = _sort(table, codes, times)
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    if chosen is None:
        taken = {label, series, *times}
        chosen, left_out = _find_features(table, taken, codes[order], order)
        notes += left_out
    for name in chosen:
        if name != text:
            number_column(table, name)
    return Rows(table, order, starts, ids, chosen, label, notes + sort_notes)


def number_column(table: Table, name: str) -> np.ndarray:
    """A column (N,) as float64, NaN where missing; `DataError` names the first that is no number.

    Infinite values are refused too.
    """
    values, bad = numbers(table.frame[name])
    if bad is not None:
        raise table.error(
            f"values must be numbers, got {table.frame[name][bad]!r}; mend it, leave it empty if "
            "it is missing, or leave the column out of past (--past)",
            index=bad,
            column=name,
        )
    infinite = values.is_infinite().fill_null(False).arg_true()
    if len(infinite):
        raise table.error(
            "an infinite value; mend it, or leave it empty if it is missing",
            index=infinite[0],
            column=name,
        )
    return values.fill_null(np.nan).to_numpy()


def label_values(column: pl.Series) -> np.ndarray:
    """Labels (N,) without missing ones: whole numbers as int64, numbers as float64, else text."""
    if column.dtype.is_integer():
        return column.cast(pl.Int64).to_numpy()
    if column.dtype.is_float():
        return column.cast(pl.Float64).to_numpy()
    return as_text(column).to_numpy().astype(object)


def as_text(column: pl.Series) -> pl.Series:
    """A column as text, as `str` writes it."""
    return column.cast(pl.String)


def _only(table: Table, names: set[str], exclude: Sequence[str]) -> str | None:
    found = [c for c in table.frame.columns if c.casefold() in names and c not in exclude]
    return found[0] if len(found) == 1 else None


def _number(table: Table, series: str | None) -> tuple[np.ndarray, list[str]]:
    """The number of each row's sequence (N,), in the order of the file, and the ids as text."""
    if series is None:
        return np.zeros(table.frame.height, dtype=np.int64), [""]
    ids = as_text(table.frame[series])
    missing = ids.is_null().arg_true()
    if len(missing):
        raise table.error(
            "the sequence's id is missing; fill it in or remove the row",
            index=missing[0],
            column=series,
        )
    unique = ids.unique(maintain_order=True)
    codes = ids.replace_strict(unique, pl.Series(range(len(unique)), dtype=pl.Int64))
    return codes.to_numpy(), unique.to_list()


def _sort(table: Table, codes: np.ndarray, times: list[str]) -> tuple[np.ndarray, list[str]]:
    """Rows by sequence and time; rows of one time keep the file's order."""
    if not times:
        return np.argsort(codes, kind="stable"), []
    values, bad = numbers(table.frame[times[0]])
    if len(times) == 1 and bad is None and not values.null_count():
        moments, notes = values.to_numpy(), []
    else:
        found = read_times(table, times)
        moments, notes = found.values.astype(np.int64), found.notes
    order = np.lexsort((moments, codes))
    given = np.argsort(codes, kind="stable")
    falls = (np.diff(codes[given]) == 0) & (np.diff(moments[given]) < 0)
    if falls.any():
        first = int(given[1:][falls].min())
        notes = [*notes, f"rows not in order of time: sorted (first: row {table.row(first):,})"]
    same = (np.diff(codes[order]) == 0) & (np.diff(moments[order]) == 0)
    if same.any():
        first = int(order[1:][same].min())
        notes = [
            *notes,
            f"{counted(int(same.sum()), 'row')} with the time of another row of the same sequence, "
            f"kept in the file's order (first: row {table.row(first):,})",
        ]
    return order, notes


def _find_features(
    table: Table, taken: set[str | None], codes: np.ndarray, order: np.ndarray
) -> tuple[list[str], list[str]]:
    """The columns of numbers, and notes on those that are left out."""
    features, notes = [], []
    for name in table.frame.columns:
        if name in taken:
            continue
        column = table.frame[name]
        values, bad = numbers(column)
        reason = None
        if column.dtype.is_temporal():
            reason = "holds times; name it with time (--time) to sort by it"
        elif bad is not None:
            reason = f"not all numbers (row {table.row(bad):,}: {column[bad]!r})"
        elif values.null_count() == len(values):
            reason = "empty"
        elif counts_within(column.gather(order), codes):
            reason = "counts the rows of each sequence"
        if reason:
            notes.append(f"column {name!r} left out: {reason}")
        else:
            features.append(name)
    if not features:
        raise table.error("no column of numbers besides id, time and label")
    return features, notes


def _require_labels(table: Table, label: str) -> None:
    missing = table.frame[label].is_null().arg_true()
    if len(missing):
        raise table.error(
            "the label is missing; fill it in or remove the row", index=missing[0], column=label
        )


def _require_one_label(rows: Rows) -> None:
    """Refuse a sequence with two labels."""
    table, label = rows.table, rows.label or ""
    column = table.frame[label].gather(rows.order)
    lengths = np.diff(np.append(rows.starts, len(rows.order)))
    first = column.gather(np.repeat(rows.starts, lengths))
    other = (column != first).arg_true()
    if len(other):
        at = int(other[0])
        series = rows.ids[int(np.searchsorted(rows.starts, at, side="right")) - 1]
        raise table.error(
            f"not one label a sequence: sequence {series!r} has {first[at]!r} and {column[at]!r}; "
            "with a label for each step, use the tagger",
            index=int(rows.order[at]),
            column=label,
        )
