"""One trial: train a model on a fold, test it, and give what its folder will hold."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.task import Outcome, Task
from gatewise.estimators.recurrent import CELLS
from gatewise.training import torch_threads


@dataclass(frozen=True)
class Finished:
    """A finished trial.

    Attributes:
        name: of the trial.
        result: the content of its ``result.json``.
        history: rows of its training.
        predictions: beside the truth, None where the task has none to show.
    """

    name: str
    result: dict[str, Any]
    history: pl.DataFrame
    predictions: pl.DataFrame | None


def run_trial(trial: Trial, plan: Plan, task: Task) -> Finished:
    """Run one trial."""
    with torch_threads(plan.threads):
        if trial.model in CELLS:
            outcome = _best_rate(trial, plan, task)
        else:
            outcome = task.baseline(trial.model, trial.fold)
    result = {
        **asdict(trial),
        **outcome.about,
        "validation": dict(outcome.validation),
        "test": {**outcome.test, "by_step": list(outcome.by_step)},
        "test_size": outcome.test_size,
        "test_to_train": task.test_to_train(trial.fold),
    }
    history = pl.DataFrame(list(outcome.history) or {"step": []})
    return Finished(trial.name, _finite(result), history, outcome.predictions)


def _best_rate(trial: Trial, plan: Plan, task: Task) -> Outcome:
    """Train with each learning rate of the search and keep the one that validates best."""
    seed = int(np.random.SeedSequence([plan.seed, trial.fold, trial.seed]).generate_state(1)[0])
    hidden = plan.hidden[trial.model]
    outcomes = [
        task.train(trial.model, hidden, trial.fold, seed=seed, rate_factor=factor)
        for factor in rate_factors(plan.search)
    ]
    return min(outcomes, key=lambda outcome: outcome.validation_error)


def rate_factors(search: int) -> list[float]:
    """Give what the default learning rate is multiplied by: 1, or ``search`` factors of two."""
    return [2.0 ** (k - search // 2) for k in range(search)] or [1.0]


def _finite(value: Any) -> Any:
    """Give None for what could not be measured, such as MASE without a scale: JSON has no NaN."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
