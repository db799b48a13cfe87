"""The cell that a run says to take, as a forecaster's parameters."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.run_folder import RunFolder
from gatewise.data.errors import DataError
from gatewise.data.tables import read_table


def winner(source: str | os.PathLike[str]) -> tuple[str, dict[str, Any]]:
    """Give the data and the parameters of ``Forecaster`` for the cell that a run says to take.

    It is trained on everything: no validation part is kept back, the whole budget is used, with
    the learning rate that most of the run's trials chose.

    Raises:
        DataError: if ``source`` is not a finished run, or its data is gone or has changed.
    """
    run = RunFolder(Path(source))
    record = run.record()
    result = run.result()
    if result is None:
        raise DataError(f"{source}: the run has not come to its end: call the same compare again")
    path = record["data"]["path"]
    if path is None:
        raise DataError(f"{source}: was made on a data frame in memory, which is not kept")
    if read_table(path).sha256 != record["data"]["sha256"]:
        raise DataError(f"{path}: has changed since the run in {source}: compare again")
    plan = Plan.from_json(record["plan"])
    cell = result["verdict"]["take"]
    columns = record["arguments"]["columns"]
    return path, {
        "horizon": plan.horizon,
        "lookback": plan.lookback,
        "segment": plan.segment,
        **columns,
        "frequency": record["arguments"]["frequency"],
        "cell": cell,
        "hidden_size": plan.hidden[cell],
        "steps": plan.steps,
        "learning_rate": _learning_rate(run, plan, cell),
        "validation": 0.0,
    }


def _learning_rate(run: RunFolder, plan: Plan, cell: str) -> float:
    names = [Trial(cell, f, s).name for f in range(plan.folds) for s in range(plan.seeds)]
    rates = Counter((run.trial(name) or {})["learning_rate"] for name in names)
    return float(rates.most_common(1)[0][0])
