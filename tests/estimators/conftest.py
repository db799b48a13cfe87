from collections.abc import Iterator

import polars as pl
import pytest
import torch
from small import HORIZON, quick
from tables import hourly

from gatewise import Forecaster


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, and much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def table() -> pl.DataFrame:
    """Two weeks of hours, with gaps in the target."""
    return hourly(336, gaps=True)


@pytest.fixture(scope="session")
def fitted(table: pl.DataFrame) -> Forecaster:
    """Trained on ``table`` with one column known in the future; not to be changed."""
    return quick(future=["open"]).fit(table)


@pytest.fixture(scope="session")
def ahead() -> pl.DataFrame:
    """The known-future column of the hours behind ``table``."""
    return hourly(336 + HORIZON).select("time", "open").tail(HORIZON)
