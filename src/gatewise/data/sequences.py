"""Sequences of different lengths: with a label each, or with a label for every step."""

from dataclasses import dataclass, field

import numpy as np

from gatewise.data.counting import counted


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
        least = "" if len({*lengths}) == 1 else f"{min(lengths):,} to "
        return (
            f"{self.name}: {counted(len(self), 'sequence')} of {least}"
            f"{counted(max(lengths), 'step')}, {counted(len(self.features), 'feature')}"
        )


@dataclass
class Tagged:
    """Sequences with a label per step, as they were read.

    Attributes:
        name: of the file, or "data frame": for messages.
        items: N sequences: lists of words, or arrays (T_i, F), float32, NaN where missing.
        tags: N lists of labels, one for each step.
        ids: the sequences' names, N of them.
        features: the names of the F columns; of one column for words.
        notes: what was found and done while reading, one line each.
    """

    name: str
    items: list[list[str]] | list[np.ndarray]
    tags: list[list[str]]
    ids: list[str]
    features: list[str]
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tags)
