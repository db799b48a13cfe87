"""The text format of the UEA and UCR archives: ``.ts``, one sequence a line.

``#`` starts a comment, ``@`` a header; after ``@data`` channels are split by ``:``, values by
``,``, and the last field is the class, or the number where the header has ``@targetLabel true``.
Source: the format's description by the archive, www.timeseriesclassification.com.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gatewise.data.errors import DataError
from gatewise.data.sequences import Sequences
from gatewise.data.text import decode, read_bytes


@dataclass
class _Header:
    """What the headers tell: the classes by name, or numbers, or no label at all."""

    classes: list[str] | None = None
    target: bool = False
    dimensions: int | None = None

    @property
    def labelled(self) -> bool:
        return self.target or self.classes is not None


def read_ts(path: str | os.PathLike[str], *, encoding: str | None = None) -> Sequences:
    """Read a ``.ts`` file: classes as text, or float64 where the header has ``@targetLabel true``.

    Lengths may differ between sequences; ``?`` and ``NaN`` are missing.

    Raises:
        DataError: time stamps, channels of one sequence that differ in length, a value that is no
            number, an unknown class, no data.
    """
    path = Path(path)
    name = path.name
    lines = decode(read_bytes(path), name, encoding, what="text of the .ts format").splitlines()
    header, first = _read_header(lines, name)
    values, labels = [], []
    for row, line in enumerate(lines[first:], start=first + 1):
        case = line.strip()
        if not case or case.startswith("#"):
            continue
        channels = case.split(":")
        if header.labelled:
            labels.append(_label(channels.pop().strip(), header, name, row))
        values.append(_values(channels, header, name, row))
        header.dimensions = header.dimensions or len(channels)
    if not values:
        raise DataError("no sequences after @data", name=name)
    width = values[0].shape[1]
    found = Sequences(
        name=name,
        values=values,
        labels=_label_array(labels, header),
        ids=[str(number) for number in range(1, len(values) + 1)],
        features=[f"channel {number}" for number in range(1, width + 1)],
    )
    found.notes = [found.describe()]
    return found


def _read_header(lines: list[str], name: str) -> tuple[_Header, int]:
    """The header, and the index of the first line behind ``@data``."""
    header = _Header()
    for index, line in enumerate(lines):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if not words[0].startswith("@"):
            raise DataError("data before a line @data", name=name, row=index + 1)
        key, told = words[0].lower(), [word.lower() for word in words[1:2]] == ["true"]
        if key == "@data":
            return header, index + 1
        if key == "@timestamps" and told:
            raise DataError(
                "sequences with time stamps (@timestamps true) are not read; bring them to a "
                "regular step, or write a long table (CSV) with id, time and values",
                name=name,
                row=index + 1,
            )
        if key == "@classlabel" and told:
            header.classes = words[2:]
        elif key == "@targetlabel":
            header.target = told
        elif key in ("@dimensions", "@dimension") and len(words) > 1 and words[1].isdigit():
            header.dimensions = int(words[1])
    raise DataError("no line @data, so not a .ts file of the UEA and UCR archives", name=name)


def _values(channels: list[str], header: _Header, name: str, row: int) -> np.ndarray:
    """The values (T, F) of one line."""
    if header.dimensions is not None and len(channels) != header.dimensions:
        raise DataError(
            f"{len(channels)} channels, where {header.dimensions} are expected", name=name, row=row
        )
    columns = [_channel(text, number, name, row) for number, text in enumerate(channels, start=1)]
    for number, column in enumerate(columns, start=1):
        if len(column) != len(columns[0]):
            raise DataError(
                f"channel {number} has {len(column):,} values, channel 1 has {len(columns[0]):,}; "
                "all channels of one sequence need the same length",
                name=name,
                row=row,
            )
    return np.stack(columns, axis=1)


def _channel(text: str, number: int, name: str, row: int) -> np.ndarray:
    """One channel's values (T,)."""
    fields = text.replace("?", "nan").split(",")
    try:
        values = np.array(fields, dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if not len(values) or np.isinf(values).any():
        bad = next(field for field in fields if not _is_number(field))
        raise DataError(
            f"{bad.strip()!r} in channel {number} is no number; a missing value is written ?",
            name=name,
            row=row,
        )
    return values.astype(np.float32)


def _is_number(field: str) -> bool:
    try:
        return not np.isinf(float(field))
    except ValueError:
        return False


def _label(text: str, header: _Header, name: str, row: int) -> str:
    if header.target:
        if not _is_number(text) or text.lower() == "nan":
            raise DataError(f"the target must be a number, got {text!r}", name=name, row=row)
    elif header.classes and text not in header.classes:
        raise DataError(
            f"the class {text!r} is not among those of @classLabel: {', '.join(header.classes)}",
            name=name,
            row=row,
        )
    return text


def _label_array(labels: list[str], header: _Header) -> np.ndarray | None:
    if not header.labelled:
        return None
    return np.array(labels, dtype=np.float64 if header.target else object)
