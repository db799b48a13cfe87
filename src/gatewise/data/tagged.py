"""Sequences with a label for every step, from the files that hold them."""

import os
from pathlib import Path
from typing import Any

from gatewise.data.columns import Names
from gatewise.data.conllu import read_conllu
from gatewise.data.long_tables import read_long_tagged
from gatewise.data.read_sequences import refuse_unread
from gatewise.data.reading import Reading
from gatewise.data.sequences import Tagged
from gatewise.data.tables import read_table

__all__ = ["Tagged", "read_tagged"]


def read_tagged(
    data: Any,
    *,
    words: str | None = None,
    label: str | None = None,
    series: str | None = None,
    time: Names = None,
    past: Names = None,
    reading: Reading | None = None,
) -> Tagged:
    """Read sequences with a label for every step.

    Args:
        data: the path of a ``.conllu`` file, or a long table (a row a step; a data frame too).
        words: the column of words: by its CoNLL-U name (``"form"`` by default), or of the table,
            which is read for numbers where it is None.
        label: the column of labels; ``"upos"`` of CoNLL-U by default; of a table the one named
            label or class.
        series: the id column of a table; None takes one named id, series or sequence, and the
            whole table as one sequence if there is none.
        time: the column to sort by; None keeps the file's order.
        past: the columns of numbers; None for all others.
        reading: how the file is read, where that has to be told.

    Raises:
        DataError: whatever makes the data unusable, with file, row and column.
    """
    if isinstance(data, Tagged):
        return data
    if isinstance(data, (str, os.PathLike)) and str(data).endswith(".conllu"):
        options = {"series": series, "time": time, "past": past}
        refuse_unread(Path(data), options, *options, "a .conllu file")
        encoding = reading.encoding if reading else None
        return read_conllu(data, words=words, label=label, encoding=encoding)
    table = read_table(data, reading=reading)
    return read_long_tagged(table, words=words, label=label, series=series, time=time, past=past)
