"""Comma-separated text: decoding, separator, records, and a type for each column."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
import polars as pl

from gatewise.data.errors import DataError
from gatewise.data.plain_csv import read_plain
from gatewise.data.text import decode
from gatewise.data.values import has_decimal_commas, typed

SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
CHUNK = 65_536
LARGE = 1 << 20
"""From this many bytes on, clean text goes through the quick parser."""
_VALUE = re.compile(r"[-+.\d][-+\deET:/., ]*")


def read_delimited(
    data: bytes,
    name: str,
    separator: str | None = None,
    *,
    decimal: str | None = None,
    encoding: str | None = None,
) -> tuple[pl.DataFrame, np.ndarray | None, list[str]]:
    """Reads CSV bytes: the typed frame, the file's row of each record (N,), and what was found.

    The rows are None where record n stands in row n + 2.

    Args:
        data: text, with or without a byte order mark; any line ending.
        name: for messages.
        separator: one character; None to find it among `,` `;` tab `|`.
        decimal: the decimal mark; None is a point, and a comma where the separator is `;`.
        encoding: of the text; None is UTF-8.

    Raises:
        DataError: no text, no rows, fields too many or too few, names twice.
    """
    quick = None
    if len(data) >= LARGE and encoding is None and not data.startswith((b"\n", b"\r\n")):
        quick = _read_quickly(data, name, separator, decimal)
    if quick is not None:
        return quick
    text = decode(data, name, encoding)
    if separator is None:
        separator = _find_separator(text, name)
    records = _records(text, separator, name)
    header = _header(next(fields for _, fields in records if fields), name)
    texts, rows, blank = _columns(records, header, name)
    if not len(rows):
        raise DataError("only a header, no rows of data", name=name)
    decimal = decimal or _usual_mark(separator)
    frame = pl.DataFrame({column: typed(values, decimal) for column, values in texts.items()})
    commas = [column for column in frame.columns if has_decimal_commas(texts[column])]
    return frame, rows, _notes(frame, name, separator, decimal, commas, blank)


def _read_quickly(
    data: bytes, name: str, separator: str | None, decimal: str | None
) -> tuple[pl.DataFrame, None, list[str]] | None:
    """The same for large and clean text; None where it is not clean."""
    head = data[:CHUNK]
    try:
        text = decode(head[: head.rfind(b"\n") + 1], name)
        separator = separator or _find_separator(text, name)
        header = _header(next(fields for _, fields in _records(text, separator, name)), name)
    except DataError:  # the careful reader says it of the whole
        return None
    decimal = decimal or _usual_mark(separator)
    read = read_plain(data, header, separator, decimal)
    if read is None:
        return None
    frame, commas = read
    return frame, None, _notes(frame, name, separator, decimal, commas, 0)


def _usual_mark(separator: str) -> str:
    return "," if separator == ";" else "."


def _notes(
    frame: pl.DataFrame, name: str, separator: str, decimal: str, commas: list[str], blank: int
) -> list[str]:
    found = SEPARATORS.get(separator, repr(separator))
    notes = [f"{name}: {frame.height:,} rows, {frame.width:,} columns, separator {found}"]
    if blank:
        notes.append(f"{blank:,} blank lines skipped")
    listed = ", ".join(map(repr, commas))
    if commas and decimal == ",":
        notes.append(f"decimal commas read as points in {listed}")
    elif commas:
        notes.append(f"{listed}: decimal commas? Then say decimal=',' (--decimal ,)")
    return notes


def _find_separator(text: str, name: str) -> str:
    """The separator under which most of the first rows are as wide as the header."""
    best, best_score = ",", (0.0, 1)
    for separator in SEPARATORS:
        try:
            head = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), 100))
        except csv.Error:
            continue
        widths = [len(record) for record in head if record]
        score = (sum(width == widths[0] for width in widths) / len(widths), widths[0])
        if widths[0] > 1 and score > best_score:
            best, best_score = separator, score
    if best_score[1] == 1 and re.search(r"\S {2,}\S", text[:10_000]):
        raise DataError(
            "no separator (comma, semicolon, tab, '|') in its first row, and columns that look "
            "lined up by blanks; such a fixed-width table is not read: save it as CSV",
            name=name,
        )
    return best


def _records(text: str, separator: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """(row in the file, fields) of each record; blank lines come as no fields."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for record in reader:
            yield reader.line_num, record
    except csv.Error as error:
        raise DataError(
            f"the text cannot be split into fields ({error}); look for a quote that is not closed",
            name=name,
            row=reader.line_num,
        ) from None


def _header(fields: list[str], name: str) -> list[str]:
    names = [field.strip() or f"column {i}" for i, field in enumerate(fields, start=1)]
    twice = sorted({column for column in names if names.count(column) > 1})
    if all(_VALUE.fullmatch(column) for column in names):
        raise DataError(
            f"the first row holds values ({', '.join(names[:4])}), not names; add a row of column "
            "names at the top",
            name=name,
            row=1,
        )
    if twice:
        raise DataError(f"two columns are named {twice[0]!r}; rename one", name=name, row=1)
    return names


def _columns(
    records: Iterator[tuple[int, list[str]]], header: list[str], name: str
) -> tuple[dict[str, pl.Series], np.ndarray, int]:
    """Text columns by name, each record's row (N,), and the number of blank lines between."""
    frames: list[pl.DataFrame] = []
    rows: list[int] = []
    chunk: list[list[str]] = []
    blank = pending = 0
    schema = dict.fromkeys(header, pl.String)
    for row, fields in records:
        if len(fields) == len(header):
            chunk.append(fields)
            rows.append(row)
            blank, pending = blank + pending, 0
        elif not fields:
            pending += 1  # counted once a record follows: blank lines at the end say nothing
        else:
            raise _ragged(fields, header, name, row)
        if len(chunk) == CHUNK:
            frames.append(pl.DataFrame(chunk, schema=schema, orient="row"))
            chunk = []
    frames.append(pl.DataFrame(chunk, schema=schema, orient="row"))
    frame = pl.concat(frames, rechunk=True)
    return {column: frame[column] for column in header}, np.array(rows, dtype=np.int64), blank


def _ragged(fields: list[str], header: list[str], name: str, row: int) -> DataError:
    few_or_many = "few" if len(fields) < len(header) else "many"
    return DataError(
        f"too {few_or_many} fields: {len(fields)}, where the header has {len(header)}; "
        "mend the row, or quote fields that hold the separator",
        name=name,
        row=row,
    )
