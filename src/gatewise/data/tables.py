"""A table from a file or from the caller's data frame."""

import gzip
import hashlib
import io
import os
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from gatewise.data.delimited import read_delimited
from gatewise.data.errors import DataError
from gatewise.data.frames import from_native
from gatewise.data.reading import Reading
from gatewise.data.text import read_bytes
from gatewise.data.tidy import drop_empty, replace_codes

SLICE = 100_000
READ = "read are CSV, TSV (also gzipped) and Parquet"
OTHER_FORMATS = {
    ".xlsx": "an Excel workbook",
    ".xls": "an Excel workbook",
    ".ods": "a spreadsheet",
    ".json": "JSON",
    ".jsonl": "JSON",
    ".zip": "a zip archive",
}


@dataclass(frozen=True)
class Table:
    """Rows and columns as they were given.

    Attributes:
        frame: the values, typed.
        name: the file's name, or "data frame": for messages.
        first_row: the file's row that holds the first record (2 after a header; 1 for Parquet and
            data frames).
        notes: what was found while reading, one line each.
        sha256: of the file's bytes; of the values of a data frame.
        rows: the file's row of each record (N,), where known.
        frame_type: the caller's kind of data frame; None for files.
        reading: how it was read, as far as that was told.
    """

    frame: pl.DataFrame
    name: str
    first_row: int = 1
    notes: list[str] = field(default_factory=list)
    sha256: str = ""
    rows: np.ndarray | None = None
    frame_type: nw.Implementation | None = None
    reading: Reading = field(default_factory=Reading)

    def row(self, index: int) -> int:
        """The file's row of the record at `index` (from 0)."""
        return int(self.rows[index]) if self.rows is not None else self.first_row + int(index)

    def error(
        self, problem: str, *, index: int | None = None, column: str | None = None
    ) -> DataError:
        """A `DataError` that names this table, and the row of the record at `index`."""
        row = None if index is None else self.row(index)
        return DataError(problem, name=self.name, row=row, column=column)


def read_table(
    source: Any, *, separator: str | None = None, reading: Reading | None = None
) -> Table:
    """Reads a file, or takes a data frame.

    Args:
        source: path of a CSV or TSV file (`.gz` too) or a Parquet file; or a data frame of pandas,
            Polars, Arrow or another library that Narwhals knows.
        separator: of a text file; None to find it among `,` `;` tab `|`.
        reading: decimal mark, encoding, missing codes and what else has to be told.

    Raises:
        DataError: the file is missing, empty, of another format, or damaged.
    """
    if isinstance(source, Table):
        return source
    reading = reading or Reading()
    if isinstance(source, (str, os.PathLike)):
        table = _read_file(Path(source), separator, reading)
    else:
        frame, frame_type = from_native(source)
        name = "data frame"
        if frame.height == 0:
            raise DataError("no rows of data", name=name)
        notes = [f"{name}: {frame.height:,} rows, {frame.width:,} columns"]
        table = Table(frame, name, 1, notes, _hash(frame), frame_type=frame_type)
    return _tidied(replace(table, reading=reading))


def _tidied(table: Table) -> Table:
    """Without rows and nameless columns that hold nothing, and with codes turned into missing."""
    frame, keep, notes = drop_empty(table.frame, table.row, table.name)
    rows = table.rows
    if keep is not None:
        rows = np.flatnonzero(keep) + table.first_row if rows is None else rows[keep]
    if table.reading.missing:
        frame, told = replace_codes(frame, table.reading.missing)
        notes.append(told)
    return replace(table, frame=frame, rows=rows, notes=[*table.notes, *notes])


def _read_file(path: Path, separator: str | None, reading: Reading) -> Table:
    name = path.name or str(path)
    data = _read_bytes(path, name)
    sha256 = hashlib.sha256(data).hexdigest()
    if data.startswith(b"\x1f\x8b") or path.suffix == ".gz":
        data = _decompress(data, name)
    if data.startswith(b"PAR1") or path.suffix in (".parquet", ".pq"):
        frame = _read_parquet(data, name)
        notes = [f"{name}: {frame.height:,} rows, {frame.width:,} columns"]
        return Table(frame, name, 1, notes, sha256)
    frame, rows, notes = read_delimited(
        data, name, separator, decimal=reading.decimal, encoding=reading.encoding
    )
    return Table(frame, name, 2 if rows is None else int(rows[0]), notes, sha256, rows=rows)


def _read_bytes(path: Path, name: str) -> bytes:
    other = OTHER_FORMATS.get(path.suffix.lower())
    if path.is_dir():
        raise DataError(f"a directory, not a file; {READ}", name=str(path))
    if other and path.exists():
        raise DataError(f"{other}, which is not read; save it as CSV ({READ})", name=name)
    return read_bytes(path)


def _decompress(data: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"the gzip data is truncated or damaged ({error}); fetch the file again", name=name
        ) from None


def _read_parquet(data: bytes, name: str) -> pl.DataFrame:
    try:
        frame = pl.read_parquet(io.BytesIO(data))
    except Exception as error:  # Polars raises many kinds, OSError to ComputeError
        reason = str(error).splitlines()[0]
        raise DataError(
            f"the Parquet data is truncated or damaged ({reason}); fetch the file again", name=name
        ) from None
    if frame.height == 0:
        raise DataError("no rows of data", name=name)
    return frame


def _hash(frame: pl.DataFrame) -> str:
    """SHA-256 of names and values, written as CSV a slice at a time."""
    plain = frame.select(pl.exclude(pl.List, pl.Struct, pl.Object, pl.Binary))
    digest = hashlib.sha256()
    for start in range(0, max(1, plain.height), SLICE):
        text = plain.slice(start, SLICE).write_csv(include_header=start == 0)
        digest.update(text.encode())
    return digest.hexdigest()
