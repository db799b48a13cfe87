"""What ``gatewise fit`` fits for each task, and which of its options the task reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from gatewise.cli.fitting import Work
from gatewise.cli.options import Task

_TRAINED = (
    *("data", "out", "cell", "hidden", "steps", "seed", "quiet"),
    *("device", "precision", "compile", "tensorboard"),
)


def options_of(task: Task) -> tuple[str, ...]:
    """Name the options of ``fit`` that a task has a use for."""
    return (*_TRAINED, *parts_of(task))


def parts_of(task: Task) -> tuple[str, ...]:
    """Name those of them that say what the data is."""
    from gatewise.comparison.tasks import PARTS
    from gatewise.data.reading import READING_PARAMETERS

    reading = () if task is Task.text else READING_PARAMETERS
    return (*PARTS[task.value], *reading)


def make_work(
    task: Task, data: Path, parts: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Work:
    """Read the data of a task and make its estimator.

    Args:
        task: what is learnt.
        data: a file or a folder.
        parts: the task's own options by name; None where they were not given.
        parameters: of the estimator: the cell, the training, where and how it runs.
    """
    given = {name: value for name, value in parts.items() if value is not None}
    if task is Task.forecast:
        return _forecast(data, given, parameters)
    if task is Task.text:
        return _text(data, given, parameters)
    return _sequences(task, data, given, parameters)


def _forecast(data: Path, given: Mapping[str, Any], parameters: Mapping[str, Any]) -> Work:
    from gatewise.estimators import Forecaster

    if "horizon" not in given:
        raise typer.BadParameter("--horizon is needed: how many steps to forecast")
    return Work(Forecaster(**given, **parameters), data)


def _text(data: Path, given: Mapping[str, Any], parameters: Mapping[str, Any]) -> Work:
    from gatewise.estimators import LanguageModel

    return Work(LanguageModel(**given, **parameters), data)


def _sequences(
    task: Task, data: Path, given: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Work:
    from gatewise.data import Reading
    from gatewise.data.read_sequences import read_sequences
    from gatewise.data.reading import READING_PARAMETERS
    from gatewise.data.tagged import read_tagged
    from gatewise.estimators import SequenceClassifier, SequenceRegressor, SequenceTagger

    told = {name: given[name] for name in READING_PARAMETERS if name in given}
    parts = {name: value for name, value in given.items() if name not in told}
    reading = Reading.of(**told)
    model: Any
    items: Any
    truth: Any
    if task is Task.tag:
        tagged = read_tagged(data, **parts, reading=reading)
        items, truth, notes = tagged.items, tagged.labels(), tagged.notes
        model = SequenceTagger(**parameters)
        features = None if isinstance(items[0], list) else tagged.features
    else:
        found = read_sequences(data, **parts, reading=reading)
        is_class = task is Task.classify
        items, truth = found.values, found.classes() if is_class else found.numbers()
        notes, features = found.notes, found.features
        model = (SequenceClassifier if is_class else SequenceRegressor)(**parameters)
    kept = {name: parts.get(name) for name in ("series", "time", "audio", "words") if name in parts}
    model.reading_ = {**kept, "past": features, **told}
    return Work(model, items, truth, notes)
