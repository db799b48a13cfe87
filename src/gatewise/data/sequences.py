"""Sequences of different lengths, each with at most one label."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Sequences:
    """Sequences to classify or to regress, as they were read.

    Attributes:
        name: of the file or the folder, or "data frame": for messages.
        values: one array (T_i, F) a sequence, N of them, float32, NaN where missing.
        labels: (N,) text (dtype object) or float64; None where there are none.
        ids: the sequences' names, N of them.
        features: the names of the F columns.
        notes: what was found and done while reading, one line each.
    """

    name: str
    values: list[np.ndarray]
    labels: np.ndarray | None
    ids: list[str]
    features: list[str]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def describe(self) -> str:
        """One line: how many sequences, how long, how many features."""
        lengths = [len(value) for value in self.values]
        steps = f"{lengths[0]:,}" if len({*lengths}) == 1 else f"{min(lengths):,} to {max(lengths):,}"
        plural = "s" if len(self.features) > 1 else ""
        return (
            f"{self.name}: {len(self):,} sequences of {steps} steps, "
            f"{len(self.features):,} feature{plural}"
        )
