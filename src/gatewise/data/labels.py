"""The labels of files in a folder: from a table beside them."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from gatewise.data.counting import counted
from gatewise.data.dates import check_names
from gatewise.data.errors import DataError
from gatewise.data.long_tables import as_text, label_values
from gatewise.data.reading import Reading
from gatewise.data.tables import Table, read_table

LABEL_FILE = "labels.csv"


def find_label_table(folder: Path) -> Path | None:
    """Find the one ``labels.csv`` in the folder or beside it.

    Raises:
        DataError: there is one in each place.
    """
    found = [f for f in (folder / LABEL_FILE, folder.parent / LABEL_FILE) if f.is_file()]
    if len(found) > 1:
        raise DataError(
            f"a {LABEL_FILE} in the folder and one beside it; name one with labels (--labels)",
            name=str(folder),
        )
    return found[0] if found else None


def read_labels(
    source: str | os.PathLike[str] | Table,
    ids: Sequence[str],
    *,
    label: str | None = None,
    series: str | None = None,
    reading: Reading | None = None,
) -> tuple[np.ndarray, list[str]]:
    """Give the label of each file (N,), and notes.

    Args:
        source: the table: a row a file.
        ids: the files' names without ending; a table may write them with one.
        label: the column of labels; None where there are two columns only.
        series: the column of names; None takes the one whose values are the files' names.
        reading: how the table is read.

    Raises:
        DataError: a file without a label, or with two.
    """
    table = read_table(source, reading=reading)
    check_names(table, [name for name in (label, series) if name])
    series = series or _find_ids(table, ids)
    label = label or _find_label(table, series)
    names = [Path(name).stem for name in as_text(table.frame[series]).fill_null("").to_list()]
    rows = _rows_by_name(table, names, series)
    missing = [name for name in ids if name not in rows]
    if missing:
        raise DataError(
            f"no label for {len(missing):,} of {len(ids):,} files (first: {missing[0]!r}); add "
            "them, or move the files away",
            name=table.name,
            column=series,
        )
    column = table.frame[label].gather([rows[name] for name in ids])
    empty = column.is_null().arg_true()
    if len(empty):
        raise table.error("the label is missing", index=rows[ids[int(empty[0])]], column=label)
    notes = [f"labels from {table.name}, column {label!r}"]
    unused = len({*names} - {*ids})
    if unused:
        notes.append(f"{counted(unused, 'row')} of {table.name} without a file")
    return label_values(column), notes


def _find_ids(table: Table, ids: Sequence[str]) -> str:
    """The column that holds most of the files' names."""
    wanted = {*ids}
    hits = {
        name: len(wanted & {Path(text).stem for text in as_text(column).drop_nulls().to_list()})
        for name, column in zip(table.frame.columns, table.frame.get_columns(), strict=True)
        if not column.dtype.is_nested() and column.dtype not in (pl.Binary, pl.Object)
    }
    best = max(hits, key=hits.__getitem__)
    if not hits[best]:
        raise table.error(
            f"no column holds the files' names (such as {ids[0]!r}); name it with series (--series)"
        )
    return best


def _find_label(table: Table, series: str) -> str:
    others = [name for name in table.frame.columns if name != series]
    named = [name for name in others if name.casefold() in ("label", "class")]
    found = named if len(named) == 1 else others
    if len(found) != 1:
        listed = ", ".join(map(repr, others)) or "none besides the names"
        raise table.error(
            f"several columns could hold the labels, or none ({listed}); name one with label "
            "(--label)"
        )
    return found[0]


def _rows_by_name(table: Table, names: list[str], series: str) -> dict[str, int]:
    rows: dict[str, int] = {}
    for index, name in enumerate(names):
        if name in rows:
            raise table.error(
                f"{name!r} stands in row {table.row(rows[name]):,} already",
                index=index,
                column=series,
            )
        rows[name] = index
    return rows
