"""Sequences with a label for every step: sentences of words, or series of numbers."""

from dataclasses import dataclass, field

import numpy as np


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
