"""The task of a comparison, made from data and arguments."""

import os
from collections.abc import Mapping
from typing import Any

from gatewise.comparison.forecast_task import make_forecast_task
from gatewise.comparison.learning_tasks import make_learning_task
from gatewise.comparison.planning import ArgumentError, require_one_of
from gatewise.comparison.task import Made
from gatewise.data.errors import DataError
from gatewise.data.reading import READING_PARAMETERS, Reading

EXAMPLE = "the bundled example, hourly bike hires in Washington, 2011 and 2012"

_COLUMNS = ("target", "time", "series", "past", "future", "static", "frequency")
_SEQUENCES = ("label", "series", "time", "past", "labels", "audio")
PARTS = {
    "forecast": ("horizon", "lookback", "segment", *_COLUMNS),
    "classify": _SEQUENCES,
    "regress": _SEQUENCES,
    "tag": ("words", "label", "series", "time", "past"),
    "text": ("unit", "lines"),
}
"""The arguments of each task beside those that all share."""

TASKS = tuple(PARTS)


def make_task(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> Made:
    """Read the data and cut it into the folds of a task.

    Args:
        data: a data frame, lists or a path; None takes the bundled example.
        reading: how it is read, where that has to be told.
        common: arguments that all tasks share.
        parts: arguments of single tasks; those of others must be None or empty.

    Raises:
        DataError: if the data cannot be used.
        ArgumentError: for an argument out of its range, or one that the task has no use for.
    """
    kind = common["task"]
    require_one_of("task", kind, TASKS)
    if data is None and kind != "forecast":
        raise ArgumentError(f"task {kind!r} needs data: the bundled example is for forecasts")
    own = PARTS[kind]
    unread = [name for name, value in parts.items() if value and name not in own]
    if unread:
        raise ArgumentError(f"task {kind!r} has no use for {unread[0]}: leave it out")
    make = make_forecast_task if kind == "forecast" else make_learning_task
    return make(data, reading, common, {name: parts.get(name) for name in own})


def require_same_data(record: Mapping[str, Any], source: str | os.PathLike[str]) -> str:
    """Give the path of a run's data.

    Raises:
        DataError: if it was in memory, or the file is gone or has changed.
    """
    path = record["data"]["path"]
    if path is None:
        raise DataError(f"{source}: was made on a data frame in memory, which is not kept")
    arguments = flat_arguments(record)
    told = {name: arguments.pop(name) for name in READING_PARAMETERS if name in arguments}
    parts = {
        name: value
        for own in PARTS.values()
        for name in own
        if (value := arguments.pop(name, None)) is not None
    }
    made = make_task(path, Reading.of(**told), arguments, parts)
    if made.sha256 != record["data"]["sha256"]:
        raise DataError(f"{path}: has changed since the run in {source}: compare it anew")
    return path


def flat_arguments(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run's arguments as ``compare`` takes them."""
    arguments = dict(record["arguments"])
    return {**arguments.pop("columns", {}), **arguments}
