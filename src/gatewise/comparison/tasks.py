"""The task of a comparison, made from data and arguments."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

import numpy as np

from gatewise.comparison.folds import Fold, cut_folds, leave_out_unseen, require_truth
from gatewise.comparison.forecast_task import ForecastTask
from gatewise.comparison.metrics import METRICS, naive_scales
from gatewise.comparison.planning import require_least, require_one_of
from gatewise.comparison.task import Task
from gatewise.data.errors import DataError
from gatewise.data.panel import Panel, make_panel
from gatewise.data.reading import READING_PARAMETERS, Reading
from gatewise.data.tables import read_table
from gatewise.estimators.defaults import default_horizon, default_lookback, default_segment
from gatewise.training import TrainingOptions

EXAMPLE = "the bundled example, hourly bike hires in Washington, 2011 and 2012"
_EXAMPLE_PARTS = {
    "target": "users",
    "time": "date_time",
    "future": ("holiday", "workingday"),
}
"""What the bundled bike-sharing table is compared with when no data is given."""

_TEST_WINDOWS = 4_000  # a fold, about; more origins are thinned by a stride


@dataclass(frozen=True)
class Made:
    """A task, and what the run folder keeps to know it again.

    Attributes:
        task: data in folds.
        arguments: all that decided it, defaults filled in; plain JSON values.
        name, sha256: of the data.
        path: of the data's file, None for data in memory.
        notes: what was left out of the folds.
    """

    task: Task
    arguments: dict[str, Any]
    name: str
    sha256: str
    notes: list[str]


def make_task(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> Made:
    """Read the data and cut it into the folds of a task.

    Args:
        data: a data frame or a path; None takes the bundled example.
        reading: how it is read, where that has to be told.
        common: arguments that all tasks share.
        parts: arguments of this task.

    Raises:
        DataError: if the data cannot be used.
        ValueError: for an argument out of its range, or one that the task has no use for.
    """
    makers = {"forecast": make_forecast_task}
    require_one_of("task", common["task"], tuple(makers))
    return makers[common["task"]](data, reading, common, parts)


def make_forecast_task(
    data: Any, reading: Reading, common: Mapping[str, Any], parts: Mapping[str, Any]
) -> Made:
    """Read a table, put it on regular times, and cut it into folds of time."""
    parts = dict(parts)
    if data is None:
        data = str(files("gatewise.data") / "bundled" / "bike_sharing.parquet")
        parts |= {name: parts.get(name) or part for name, part in _EXAMPLE_PARTS.items()}
    horizon, lookback, segment = (parts.pop(n) for n in ("horizon", "lookback", "segment"))
    table = read_table(data, reading=reading)
    panel = make_panel(table, **parts)
    horizon = default_horizon(panel.frequency) if horizon is None else horizon
    lookback = default_lookback(panel.frequency, horizon) if lookback is None else lookback
    arguments = {
        **common,
        "steps": common["steps"] or TrainingOptions.steps,
        "horizon": horizon,
        "lookback": lookback,
        "segment": default_segment(lookback) if segment is None else segment,
        "columns": asdict(panel.columns),
        "frequency": str(panel.frequency),
        "metric": common["metric"] or ("mae" if len(panel) == 1 else "mase"),
    }
    require_least(arguments, {"horizon": 1, "lookback": 2, "segment": 1})
    require_one_of("metric", arguments["metric"], tuple(METRICS))
    lengths = [len(times) for times in panel.times]
    cut = cut_folds(lengths, common["folds"], horizon, lookback)
    folds, notes = leave_out_unseen(cut, panel)
    require_truth(folds, panel, horizon, lookback)
    _require_scale(arguments["metric"], folds, panel)
    last = folds[-1]
    windows = (last.test_end - last.validation_end - horizon + 1).clip(min=0).sum()
    task = ForecastTask(
        panel,
        folds,
        horizon,
        lookback,
        arguments["segment"],
        stride=max(1, -(-int(windows) // _TEST_WINDOWS)),
        metric=arguments["metric"],
        steps=arguments["steps"],
        device=common["device"],
        table=(table.name, len(table.frame)),
    )
    return Made(task, arguments, table.name, table.sha256, notes)


def require_same_data(record: Mapping[str, Any], source: str | os.PathLike[str]) -> str:
    """Give the path of a run's data.

    Raises:
        DataError: if it was in memory, or the file is gone or has changed.
    """
    path = record["data"]["path"]
    if path is None:
        raise DataError(f"{source}: was made on a data frame in memory, which is not kept")
    if _sha256(path, record["arguments"]) != record["data"]["sha256"]:
        raise DataError(f"{path}: has changed since the run in {source}: compare it anew")
    return path


def flat_arguments(record: Mapping[str, Any]) -> dict[str, Any]:
    """Give a run's arguments as ``compare`` takes them."""
    arguments = dict(record["arguments"])
    return {**arguments.pop("columns", {}), **arguments}


def _sha256(path: str, arguments: Mapping[str, Any]) -> str:
    told = {n: v for n, v in arguments.items() if n in READING_PARAMETERS}
    return read_table(path, reading=Reading.of(**told)).sha256


def _require_scale(metric: str, folds: list[Fold], panel: Panel) -> None:
    """Refuse to let MASE decide where a fold has no series that it can be scaled by."""
    for number, fold in enumerate(folds):
        scales = naive_scales(panel.target, fold.train_end, panel.frequency.seasons[0])
        if metric == "mase" and np.isnan(scales).all():
            raise DataError(
                f"no series changes over a season in the training part of fold {number}, so MASE "
                "has no scale there; let --metric mae decide",
                name=panel.name,
            )
