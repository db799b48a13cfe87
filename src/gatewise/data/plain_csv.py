"""Large CSV text by Polars' own parser, where it can only say what the careful reader would."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from gatewise.data.values import MISSING, has_decimal_commas, is_fraction, typed

SAMPLE_ROWS = 1_000
CHUNK = 1 << 20
BOM = b"\xef\xbb\xbf"


def read_plain(
    data: bytes, header: Sequence[str], separator: str, decimal: str
) -> tuple[pl.DataFrame, list[str]] | None:
    """Give the typed table of clean CSV bytes, and the columns that hold decimal commas.

    None where anything is unusual, so that the careful reader has to look: blank lines, rows of
    another width than the header, line ends within quotes, bytes that are not UTF-8.

    Args:
        data: UTF-8.
        header: the columns' names.
        separator: one character.
        decimal: the decimal mark.
    """
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    mark = separator.encode()
    unusual = (
        len(header) < 2
        or lines < 2
        or data.startswith((b"\n", b"\r\n"))
        or b"\n\n" in data
        or b"\n\r\n" in data
        or b"\0" in data
        or data.count(b"\r") != data.count(b"\r\n")
        or not _lines_are_alike(data, mark, len(header))
        or not _quotes_whole_fields(data, mark)
    )
    if unusual:
        return None
    schema: dict[str, pl.DataType] = dict.fromkeys(header, pl.String())
    head = _parse(data, separator, schema, SAMPLE_ROWS)
    if head is None:
        return None
    floats = {name: pl.Float64() for name in header if is_fraction(head[name])}
    frame = _parse(data, separator, {**schema, **floats}) if floats else None
    frame = _parse(data, separator, schema) if frame is None else frame
    if frame is None or frame.height != lines - 1:
        return None
    rest, columns, commas = frame.get_columns()[::-1], [], []
    del frame  # each column of text goes once it is read
    while rest:
        column = rest.pop()
        if column.dtype == pl.String:
            if column.str.contains_any(['"', "\r", separator]).any():
                return None
            commas += [column.name] if has_decimal_commas(column) else []
            columns.append(typed(column, decimal))
        else:
            columns.append(column.fill_nan(None))
    return pl.DataFrame(columns), commas


def _lines_are_alike(data: bytes, mark: bytes, width: int) -> bool:
    """Whether every line has one separator less than ``width``."""
    line = np.arange(1, width + 1) == width  # separators, then the line's end
    rest = np.zeros(0, dtype=bool)
    for start in range(0, len(data), CHUNK):
        piece = np.frombuffer(data, np.uint8, min(CHUNK, len(data) - start), start)
        ends = piece == ord("\n")
        ends = np.concatenate([rest, ends[ends | (piece == ord(mark))]])
        whole = len(ends) // width * width
        if (ends[:whole].reshape(-1, width) != line).any():
            return False
        rest = ends[whole:]
    return len(rest) == (0 if data.endswith(b"\n") else width - 1) and not rest.any()


def _quotes_whole_fields(data: bytes, mark: bytes) -> bool:
    """Whether every quote opens or closes a field, half of them each."""
    quotes = data.count(b'"')
    if not quotes:
        return True
    opening = data.count(mark + b'"') + data.count(b'\n"') + data.startswith((b'"', BOM + b'"'))
    closing = sum(data.count(b'"' + end) for end in (mark, b"\n", b"\r")) + data.endswith(b'"')
    return opening == closing == quotes / 2


def _parse(
    data: bytes, separator: str, schema: dict[str, pl.DataType], rows: int | None = None
) -> pl.DataFrame | None:
    try:
        return pl.read_csv(
            data,
            separator=separator,
            schema=schema,
            null_values=list(MISSING),
            n_rows=rows,
        )
    except (pl.exceptions.PolarsError, ValueError):
        return None
