"""A run folder with made-up numbers, as the comparison writes it."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

FOLDS, SEEDS, ORIGINS, HORIZON = 5, 2, 6, 24
START = datetime(2012, 1, 1)


def errors(mean: float) -> dict[str, Any]:
    folds = [mean * factor for factor in (0.9, 0.95, 1.0, 1.05, 1.1)]
    return {"mean": mean, "low": 0.87 * mean, "high": 1.13 * mean, "folds": folds}


def cell(name: str, mean: float, hidden: int, parameters: int) -> dict[str, Any]:
    return {
        "name": name,
        "hidden": hidden,
        "parameters": parameters,
        "mae": errors(mean),
        "rmse": errors(1.61 * mean),
        "mase": errors(0.0123 * mean),
        "seed_spread": 1.234,
        "train_seconds": 12.34,
        "step_microseconds": 85.67,
        "size_bytes": 123_456,
    }


def baseline(name: str, label: str, mean: float, best: bool) -> dict[str, Any]:
    metrics = {"mae": errors(mean), "rmse": errors(1.7 * mean), "mase": errors(0.013 * mean)}
    return {"name": name, "label": label, "best": best, **metrics}


def paired(a: str, b: str, difference: float) -> dict[str, Any]:
    return {
        "a": a,
        "b": b,
        "folds": FOLDS,
        "difference": difference,
        "low": difference - 0.0213,
        "high": difference + 0.0213,
        "p": 0.01234,
        "p_holm": 0.03702,
        "detectable": 0.0345,
        "standard_error": 0.0077,
    }


def made_up_result(name: str, target: str) -> dict[str, Any]:
    return {
        "format": 1,
        "data": {
            "name": name,
            "rows": 17_544,
            "series": 1,
            "start": "2011-01-01 00:00",
            "end": "2012-12-31 23:00",
            "frequency": "1 hour",
            "target": target,
            "horizon": HORIZON,
            "lookback": 96,
            "title": f"Forecasting {target}",
            "about": f"17,544 rows, 1 series, every 1 hour, 2011-01-01 00:00 to 2012-12-31 23:00. "
            f"Forecasts of {HORIZON} steps from the last 96.",
        },
        "task": "forecast",
        "metric": "mae",
        "metrics": {"mae": "MAE", "rmse": "RMSE", "mase": "MASE"},
        "verdict": {
            "kind": "undecided",
            "winner": None,
            "sentence": "LSTM or GRU is not decided: this run could have shown a difference of "
            "3.4 % or more.",
            "practical": "Take the GRU: it trains 1.3 times faster.",
            "take": "gru",
            "margin": 0.01,
            "alpha": 0.05,
        },
        "cells": [cell("lstm", 42.17, 64, 23_456), cell("gru", 41.71, 75, 23_999)],
        "baselines": [
            baseline("seasonal", "seasonal (168 steps back)", 61.93, best=True),
            baseline("last", "last value", 97.31, best=False),
            baseline("linear", "linear", 48.29, best=False),
        ],
        "tests": [
            paired("lstm", "gru", 0.0109),
            paired("lstm", "seasonal", -0.3789),
            paired("gru", "seasonal", -0.3901),
        ],
        "by_horizon": {
            model: [round(mean + 0.37 * step, 2) for step in range(HORIZON)]
            for model, mean in {
                "lstm": 38.0,
                "gru": 37.0,
                "seasonal": 60.0,
                "last": 80.0,
                "linear": 46.0,
            }.items()
        },
        "setup": {
            "folds": FOLDS,
            "seeds": SEEDS,
            "steps": 1_400,
            "match": "parameters",
            "in_time": True,
            "threads": 1,
            "backend": "torch",
            "machine": "x86_64, 2 cores",
            "versions": {"gatewise": "0.1.0", "torch": "2.13.0"},
            "command": "gatewise compare bikes.csv --target users",
            "notes": ["17 missing hours inserted, the first 2011-01-02 05:00"],
            "assumptions": ["assumes that weather is known in the future"],
            "fold_table": [
                {
                    "fold": fold,
                    "train_end": f"2012-0{fold + 1}-01 00:00",
                    "validation_end": f"2012-0{fold + 1}-15 00:00",
                    "test_end": f"2012-0{fold + 2}-01 00:00",
                    "train_windows": 9_000 + 700 * fold,
                    "test_windows": ORIGINS,
                }
                for fold in range(FOLDS)
            ],
        },
    }


def made_up_forecasts(rng: np.random.Generator, fold: int, series: str) -> pl.DataFrame:
    """Windows one after the other; the truth of the fourth is not known, of the first in part."""
    rows = []
    for window in range(ORIGINS):
        origin = START + timedelta(days=30 * fold + window)
        noise = rng.normal(0, 5 + window, HORIZON)
        for step in range(1, HORIZON + 1):
            truth: float | None = 200 + 150 * np.sin(step * np.pi / 12)
            forecast = truth + noise[step - 1]
            if window == 3 or (window == 0 and step == 5):
                truth = None
            rows.append((series, origin, step, origin + timedelta(hours=step), truth, forecast))
    return pl.DataFrame(
        rows,
        schema={
            "series": pl.String,
            "origin": pl.Datetime("us"),
            "step": pl.Int64,
            "time": pl.Datetime("us"),
            "truth": pl.Float64,
            "forecast": pl.Float64,
        },
        orient="row",
    )


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a run folder: the data's name, the target's, the series'."""

    def make(name: str = "bikes", target: str = "users", series: str = "") -> Path:
        run_dir, rng = tmp_path / "run", np.random.default_rng(0)
        result = made_up_result(name, target)
        for model, seeds in {"lstm": SEEDS, "gru": SEEDS, "seasonal": 1, "last": 1}.items():
            for fold in range(FOLDS):
                for seed in range(seeds):
                    folder = run_dir / "trials" / f"{model}-f{fold}-s{seed}"
                    folder.mkdir(parents=True)
                    forecasts = made_up_forecasts(rng, fold, series)
                    forecasts.write_parquet(folder / "predictions.parquet")
        (run_dir / "result.json").write_text(json.dumps(result))
        return run_dir

    return make
