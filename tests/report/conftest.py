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


FACTORS = (0.9, 0.97, 1.02, 0.98, 1.13)


def errors(mean: float, turn: int = 0) -> dict[str, Any]:
    folds = [mean * factor for factor in FACTORS[turn:] + FACTORS[:turn]]
    return {"mean": mean, "low": 0.87 * mean, "high": 1.13 * mean, "folds": folds}


def cell(name: str, mean: float, hidden: int, parameters: int, turn: int) -> dict[str, Any]:
    return {
        "name": name,
        "hidden": hidden,
        "parameters": parameters,
        "mae": errors(mean, turn),
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


def of_folds(a: dict[str, Any], b: dict[str, Any]) -> float:
    """The mean relative difference of two models, from their folds, by the formula."""
    pairs = zip(a["folds"], b["folds"], strict=True)
    return sum((x - y) / ((x + y) / 2) for x, y in pairs) / FOLDS


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
            "band": 0.8,
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
        "cells": [cell("lstm", 42.17, 64, 23_456, 0), cell("gru", 41.71, 75, 23_999, 1)],
        "baselines": [
            baseline("seasonal", "seasonal (168 steps back)", 61.93, best=True),
            baseline("last", "last value", 97.31, best=False),
            baseline("linear", "linear", 48.29, best=False),
        ],
        "tests": [
            paired("lstm", "gru", of_folds(errors(42.17, 0), errors(41.71, 1))),
            paired("lstm", "seasonal", of_folds(errors(42.17, 0), errors(61.93))),
            paired("gru", "seasonal", of_folds(errors(41.71, 1), errors(61.93))),
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
            time = origin + timedelta(hours=step)
            band = (forecast - 6 - step / 8, forecast + 7 + step / 8)
            rows.append((series, origin, step, time, truth, forecast, *band))
    return pl.DataFrame(
        rows,
        schema={
            "series": pl.String,
            "origin": pl.Datetime("us"),
            "step": pl.Int64,
            "time": pl.Datetime("us"),
            "truth": pl.Float64,
            "forecast": pl.Float64,
            "low": pl.Float64,
            "high": pl.Float64,
        },
        orient="row",
    )


def made_up_history(rng: np.random.Generator, evaluations: int) -> pl.DataFrame:
    step = 50 * np.arange(1, evaluations + 1)
    error = 0.3 + np.exp(-step / 300) + rng.normal(0, 0.01, evaluations)
    return pl.DataFrame(
        {
            "step": step,
            "epoch": step / 100,
            "train_loss": error - 0.1,
            "validation_error": error,
            "learning_rate": 1e-3,
            "seconds": step / 100,
        }
    )


def keep_training(folder: Path, rng: np.random.Generator, model: str, fold: int, seed: int) -> None:
    """Write what a cell's trial keeps beside its predictions."""
    history = made_up_history(rng, 6 + fold + seed)
    history.write_parquet(folder / "history.parquet")
    best = history.sort("validation_error")["step"][0]
    trial = {"model": model, "fold": fold, "seed": seed, "best_step": best}
    trial |= {"steps_taken": history["step"][-1], "learning_rate": 0.00123, "seconds": 4.567}
    test = dict.fromkeys(("mae", "error"), 10.0 + fold + seed / 8)
    (folder / "result.json").write_text(json.dumps({**trial, "test": test}))


RECORD = {
    "arguments": {"task": "forecast", "seed": 7, "columns": {"target": "users", "past": []}},
    "data": {"sha256": "0a1b2c3d"},
}


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
                    if model in ("lstm", "gru"):
                        keep_training(folder, rng, model, fold, seed)
        (run_dir / "result.json").write_text(json.dumps(result))
        (run_dir / "run.json").write_text(json.dumps(RECORD))
        return run_dir

    return make


def made_up_labels(rng: np.random.Generator, labels: list[str]) -> pl.DataFrame:
    truth = [labels[place] for place in rng.integers(0, len(labels), 40)]
    other = [labels[place] for place in rng.integers(0, len(labels), 40)]
    right = rng.random(40) < 0.7
    return pl.DataFrame(
        {
            "id": [f"s{number}" for number in range(40)],
            "length": pl.Series(rng.integers(5, 60, 40), dtype=pl.Int32),
            "truth": truth,
            "predicted": [t if r else o for t, o, r in zip(truth, other, right, strict=True)],
        }
    )


@pytest.fixture
def make_labels_run(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes the folder of a run that tells the labels it is given."""

    def make(labels: list[str]) -> Path:
        run_dir, rng = tmp_path / "labels", np.random.default_rng(1)
        result = made_up_result("vowels", "the label")
        result |= {"task": "classify", "metric": "error", "metrics": {"error": "error rate"}}
        result["data"] = {"name": "vowels", "title": "Classifying sequences", "target": "the label"}
        result["data"]["about"] = "Some."
        del result["by_horizon"]
        for model in result["cells"] + result["baselines"]:
            model["error"] = model["mae"]
        for model, seeds in {"lstm": SEEDS, "gru": SEEDS, "seasonal": 1}.items():
            for fold in range(FOLDS):
                for seed in range(seeds):
                    folder = run_dir / "trials" / f"{model}-f{fold}-s{seed}"
                    folder.mkdir(parents=True)
                    made_up_labels(rng, labels).write_parquet(folder / "predictions.parquet")
                    if model != "seasonal":
                        keep_training(folder, rng, model, fold, seed)
        (run_dir / "result.json").write_text(json.dumps(result))
        return run_dir

    return make
