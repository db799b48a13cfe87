"""UCI's Pen Digits as sequences: a row a digit, eight points x, y, then which digit it is."""

from pathlib import Path

import numpy as np

from gatewise.data import Sequences

STEPS = 8


def read_pendigits(path: Path) -> Sequences:
    """Read ``pendigits.tra`` or ``pendigits.tes``: sequences (8, 2), labels int64."""
    rows = np.loadtxt(path, delimiter=",", dtype=np.int64)
    points = rows[:, :-1].reshape(len(rows), STEPS, 2).astype(np.float32)
    ids = [str(number) for number in range(1, len(rows) + 1)]
    return Sequences(path.name, list(points), rows[:, -1], ids, ["x", "y"])
