"""Data in: tables read, checked, and put on regular times."""

from .columns import Columns
from .errors import DataError
from .frames import to_frame
from .future import read_future
from .panel import Panel, make_panel
from .tables import Table, read_table
from .times import Frequency

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
