"""From arguments and data to a plan, and what the plan says in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.comparison.folds import Fold
from gatewise.comparison.matching import MATCHES, match_hidden_sizes
from gatewise.comparison.metrics import METRICS, naive_scales
from gatewise.comparison.plan import Plan
from gatewise.data.encoding import Encoder
from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.estimators.forecast_model import ForecastSettings
from gatewise.estimators.recurrent import CELLS
from gatewise.training import TrainingOptions

_AS_GIVEN = (
    *("horizon", "lookback", "segment", "match", "folds", "seeds", "seed"),
    *("search", "steps", "metric", "margin", "device"),
)
_TEST_WINDOWS = 4_000  # a fold, about; more origins are thinned by a stride


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse what no run could be made of.

    Raises:
        ValueError: names the argument, what it may be and what was given.
    """
    choices = {"task": ("forecast",), "match": MATCHES, "metric": METRICS}
    for name, allowed in choices.items():
        if arguments[name] not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, got {arguments[name]!r}")
    cells = arguments["cells"]
    if not cells or len(set(cells)) < len(cells) or not set(cells) <= set(CELLS):
        raise ValueError(f"cells must be different ones of {', '.join(CELLS)}, got {cells}")
    least = {
        "horizon": 1,
        "lookback": 2,
        "segment": 1,
        "folds": 1,
        "seeds": 1,
        "search": 0,
        "steps": 1,
    }
    for name, low in {**least, "hidden_size": 1, "margin": 0}.items():
        if arguments[name] < low:
            raise ValueError(f"{name} must be at least {low}, got {arguments[name]}")


def make_plan(arguments: Mapping[str, Any], panel: Panel, folds: list[Fold], threads: int) -> Plan:
    """Match the cells and fix what is left open by the arguments."""
    cells = tuple(arguments["cells"])
    last = folds[-1]
    encoder = Encoder.fit(panel, last.train_end)
    settings = ForecastSettings(
        arguments["horizon"], arguments["lookback"], segment=arguments["segment"]
    )
    windows = (last.test_end - last.validation_end - arguments["horizon"] + 1).clip(min=0).sum()
    return Plan(
        **{name: arguments[name] for name in _AS_GIVEN},
        cells=cells,
        hidden=match_hidden_sizes(
            cells, arguments["match"], arguments["hidden_size"], panel, encoder, settings, threads
        ),
        stride=max(1, -(-int(windows) // _TEST_WINDOWS)),
        threads=threads,
    )


def require_scale(metric: str, folds: Sequence[Fold], panel: Panel) -> None:
    """Refuse to let MASE decide where a fold has no series that it can be scaled by.

    Raises:
        DataError: names the fold and the way out.
    """
    for number, fold in enumerate(folds):
        scales = naive_scales(panel.target, fold.train_end, panel.frequency.seasons[0])
        if metric == "mase" and np.isnan(scales).all():
            raise DataError(
                f"no series changes over a season in the training part of fold {number}, so MASE "
                "has no scale there; let --metric mae decide",
                name=panel.name,
            )


def plan_notes(plan: Plan, panel: Panel, folds: Sequence[Fold]) -> list[str]:
    """Say what the run does, one line each."""
    matched = ", ".join(f"{cell.upper()} {size} units" for cell, size in plan.hidden.items())
    notes = [
        f"forecasts {panel.columns.target!r} {plan.horizon} steps ahead from the last "
        f"{plan.lookback}, read {plan.segment} at a time; {plan.folds} folds, {plan.seeds} seeds, "
        f"{plan.metric.upper()} decides",
        f"budget: {plan.steps} optimiser steps of {TrainingOptions.batch_size} windows, the same "
        f"for every cell; {matched} (matched by {plan.match})",
    ]
    if plan.search:
        notes.append(f"search: {plan.search} learning rates a trial, chosen on validation")
    if plan.stride > 1:
        notes.append(f"test windows start every {plan.stride} steps")
    if len({times[-1] for times in panel.times}) > 1:
        notes.append(
            "the series end at different times: each is cut at its own end, so what is learnt from "
            "one series may be later than what is forecast of another"
        )
    return [*notes, *_short_series(plan, folds), *_assumptions(panel), *_mase_notes(panel, folds)]


def _short_series(plan: Plan, folds: Sequence[Fold]) -> list[str]:
    window = plan.lookback + plan.horizon
    notes = []
    for number, fold in enumerate(folds):
        untrained = int((fold.train_end < window).sum())
        untested = int((fold.test_end < window).sum())
        if untrained:
            notes.append(
                f"fold {number}: {untrained:,} of {len(fold.train_end):,} series too short to "
                f"train on, {untested:,} of them to test on"
            )
    return notes


def _assumptions(panel: Panel) -> list[str]:
    if not panel.columns.future:
        return []
    return [f"assumes that {', '.join(panel.columns.future)} is known in the future"]


def _mase_notes(panel: Panel, folds: Sequence[Fold]) -> list[str]:
    notes = []
    for number, fold in enumerate(folds):
        scales = naive_scales(panel.target, fold.train_end, panel.frequency.seasons[0])
        unscaled = int((np.isnan(scales) & (fold.test_end > 0)).sum())
        if unscaled:
            notes.append(
                f"fold {number}: {unscaled:,} series that do not change over a season of the "
                "training part do not count in MASE"
            )
    return notes
