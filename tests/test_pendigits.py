import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from pendigits import read_pendigits


@pytest.mark.parametrize(("part", "cases"), [("tra", 7494), ("tes", 3498)])
def test_pendigits_are_eight_points_and_a_digit(shared_data: Path, part: str, cases: int) -> None:
    path = shared_data / "classification" / f"pendigits.{part}"
    found = read_pendigits(path)
    assert (len(found), {value.shape for value in found.values}) == (cases, {(8, 2)})
    assert found.labels is not None
    assert sorted({*found.labels.tolist()}) == list(range(10))
    counts = np.bincount(found.labels)
    assert (counts.min(), counts.max()) == ((719, 780) if part == "tra" else (335, 364))
    with path.open() as file:
        first = [int(field) for field in file.readline().split(",")[:-1]]
    assert found.values[0].ravel().tolist() == first
