"""Comma-separated text: decoding, separator, records, and a type for each column."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

import numpy as np
import polars as pl

from gatewise.data.errors import DataError
from gatewise.data.text import decode

MISSING = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
SEPARATORS = {",": "','", ";": "';'", "\t": "tab", "|": "'|'"}
CHUNK = 65_536
_VALUE = re.compile(r"[-+.\d][-+\deET:/., ]*")
_INTEGER = r"^[+-]?\d{1,18}$"
_LEADING_ZERO = r"^[+-]?0\d"


def read_delimited(
    data: bytes,
    name: str,
    separator: str | None = None,
    *,
    decimal: str | None = None,
    encoding: str | None = None,
) -> tuple[pl.DataFrame, np.ndarray, list[str]]:
    """Reads CSV bytes: the typed frame, the file's row of each record (N,), and what was found.

    Args:
        data: text, with or without a byte order mark; any line ending.
        name: for messages.
        separator: one character; None to find it among `,` `;` tab `|`.
        decimal: the decimal mark; None is a point, and a comma where the separator is `;`.
        encoding: of the text; None is UTF-8.

    Raises:
        DataError: no text, no rows, fields too many or too few, names twice.
    """
    text = decode(data, name, encoding)
    if separator is None:
        separator = _find_separator(text, name)
    records = _records(text, separator, name)
    header = _header(next(fields for _, fields in records if fields), name)
    columns, rows, blank = _columns(records, header, name)
    if not len(rows):
        raise DataError("only a header, no rows of data", name=name)
    decimal = decimal or ("," if separator == ";" else ".")
    frame = pl.DataFrame({column: typed(values, decimal) for column, values in columns.items()})
    found = SEPARATORS.get(separator, repr(separator))
    notes = [f"{name}: {frame.height:,} rows, {frame.width:,} columns, separator {found}"]
    if blank:
        notes.append(f"{blank:,} blank lines skipped")
    commas = [c for c in frame.columns if has_decimal_commas(columns[c])]
    listed = ", ".join(map(repr, commas))
    if commas and decimal == ",":
        notes.append(f"decimal commas read as points in {listed}")
    elif commas:
        notes.append(f"{listed}: decimal commas? Then say decimal=',' (--decimal ,)")
    return frame, rows, notes


def numbers(column: pl.Series) -> tuple[pl.Series, int | None]:
    """The column as float64 with nulls, and the index of the first value that is no number."""
    if column.dtype == pl.String:
        clean = _without_missing(column)
        values = clean.cast(pl.Float64, strict=False)
        bad = (values.is_null() & clean.is_not_null()).arg_true()
    elif column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null):
        values = column.cast(pl.Float64).fill_nan(None)
        bad = pl.Series([], dtype=pl.UInt32)
    else:
        values = pl.Series(column.name, [None] * len(column), dtype=pl.Float64)
        bad = column.is_not_null().arg_true()
    return values, int(bad[0]) if len(bad) else None


def typed(text: pl.Series, decimal: str = ".") -> pl.Series:
    """A column of text as numbers or booleans where every value is one, else as it is.

    Whole numbers with leading zeros stay text: they may be names ("007"), and `numbers` reads them
    where numbers are wanted. With the decimal mark `,` a comma is a decimal point where most values
    are numbers then.
    """
    if decimal == "," and has_decimal_commas(text):
        text = text.str.replace(",", ".", literal=True)
    clean = _without_missing(text)
    values = clean.cast(pl.Float64, strict=False)
    if values.null_count() == clean.null_count():
        if clean.str.contains(_LEADING_ZERO).any():
            fractions = clean.str.contains(".", literal=True).any()
            return values if fractions else clean
        whole = clean.str.contains(_INTEGER).all() and clean.null_count() < len(clean)
        return clean.cast(pl.Int64) if whole else values.fill_nan(None)
    if clean.str.to_lowercase().is_in(["true", "false"]).all():
        return (clean.str.to_lowercase() == "true").rename(text.name)
    return clean


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


def _without_missing(text: pl.Series) -> pl.Series:
    clean = text.str.strip_chars()
    return clean.set(clean.is_in(MISSING), None)


def has_decimal_commas(text: pl.Series) -> bool:
    """Whether the column holds commas, and mostly numbers once they are points."""
    if not text.str.contains(",", literal=True).any():
        return False
    clean = _without_missing(text)
    points = clean.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    return points.null_count() - clean.null_count() < (len(text) - clean.null_count()) / 2
