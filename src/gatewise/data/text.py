"""Text in: bytes of a file, decoded, or one clear message."""

import os
from pathlib import Path
from typing import Any

from gatewise.data.errors import DataError

LONGEST_NAME = 1_000
"""A longer text is not looked up as a file's name."""


def read_text(source: Any, *, encoding: str | None = None) -> str:
    """Give the text of a ``.txt`` file, or a text that is given as it is.

    Args:
        source: a path; a ``str`` of one line that names a file, or ends in ``.txt``, is one too,
            any other ``str`` is the text itself.
        encoding: of the file; None is UTF-8, with or without a byte order mark.

    Raises:
        DataError: several files or a folder, no such file, no text, or another encoding.
    """
    if isinstance(source, str) and not _is_file_name(source):
        if not source:
            raise DataError("the text is empty")
        return source
    if isinstance(source, (list, tuple)):
        raise DataError(f"{len(source):,} texts or files; join them into one text")
    if not isinstance(source, (str, os.PathLike)):
        raise DataError(f"not a text and not a path: {type(source).__name__}")
    path = Path(source)
    if path.is_dir():
        raise DataError("a folder, not a file; join its texts into one .txt file", name=str(path))
    name = path.name
    return decode(read_bytes(path), name, encoding, what="text").replace("\r\n", "\n")


def read_bytes(path: Path) -> bytes:
    """Give a file's bytes; `DataError` where it cannot be read."""
    if path.is_dir():
        raise DataError("a directory, not a file", name=str(path))
    if not path.exists():
        raise DataError("no such file", name=str(path))
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", name=str(path)) from None


def decode(
    data: bytes,
    name: str,
    encoding: str | None = None,
    what: str = "table; read are CSV, TSV (also gzipped) and Parquet",
) -> str:
    """Decode a file's bytes, without a byte order mark.

    Args:
        data: the bytes.
        name: for messages.
        encoding: None is UTF-8.
        what: what a binary file is told not to be.

    Raises:
        DataError: empty, binary, or not in this encoding.
    """
    if not data.strip():
        raise DataError("the file is empty", name=name)
    if encoding is None:
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(
                "the text is UTF-16; save it as UTF-8, or say encoding='utf-16' "
                "(--encoding utf-16)",
                name=name,
            )
        if b"\0" in data:
            raise DataError(f"a binary file, not a {what}", name=name)
    try:
        return data.decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except UnicodeError as error:
        raise _not_decoded(data, name, encoding, error) from None


def _not_decoded(data: bytes, name: str, encoding: str | None, error: UnicodeError) -> DataError:
    if not isinstance(error, UnicodeDecodeError):
        return DataError(f"the text is not {encoding}: {error}", name=name)
    row = data.count(b"\n", 0, error.start) + 1
    way_out = (
        "say encoding='cp1252' (--encoding cp1252; Windows) or 'latin-1', or save the file as UTF-8"
        if encoding is None
        else "say another encoding"
    )
    return DataError(
        f"byte 0x{data[error.start]:02X} (the file's byte {error.start + 1:,}) is not "
        f"{encoding or 'UTF-8'}; {way_out}",
        name=name,
        row=row,
    )


def _is_file_name(text: str) -> bool:
    if len(text) > LONGEST_NAME or "\n" in text:
        return False
    return text.endswith(".txt") or os.path.exists(text)
