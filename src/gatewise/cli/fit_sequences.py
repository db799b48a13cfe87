"""``gatewise fit --task classify|regress|tag``: a model of whole sequences, or of their steps."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gatewise.cli.options import Task, say, say_nothing

if TYPE_CHECKING:
    from gatewise.data.sequences import Sequences

_TRAINED = ("data", "out", "cell", "hidden", "steps", "device", "seed", "quiet")
_FOUND = ("label", "series", "time", "past")

SEQUENCE_OPTIONS = {
    Task.classify: (*_TRAINED, *_FOUND, "labels", "audio"),
    Task.regress: (*_TRAINED, *_FOUND, "labels", "audio"),
    Task.tag: (*_TRAINED, *_FOUND, "words"),
}
"""Options of ``fit`` that each task has a use for."""

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
) -> None:
    """Train on the file or folder ``data``, read as ``reading`` says, and write to ``out``."""
    if data is None:
        raise typer.BadParameter(f"--task {task.value} wants DATA, a file or a folder")
    from gatewise.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger

    tell = say_nothing if quiet else say
    shown: dict[str, Any] = {"progress": False} if quiet else {}
    run = {**shown, **parameters}
    model: SequenceClassifier | SequenceRegressor | SequenceTagger
    kept = {name: reading.get(name) for name in ("series", "time")}
    if task is Task.tag:
        model, notes, kept = _fit_tagger(SequenceTagger(**run), data, reading, kept)
    else:
        kind = SequenceClassifier if task is Task.classify else SequenceRegressor
        model, notes, kept = _fit_whole(kind(**run), task, data, reading, kept)
    model.reading_ = kept
    model.save(out)
    for note in (*notes, *model.notes_):
        tell(note)
    tell(f"{model.cell.upper()}, {model.model_.parameters:,} parameters: {out}")


def _fit_whole(
    model: Any, task: Task, data: Path, reading: dict[str, Any], kept: dict[str, Any]
) -> tuple[Any, list[str], dict[str, Any]]:
    from gatewise.data.read_sequences import read_sequences

    found = read_sequences(data, **reading)
    model.fit(found.values, _labels(found, task))
    return model, found.notes, {**kept, "past": found.features, "audio": reading.get("audio")}


def _fit_tagger(
    model: Any, data: Path, reading: dict[str, Any], kept: dict[str, Any]
) -> tuple[Any, list[str], dict[str, Any]]:
    from gatewise.data import DataError
    from gatewise.data.tagged import read_tagged

    found = read_tagged(data, **reading)
    if not any(found.tags):
        raise DataError(
            "no column of labels found; name it with --label, one label a row", name=found.name
        )
    model.fit(found.items, found.tags)
    reads_words = isinstance(found.items[0], list)
    past = None if reads_words else found.features
    return model, found.notes, {**kept, "past": past, "words": reading.get("words")}


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
