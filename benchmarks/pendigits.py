"""UCI's Pen Digits as sequences: a row a digit, eight points x, y, then which digit it is."""

from pathlib import Path

import numpy as np

from gatewise.data import Sequences

STEPS = 8


def read_pendigits(path: Path) -> Sequences:
    """Read ``pendigits.tra`` or ``pendigits.tes``: sequences (8, 2), labels (N,) int64.

    The digit is the last field: itself, or the place of the 1 among ten zeros and ones.
    """
    rows = [line.split(",") for line in path.read_text().split()]
    points = np.array([row[:-1] for row in rows], dtype=np.float32).reshape(len(rows), STEPS, 2)
    labels = np.array([row[-1].index("1") if len(row[-1]) == 10 else int(row[-1]) for row in rows])
    ids = [str(number) for number in range(1, len(rows) + 1)]
    return Sequences(path.name, list(points), labels, ids, ["x", "y"])
