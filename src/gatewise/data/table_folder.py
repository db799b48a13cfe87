"""A folder of tables, each file one sequence."""

from pathlib import Path

from gatewise.data.columns import Names
from gatewise.data.errors import DataError
from gatewise.data.labels import LABEL_FILE, find_label_table, read_labels
from gatewise.data.long_tables import find_rows
from gatewise.data.reading import Reading
from gatewise.data.sequences import Sequences
from gatewise.data.tables import read_table

ENDINGS = (".csv", ".tsv", ".parquet", ".pq")


def table_files(folder: Path) -> list[Path]:
    """The tables of a folder in order of their names, without its label table."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    return [path for path in found if path.name != LABEL_FILE]


def read_table_folder(
    folder: Path,
    *,
    label: str | None = None,
    series: str | None = None,
    time: Names = None,
    past: Names = None,
    labels: str | Path | None = None,
    reading: Reading | None = None,
) -> Sequences:
    """Read a folder of CSV, TSV or Parquet files, each one sequence, all with the same columns.

    Args:
        folder: its files' names without ending are the ids.
        label, series: the columns of labels and of files' names in the label table.
        time: the column to sort each file's rows by.
        past: the columns of values; None for all of the first file that hold numbers.
        labels: the label table; None takes ``labels.csv`` in the folder or beside it, if there.
        reading: how the tables are read.
    """
    beside = Path(labels) if labels is not None else find_label_table(folder)
    files = table_files(folder)
    if beside is not None:
        files = [path for path in files if path.resolve() != beside.resolve()]
    if not files:
        raise DataError("no tables in the folder besides the label table", name=str(folder))
    ids = [path.stem for path in files]
    twice = next((name for name in ids if ids.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"two files are named {twice!r}; keep one", name=str(folder))
    found = Sequences(folder.name, [], None, ids, [])
    for path in files:
        table = read_table(path, reading=reading)
        if past is None:  # what the first file has, the others must have
            rows = find_rows(table, label=None, series=None, time=time, past=None, several=False)
            past = rows.features
            found.notes += [f"{path.name}: {note}" for note in rows.notes]
        else:
            rows = find_rows(table, label=None, series=None, time=time, past=past, several=False)
        if len(rows.ids) > 1:
            raise table.error(
                "a file with an id column in a folder of files, where each file is one sequence; "
                "join the files into one table"
            )
        found.values += rows.values()
        found.features = rows.features
    found.notes.append(found.describe())
    if beside is not None:
        found.labels, notes = read_labels(beside, ids, label=label, series=series, reading=reading)
        found.notes += notes
    return found
