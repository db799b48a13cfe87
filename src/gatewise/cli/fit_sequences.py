"""``gatewise fit --task classify|regress|tag``: a model of whole sequences, or of their steps."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gatewise.cli.options import Task, say, say_nothing

if TYPE_CHECKING:
    from gatewise.data.sequences import Sequences

_TRAINED = (
    *("data", "out", "cell", "hidden", "steps", "seed", "quiet"),
    *("device", "precision", "compile", "tensorboard"),
)
_FOUND = ("label", "series", "time", "past")

SEQUENCE_OPTIONS = {
    Task.classify: (*_TRAINED, *_FOUND, "labels", "audio"),
    Task.regress: (*_TRAINED, *_FOUND, "labels", "audio"),
    Task.tag: (*_TRAINED, *_FOUND, "words"),
}
"""Options of ``fit`` that each task has a use for."""

_Read = tuple[Any, Any, list[str], dict[str, Any]]
"""Sequences, labels, notes, and how to read such data again."""

SEQUENCES_ALONE = ("label", "labels", "audio", "words")
"""Options that no other task has a use for."""


def fit_sequences(
    task: Task,
    data: Path | None,
    out: Path,
    reading: dict[str, Any],
    *,
    quiet: bool,
    **parameters: Any,
) -> bool:
    """Train on the file or folder ``data``, read as ``reading`` says, and write to ``out``.

    Returns:
        Whether Ctrl-C ended the training.
    """
    if data is None:
        raise typer.BadParameter(f"--task {task.value} wants DATA, a file or a folder")
    from gatewise.cli.fitting import fit_and_save
    from gatewise.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger
    from gatewise.training import process_number

    kinds = {
        Task.classify: SequenceClassifier,
        Task.regress: SequenceRegressor,
        Task.tag: SequenceTagger,
    }
    read = _read_tagged if task is Task.tag else partial(_read_whole, task)
    items, truth, notes, found = read(data, reading)
    kept = {name: reading.get(name) for name in ("series", "time")}
    tell = say_nothing if quiet or process_number() else say
    for note in notes:
        tell(note)
    model = kinds[task](progress=False if quiet else None, **parameters)
    model.reading_ = {**kept, **found}
    interrupted = fit_and_save(model, items, out, tell, truth)
    for note in model.notes_:
        tell(note)
    tell(f"{model.cell.upper()}, {model.model_.parameters:,} parameters: {out}")
    return interrupted


def _read_whole(task: Task, data: Path, reading: dict[str, Any]) -> _Read:
    from gatewise.data.read_sequences import read_sequences

    found = read_sequences(data, **reading)
    kept = {"past": found.features, "audio": reading.get("audio")}
    return found.values, _labels(found, task), found.notes, kept


def _read_tagged(data: Path, reading: dict[str, Any]) -> _Read:
    from gatewise.data import DataError
    from gatewise.data.tagged import read_tagged

    found = read_tagged(data, **reading)
    if not any(found.tags):
        raise DataError(
            "no column of labels found; name it with --label, one label a row", name=found.name
        )
    past = None if isinstance(found.items[0], list) else found.features
    return found.items, found.tags, found.notes, {"past": past, "words": reading.get("words")}


def _labels(found: "Sequences", task: Task) -> Any:
    """The labels as the task wants them: numbers to regress, whole numbers or text to classify."""
    from gatewise.data import DataError

    labels = found.labels
    if labels is None:
        raise DataError(
            "no labels found; name the column with --label, or the table of a folder with --labels",
            name=found.name,
        )
    if task is Task.regress and labels.dtype == object:
        return _as_numbers(found)
    if task is Task.classify and labels.dtype.kind == "f":
        if (labels % 1).any():
            raise DataError(
                f"the labels are numbers such as {labels[labels % 1 != 0][0]:g}, not classes; "
                "take --task regress",
                name=found.name,
            )
        return labels.astype(int)
    return labels


def _as_numbers(found: "Sequences") -> Any:
    """Labels that were read as text, as numbers."""
    from gatewise.data import DataError

    labels = found.labels
    try:
        return None if labels is None else labels.astype(float)
    except ValueError:
        wrong = next(label for label in labels.tolist() if not _is_number(label))  # type: ignore[union-attr]
        raise DataError(
            f"the label {wrong!r} is no number; take --task classify", name=found.name
        ) from None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
