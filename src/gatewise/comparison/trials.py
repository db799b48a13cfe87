"""One trial: train a model on a fold, forecast its test part, leave three files."""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatewise.comparison.baselines import Prepared, fit_baseline
from gatewise.comparison.folds import Fold, part_origins
from gatewise.comparison.metrics import Errors, measure, naive_scales
from gatewise.comparison.plan import Plan, Trial
from gatewise.data.forecasts import forecast_columns
from gatewise.data.panel import Panel
from gatewise.data.slicing import until
from gatewise.data.windows import series_of
from gatewise.estimators.forecast_model import ForecastModel, ForecastSettings
from gatewise.estimators.recurrent import CELLS
from gatewise.files import replacing, write_atomic
from gatewise.training import Execution, TrainingOptions, torch_threads

Forecast = Callable[[Panel, np.ndarray], np.ndarray]


def run_trial(trial: Trial, plan: Plan, fold: Fold, panel: Panel, run: Path) -> str:
    """Run one trial and write ``history.parquet``, ``forecasts.parquet`` and ``result.json``.

    ``result.json`` is written last: a trial that has it is whole.

    Args:
        trial, plan, fold, panel: what to do, and on what.
        run: the run folder.

    Returns:
        The trial's name.
    """
    with torch_threads(plan.threads):
        return _run_trial(trial, plan, fold, panel, run)


def _run_trial(trial: Trial, plan: Plan, fold: Fold, panel: Panel, run: Path) -> str:
    known = until(panel, fold.test_end)
    if trial.model in CELLS:
        forecast, about = _train_cell(trial, plan, fold, known)
    else:
        forecast, about = _fit_baseline(trial, plan, fold, known)

    offsets = np.concatenate([[0], np.cumsum(fold.test_end)])
    target = np.concatenate(known.target)
    season = panel.frequency.seasons[0]
    scales = naive_scales(known.target, fold.train_end, season)

    def errors(start: np.ndarray, stop: np.ndarray) -> tuple[Errors, Any, Any]:
        shape = {"lookback": plan.lookback, "horizon": plan.horizon}
        origins = part_origins(known, start, stop, **shape, stride=plan.stride)
        made = forecast(known, origins)
        truth = target[origins[:, None] + np.arange(plan.horizon)]
        scale = scales[series_of(origins, offsets)]
        return measure(truth, made, scale, metric=plan.metric), origins, made

    validation, *_ = errors(fold.train_end, fold.validation_end)
    test, origins, made = errors(fold.validation_end, fold.test_end)

    folder = run / "trials" / trial.name
    folder.mkdir(parents=True, exist_ok=True)
    history = about.pop("history")
    _write_parquet(folder / "history.parquet", pl.DataFrame(history))
    _write_parquet(folder / "forecasts.parquet", _frame(forecast_columns(known, origins, made)))
    result = {
        **asdict(trial),
        **about,
        "validation": asdict(validation),
        "test": asdict(test),
        "test_windows": len(origins),
        "test_to_train": fold.test_to_train,
    }
    write_atomic(folder / "result.json", json.dumps(_finite(result), indent=1, allow_nan=False))
    return trial.name


def cell_settings(plan: Plan, cell: str, **training: Any) -> ForecastSettings:
    """Give the settings with which the plan trains a cell; ``training`` replaces some of them."""
    options = replace(TrainingOptions(steps=plan.steps), **training)
    return ForecastSettings(
        plan.horizon,
        plan.lookback,
        cell=cell,
        hidden_size=plan.hidden[cell],
        segment=plan.segment,
        training=options,
    )


def _train_cell(
    trial: Trial, plan: Plan, fold: Fold, known: Panel
) -> tuple[Forecast, dict[str, Any]]:
    seed = int(np.random.SeedSequence([plan.seed, trial.fold, trial.seed]).generate_state(1)[0])
    models = [
        ForecastModel.fit(
            known,
            fold.train_end,
            fold.validation_end,
            cell_settings(plan, trial.model, learning_rate=rate),
            seed=seed,
            execution=Execution(plan.device),
        )
        for rate in learning_rates(plan.search)
    ]
    best = min(models, key=lambda model: _best_row(model)["validation_error"])
    return best.forecast, {
        "history": best.history,
        "hidden": best.settings.hidden_size,
        "parameters": best.parameters,
        "size_bytes": sum(p.numel() * p.element_size() for p in best.net.parameters()),
        "learning_rate": best.settings.training.learning_rate,
        "best_step": _best_row(best)["step"],
        "steps_taken": best.history[-1]["step"],
        "seconds": best.history[-1]["seconds"],
    }


def _best_row(model: ForecastModel) -> dict[str, Any]:
    return min(model.history, key=lambda row: row["validation_error"])


def _fit_baseline(
    trial: Trial, plan: Plan, fold: Fold, known: Panel
) -> tuple[Forecast, dict[str, Any]]:
    prepared = Prepared.of(known, fold.train_end, fold.validation_end, plan.lookback, plan.horizon)
    model = fit_baseline(trial.model, known, prepared)

    def forecast(_: Panel, origins: np.ndarray) -> np.ndarray:
        return prepared.unscale(origins, model.scaled(origins))

    return forecast, {"history": {"step": []}, "label": model.label}


def learning_rates(search: int) -> list[float]:
    """Give the default learning rate, or ``search`` of them, a factor of two apart around it."""
    default = TrainingOptions.learning_rate
    return [default * 2.0 ** (k - search // 2) for k in range(search)] or [default]


def end_with(parent: int) -> None:
    """End this worker process soon after ``parent`` does; joblib would let it wait for more."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _finite(value: Any) -> Any:
    """Give None for what could not be measured, such as MASE without a scale: JSON has no NaN."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _frame(columns: dict[str, np.ndarray]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series": pl.Series(columns["series"].tolist(), dtype=pl.String),
            "origin": pl.Series(columns["origin"]),
            "step": pl.Series(columns["step"], dtype=pl.Int32),
            "time": pl.Series(columns["time"]),
            "truth": pl.Series(columns["truth"]).fill_nan(None),
            "forecast": pl.Series(columns["forecast"]),
        }
    )


def _write_parquet(path: Path, frame: pl.DataFrame) -> None:
    with replacing(path) as beside:
        frame.write_parquet(beside)
