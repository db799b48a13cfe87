"""The cell that a run says to take, as a forecaster's parameters."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.run_folder import RunFolder, finished_trials
from gatewise.comparison.tasks import require_same_data
from gatewise.data.errors import DataError
from gatewise.data.reading import READING_PARAMETERS


def winner(source: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Give the data and the parameters of ``Forecaster`` for the cell that a run says to take.

    It is trained on everything, with no validation part kept back: for as many optimiser steps as
    the trials' best weights had seen, in the median, with the learning rate that most of them
    chose.

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
    arguments = record["arguments"]
    return path, {
        **{name: arguments[name] for name in ("horizon", "lookback", "segment")},
        **arguments["columns"],
        "frequency": arguments["frequency"],
        "cell": cell,
        "hidden_size": plan.hidden[cell],
        "steps": int(np.median([trial["best_step"] for trial in trials])),
        "learning_rate": Counter(t["learning_rate"] for t in trials).most_common(1)[0][0],
        "validation": 0.0,
        **{name: value for name, value in arguments.items() if name in READING_PARAMETERS},
    }
