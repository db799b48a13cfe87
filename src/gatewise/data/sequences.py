"""Sequences of different lengths: with a label each, or with a label for every step."""

from dataclasses import dataclass, field

import numpy as np

from gatewise.data.counting import counted
from gatewise.data.errors import DataError


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

    def classes(self) -> np.ndarray:
        """Give the labels as classes (N,): text or whole numbers.

        Raises:
            DataError: there are none, or they are no classes.
        """
        labels = self._require_labels()
        if labels.dtype.kind != "f":
            return labels
        broken = labels[labels % 1 != 0]
        if len(broken):
            raise DataError(
                f"the labels are numbers such as {broken[0]:g}, not classes; take task 'regress'",
                name=self.name,
            )
        return labels.astype(int)

    def numbers(self) -> np.ndarray:
        """Give the labels as numbers (N,), also where they were read as text.

        Raises:
            DataError: there are none, or one is no number.
        """
        labels = self._require_labels()
        wrong = next((label for label in labels.tolist() if not _is_number(label)), None)
        if wrong is not None:
            raise DataError(
                f"the label {wrong!r} is no number; take task 'classify'", name=self.name
            )
        return labels.astype(float)

    def _require_labels(self) -> np.ndarray:
        if self.labels is None:
            raise DataError(
                "no labels found; name their column with label (--label), or the table of a folder "
                "with labels (--labels)",
                name=self.name,
            )
        return self.labels

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

    def labels(self) -> list[list[str]]:
        """Give the labels of each step.

        Raises:
            DataError: there are none.
        """
        if not any(self.tags):
            raise DataError(
                "no column of labels found; name it with label (--label), one label a row",
                name=self.name,
            )
        return self.tags


def _is_number(label: str | float) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True
