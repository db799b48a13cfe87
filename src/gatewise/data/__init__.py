"""Data in: tables read, checked, and put on regular times."""

from gatewise.data.columns import Columns
from gatewise.data.errors import DataError
from gatewise.data.frames import to_frame
from gatewise.data.future import read_future
from gatewise.data.panel import Panel, make_panel
from gatewise.data.tables import Table, read_table
from gatewise.data.times import Frequency

__all__ = [
    "Columns",
    "DataError",
    "Frequency",
    "Panel",
    "Table",
    "make_panel",
    "read_future",
    "read_table",
    "to_frame",
]
