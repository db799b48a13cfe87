"""Sequences from whatever holds them: the readers by kind of file."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from gatewise.data.columns import Names
from gatewise.data.errors import DataError
from gatewise.data.long_tables import read_long
from gatewise.data.reading import Reading
from gatewise.data.sequences import Sequences
from gatewise.data.sounds import read_sounds, sound_files
from gatewise.data.table_folder import read_table_folder, table_files
from gatewise.data.tables import read_table
from gatewise.data.ts_format import read_ts

READ = (
    "read are .ts files, CSV, TSV and Parquet with a row a step, a folder of such files with one "
    "sequence each, and a folder of WAV files"
)


def read_sequences(
    data: Any,
    *,
    label: str | None = None,
    series: str | None = None,
    time: Names = None,
    past: Names = None,
    labels: str | os.PathLike[str] | None = None,
    audio: str | None = None,
    reading: Reading | None = None,
) -> Sequences:
    """Read sequences to classify or to regress.

    Args:
        data: the path of a ``.ts`` file, a long table (a row a step; a data frame too), a folder of
            tables with one sequence each, a folder of WAV files, or one WAV file.
        label: the column of labels, one value a sequence; of the label table for a folder. None
            takes the one named label or class, if there is one.
        series: the id column; of the label table for a folder.
        time: the column to sort the steps by; None keeps the file's order.
        past: the features to take; None for all that are numbers.
        labels: the label table of a folder; None takes its ``labels.csv``, if there is one.
        audio: features of sound, ``"mfcc"`` (the default) or ``"logmel"``.
        reading: how tables are read, where that has to be told.

    Raises:
        DataError: whatever makes the data unusable, with file, row and column.
    """
    if isinstance(data, Sequences):
        return data
    path = Path(data) if isinstance(data, (str, os.PathLike)) else None
    options = {"label": label, "series": series, "time": time, "labels": labels, "audio": audio}
    if path is not None and path.is_dir():
        if sound_files(path):
            refuse_unread(path, options, "time", "a folder of WAV files")
            found = read_sounds(
                path, audio=audio, label=label, series=series, labels=_path(labels), reading=reading
            )
            return _chosen(found, past)
        if not table_files(path):
            raise DataError(f"a folder without a table or a WAV file in it; {READ}", name=str(path))
        refuse_unread(path, options, "audio", "a folder of tables")
        return read_table_folder(
            path,
            label=label,
            series=series,
            time=time,
            past=past,
            labels=_path(labels),
            reading=reading,
        )
    if path is not None and path.suffix.lower() == ".wav" and path.is_file():
        refuse_unread(path, options, "time", "a WAV file")
        found = read_sounds(
            path, audio=audio, label=label, series=series, labels=_path(labels), reading=reading
        )
        return _chosen(found, past)
    if path is not None and path.suffix.lower() == ".ts":
        refuse_unread(path, options, *options, "a .ts file")
        return _chosen(read_ts(path, encoding=reading.encoding if reading else None), past)
    refuse_unread(path, options, "labels", "audio", "one table")
    table = read_table(data, reading=reading)
    return read_long(table, label=label, series=series, time=time, past=past)


def _path(labels: str | os.PathLike[str] | None) -> Path | None:
    return None if labels is None else Path(labels)


def refuse_unread(path: Path | None, options: dict[str, Any], *names_and_kind: str) -> None:
    """Refuse options that this kind of data would leave unread."""
    *names, kind = names_and_kind
    given = next((name for name in names if options[name] is not None), None)
    if given is not None:
        raise DataError(
            f"{kind} has no use for {given} (--{given}); leave it out",
            name="data frame" if path is None else path.name,
        )


def _chosen(found: Sequences, past: Names) -> Sequences:
    """Only the named features."""
    if past is None:
        return found
    names = [past] if isinstance(past, str) else list(past)
    unknown = next((name for name in names if name not in found.features), None)
    if unknown is not None:
        listed = ", ".join(found.features[:20])
        raise DataError(
            f"no such feature; the features are: {listed}", name=found.name, column=unknown
        )
    if names == found.features:
        return found
    index = [found.features.index(name) for name in names]
    return replace(found, values=[value[:, index] for value in found.values], features=names)
