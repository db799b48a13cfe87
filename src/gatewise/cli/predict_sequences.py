"""``gatewise predict`` with a model of sequences: a row a sequence, or a row a step."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import polars as pl

    from gatewise.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger


def predict_whole(
    model: "SequenceClassifier | SequenceRegressor", data: Path, say: Callable[[str], None]
) -> "pl.DataFrame":
    """Give a row a sequence: its id, and label and probabilities, or the number."""
    import polars as pl

    from gatewise.data.read_sequences import read_sequences
    from gatewise.estimators import SequenceClassifier
    from gatewise.estimators.sequence_input import read_as_in_fit

    found = read_sequences(data, **read_as_in_fit(model))
    for note in found.notes:
        say(note)
    columns: dict[str, Any] = {"id": found.ids}
    if isinstance(model, SequenceClassifier):
        probabilities = model.predict_proba(found.values)
        columns["label"] = model.classes_[probabilities.argmax(1)].tolist()
        for name, column in zip(model.classes_, probabilities.T, strict=True):
            columns[f"p_{name}"] = column
    else:
        columns["value"] = model.predict(found.values)
    return pl.DataFrame(columns)


def predict_steps(
    model: "SequenceTagger", data: Path, say: Callable[[str], None]
) -> "pl.DataFrame":
    """Give a row a step: the sequence's id, its number, word and label, and how sure that is."""
    import polars as pl

    from gatewise.data.tagged import read_tagged
    from gatewise.estimators.sequence_input import read_as_in_fit

    found = read_tagged(data, **read_as_in_fit(model))
    for note in found.notes:
        say(note)
    probabilities = model.predict_proba(found.items)
    lengths = [len(item) for item in found.items]
    columns: dict[str, Any] = {
        "id": np.repeat(np.array(found.ids, dtype=object), lengths).tolist(),
        "step": np.concatenate([np.arange(1, length + 1) for length in lengths]),
    }
    if isinstance(found.items[0], list):
        columns["word"] = [word for item in found.items for word in item]
    every = np.concatenate(probabilities)
    columns["label"] = model.classes_[every.argmax(1)].tolist()
    columns["probability"] = every.max(1)
    return pl.DataFrame(columns)
