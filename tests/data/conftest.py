from collections.abc import Callable
from pathlib import Path

import pytest

from gatewise.data import Table, read_table


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str], Table]:
    """Reads CSV text as the file `small.csv`."""

    def read_text(text: str) -> Table:
        path = tmp_path / "small.csv"
        path.write_text(text, encoding="utf-8")
        return read_table(path)

    return read_text
