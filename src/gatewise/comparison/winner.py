"""The cell that a run says to take, as what an estimator is made and fitted from."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.run_folder import RunFolder, finished_trials
from gatewise.comparison.tasks import PARTS, flat_arguments, require_same_data
from gatewise.data.errors import DataError
from gatewise.data.reading import READING_PARAMETERS


@dataclass(frozen=True)
class Winner:
    """The cell that a run says to take.

    Attributes:
        task: of the run.
        path: of its data.
        parts: what the data is, by the names of ``compare``'s arguments.
        parameters: of the estimator.
    """

    task: str
    path: str
    parts: dict[str, Any]
    parameters: dict[str, Any]


def winner(source: str | os.PathLike[str]) -> Winner:
    """Give the cell that a run says to take, and how to train it on everything.

    No validation part is kept back: it is trained for as many optimiser steps as the trials' best
    weights had seen, in the median, with the learning rate that most of them chose.

    Raises:
        DataError: if ``source`` is not a finished run, or its data is gone or has changed.
    """
    run = RunFolder(Path(source))
    record = run.record()
    result = run.result()
    if result is None:
        raise DataError(f"{source}: the run has not come to its end: call the same compare again")
    path = require_same_data(record, source)
    plan = Plan.from_json(record["plan"])
    cell = result["verdict"]["take"]
    names = [Trial(cell, f, s).name for f in range(plan.folds) for s in range(plan.seeds)]
    trials = list(finished_trials(run, names).values())
    arguments = flat_arguments(record)
    told = (*PARTS[plan.task], *READING_PARAMETERS)
    parameters = {
        "cell": cell,
        "hidden_size": plan.hidden[cell],
        "steps": int(np.median([trial["best_step"] for trial in trials])),
        "learning_rate": Counter(t["learning_rate"] for t in trials).most_common(1)[0][0],
        "validation": 0.0,
    }
    parts = {name: arguments[name] for name in told if name in arguments}
    return Winner(plan.task, path, parts, parameters)
