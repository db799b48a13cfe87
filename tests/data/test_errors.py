import pickle

import pytest

from gatewise.data import DataError


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({}, "wrong"),
        ({"name": "a.csv"}, "a.csv: wrong"),
        ({"name": "a.csv", "row": 1234, "column": "y"}, "a.csv, row 1,234, column 'y': wrong"),
        ({"column": "y"}, "column 'y': wrong"),
    ],
)
def test_data_error_names_the_place(place: dict, text: str) -> None:
    assert str(DataError("wrong", **place)) == text
    assert issubclass(DataError, ValueError)


def test_data_error_survives_another_process() -> None:
    error = pickle.loads(pickle.dumps(DataError("wrong", name="a.csv", row=3, column="y")))
    assert (str(error), error.row, error.column) == ("a.csv, row 3, column 'y': wrong", 3, "y")
