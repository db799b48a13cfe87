"""From the trials' results to ``result.json``: errors, tests, verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from gatewise.comparison.plan import Plan, Trial
from gatewise.comparison.statistics import correct_tests, paired_test, summarise
from gatewise.comparison.verdict import Baseline, Cell, decide

Results = Mapping[str, Mapping[str, Any]]


def judge(plan: Plan, results: Results, times: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Summarise the trials, make the tests and give the verdict.

    Args:
        plan: of the run.
        results: each trial's ``result.json``, by the trial's name.
        times: each cell's measured times.

    Returns:
        ``verdict``, ``metrics``, ``cells``, ``baselines``, ``tests`` and, where errors are known by
        step, ``by_horizon``: plain JSON values.
    """
    ratios = [
        _of(results, plan.baselines[0], fold, 0)["test_to_train"] for fold in range(plan.folds)
    ]
    best = _best_baseline(plan, results)
    cells = [_cell(plan, results, name, ratios, times[name]) for name in plan.cells]
    baselines = [_baseline(plan, results, name, ratios, best) for name in plan.baselines]

    errors = {
        name: _errors(plan, results, name, plan.metric) for name in (*plan.cells, *plan.baselines)
    }
    pairs = [(a, b) for i, a in enumerate(plan.cells) for b in plan.cells[i + 1 :]]
    pairs += [(cell, best) for cell in plan.cells]
    tests = correct_tests([paired_test(a, b, errors[a], errors[b], ratios) for a, b in pairs])
    verdict = decide(
        tests,
        [
            Cell(c["name"], c[plan.metric]["mean"], c["parameters"], c["train_seconds"])
            for c in cells
        ],
        [Baseline(b["name"], b["label"], b["best"]) for b in baselines],
        margin=plan.margin,
    )
    judged = {
        "verdict": asdict(verdict),
        "metrics": plan.metrics,
        "cells": cells,
        "baselines": baselines,
        "tests": [asdict(test) for test in tests],
    }
    by_step = {name: _collect(plan, results, name, "by_step") for name in errors}
    if not by_step[best][0][0]:  # not every task has steps ahead
        return judged
    return judged | {"by_horizon": {name: _mean_by_step(v) for name, v in by_step.items()}}


def _cell(
    plan: Plan,
    results: Results,
    name: str,
    ratios: Sequence[float],
    times: Mapping[str, Any],
) -> dict[str, Any]:
    last = _of(results, name, plan.folds - 1, 0)
    summary = _summaries(plan, results, name, ratios)
    return {
        "name": name,
        "hidden": last["hidden"],
        "parameters": last["parameters"],
        **summary,
        **times,
        "size_bytes": last["size_bytes"],
    }


def _baseline(
    plan: Plan,
    results: Results,
    name: str,
    ratios: Sequence[float],
    best: str,
) -> dict[str, Any]:
    labels = list(dict.fromkeys(_of(results, name, f, 0)["label"] for f in range(plan.folds)))
    return {
        "name": name,
        "label": " or ".join(labels),
        "best": name == best,
        **_summaries(plan, results, name, ratios),
    }


def _summaries(plan: Plan, results: Results, name: str, ratios: Sequence[float]) -> dict[str, Any]:
    summaries = {
        metric: asdict(summarise(errors, ratios, name=name))
        for metric in plan.metrics
        if np.isfinite(errors := _errors(plan, results, name, metric)).all()
    }  # MASE may have no scale in some fold
    spread = summaries[plan.metric]["seed_spread"]
    return {metric: summaries.get(metric) for metric in plan.metrics} | {"seed_spread": spread}


def _best_baseline(plan: Plan, results: Results) -> str:
    """Choose on validation parts: of all folds, or of the first where the folds follow in time.

    There the validation parts of later folds are the test parts of folds before.
    """
    folds = range(1 if plan.in_time else plan.folds)

    def error(name: str) -> float:
        found = [_of(results, name, fold, 0)["validation"][plan.metric] for fold in folds]
        return math.inf if None in found else sum(found)

    return min(plan.baselines, key=error)


def _mean_by_step(values: list[list[list[float | None]]]) -> list[float | None]:
    """Average (folds, seeds, horizon) over folds and seeds; None for a step never known."""
    by_step = np.asarray(values, dtype=np.float64)
    means = [step[np.isfinite(step)] for step in by_step.reshape(-1, by_step.shape[-1]).T]
    return [float(step.mean()) if len(step) else None for step in means]


def _errors(plan: Plan, results: Results, name: str, metric: str) -> np.ndarray:
    """Test errors (folds, seeds)."""
    return np.asarray(_collect(plan, results, name, metric), dtype=np.float64)


def _collect(plan: Plan, results: Results, name: str, key: str) -> list[list[Any]]:
    seeds = 1 if name in plan.baselines else plan.seeds
    return [
        [_of(results, name, fold, seed)["test"][key] for seed in range(seeds)]
        for fold in range(plan.folds)
    ]


def _of(results: Results, name: str, fold: int, seed: int) -> Mapping[str, Any]:
    return results[Trial(name, fold, seed).name]
