"""Data in: tables read, checked, and put on regular times; sequences, words and text."""

from gatewise.data.columns import Columns
from gatewise.data.errors import DataError
from gatewise.data.frames import to_frame
from gatewise.data.future import read_future
from gatewise.data.panel import Panel, make_panel
from gatewise.data.read_sequences import read_sequences
from gatewise.data.reading import Reading
from gatewise.data.sequences import Sequences, Tagged
from gatewise.data.tables import Table, read_table
from gatewise.data.tagged import read_tagged
from gatewise.data.text import read_text
from gatewise.data.times import Frequency

__all__ = [
    "Columns",
    "DataError",
    "Frequency",
    "Panel",
    "Reading",
    "Sequences",
    "Table",
    "Tagged",
    "make_panel",
    "read_future",
    "read_sequences",
    "read_table",
    "read_tagged",
    "read_text",
    "to_frame",
]
