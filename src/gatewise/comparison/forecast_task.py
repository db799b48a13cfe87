"""Comparisons of forecasts: what a panel, a horizon and a look-back make of them."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import torch

from gatewise.comparison.bands import SHARE, Band
from gatewise.comparison.baselines import Prepared, fit_baseline
from gatewise.comparison.folds import (
    Fold,
    cut_folds,
    leave_out_unseen,
    part_origins,
    require_truth,
)
from gatewise.comparison.metrics import METRICS, measure, naive_scales
from gatewise.comparison.planning import require_least, require_one_of
from gatewise.comparison.task import Made, Outcome
from gatewise.data.encoding import Encoded, Encoder
from gatewise.data.errors import DataError
from gatewise.data.forecasts import forecast_columns
from gatewise.data.panel import Panel, make_panel
from gatewise.data.reading import Reading
from gatewise.data.slicing import until
from gatewise.data.tables import read_table
from gatewise.data.times import format_time
from gatewise.data.windows import series_of, window_origins
from gatewise.estimators.defaults import default_horizon, default_lookback, default_segment
from gatewise.estimators.forecast_model import (
    ForecastModel,
    ForecastSettings,
    build_network,
    make_windows,
)
from gatewise.estimators.losses import forecast_loss
from gatewise.estimators.network import ForecastNet
from gatewise.estimators.recurrent import count_parameters
from gatewise.training import Execution, TrainingOptions

_EXAMPLE_PARTS = {
    "target": "users",
    "time": "date_time",
    "future": ("holiday", "workingday"),
}
"""What the bundled bike-sharing table is compared with when no data is given."""

_TEST_WINDOWS = 4_000  # a fold, about; more origins are thinned by a stride

Forecast = Callable[[Panel, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ForecastTask:
    """Forecasting a panel, in folds of time.

    Attributes:
        panel: the series.
        parts: where training, validation and test of each fold end.
        horizon, lookback, segment: in steps.
        stride: steps between the origins of the test windows.
        metric: which error decides.
        steps: optimiser steps at most.
        device: where the cells are trained.
        table: name and number of rows of the table.
    """

    panel: Panel
    parts: list[Fold]
    horizon: int
    lookback: int
    segment: int
    stride: int
    metric: str
    steps: int
    device: str
    table: tuple[str, int]

    name: str = field(default="forecast", init=False)
    metrics: Mapping[str, str] = field(default_factory=lambda: METRICS, init=False)
    in_time: bool = field(default=True, init=False)
    baselines: tuple[str, ...] = field(default=("last", "seasonal", "linear"), init=False)

    @property
    def notes(self) -> list[str]:
        """What was found in the data."""
        return self.panel.notes

    @property
    def assumptions(self) -> list[str]:
        """What is taken as known ahead."""
        names = self.panel.columns.future
        return [f"assumes that {name} is known in the future" for name in names]

    def folds(self) -> int:
        """Give the number of folds."""
        return len(self.parts)

    def test_to_train(self, fold: int) -> float:
        """Give test steps for each step of training and validation."""
        return self.parts[fold].test_to_train

    def parameters(self, cell: str, hidden_size: int) -> int:
        """Count the parameters of the network with ``hidden_size`` units."""
        with torch.random.fork_rng():
            return count_parameters(self._network(self._settings(cell, hidden_size)))

    def train(
        self, cell: str, hidden_size: int, fold: int, *, seed: int, rate_factor: float = 1.0
    ) -> Outcome:
        """Train a cell on a fold and forecast its test part."""
        part, known = self.parts[fold], self._known(fold)
        model = ForecastModel.fit(
            known,
            part.train_end,
            part.validation_end,
            self._settings(cell, hidden_size, rate_factor),
            seed=seed,
            execution=Execution(self.device),
        )
        best = min(model.history, key=lambda row: row["validation_error"])
        about = {
            "hidden": hidden_size,
            "parameters": model.parameters,
            "size_bytes": sum(p.numel() * p.element_size() for p in model.net.parameters()),
            "learning_rate": model.settings.training.learning_rate,
            "best_step": best["step"],
            "steps_taken": model.history[-1]["step"],
            "seconds": model.history[-1]["seconds"],
        }
        outcome = self._tested(part, known, model.forecast, model.encoder.encode(known))
        return replace(
            outcome, validation_error=best["validation_error"], history=model.history, about=about
        )

    def baseline(self, name: str, fold: int) -> Outcome:
        """Fit a baseline on a fold and forecast its test part."""
        part, known = self.parts[fold], self._known(fold)
        shape = (self.lookback, self.horizon)
        prepared = Prepared.of(known, part.train_end, part.validation_end, *shape)
        model = fit_baseline(name, known, prepared)

        def forecast(_: Panel, origins: np.ndarray) -> np.ndarray:
            return prepared.unscale(origins, model.scaled(origins))

        outcome = self._tested(part, known, forecast, prepared.encoded)
        return replace(outcome, about={"label": model.label})

    def timed(self, cell: str, hidden_size: int) -> "TimedForecaster":
        """Build a cell's network with a batch of the last fold."""
        settings = self._settings(cell, hidden_size)
        known = until(self.panel, self.parts[-1].validation_end)
        with torch.random.fork_rng():
            return TimedForecaster(known, self._encoder, settings)

    def data(self) -> dict[str, Any]:
        """Describe the panel."""
        times, target = self.panel.times, self.panel.columns.target
        start = format_time(min(series[0] for series in times))
        end = format_time(max(series[-1] for series in times))
        return {
            "title": f"Forecasting {target}",
            "about": f"{self.table[1]:,} rows, {len(self.panel):,} series, every "
            f"{self.panel.frequency}, {start} to {end}. Forecasts of {self.horizon} steps from the "
            f"last {self.lookback}.",
            "name": self.table[0],
            "rows": self.table[1],
            "series": len(self.panel),
            "start": start,
            "end": end,
            "frequency": str(self.panel.frequency),
            "target": target,
            "horizon": self.horizon,
            "lookback": self.lookback,
            "band": SHARE,
        }

    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Say until when each fold trains, validates and tests."""
        return [
            {
                "fold": number,
                "train_end": self._last_time(fold.train_end),
                "validation_end": self._last_time(fold.validation_end),
                "test_end": self._last_time(fold.test_end),
                "train_steps": int(fold.train_end.sum()),
                "test_windows": size,
            }
            for number, (fold, size) in enumerate(zip(self.parts, test_sizes, strict=True))
        ]

    def plan_notes(self) -> list[str]:
        """Say what is forecast from what, and what of the data does not count."""
        notes = [
            f"forecasts {self.panel.columns.target!r} {self.horizon} steps ahead from the last "
            f"{self.lookback}, read {self.segment} at a time"
        ]
        if self.stride > 1:
            notes.append(f"test windows start every {self.stride} steps")
        if len({times[-1] for times in self.panel.times}) > 1:
            notes.append(
                "the series end at different times: each is cut at its own end, so what is learnt "
                "from one series may be later than what is forecast of another"
            )
        known = ", ".join(self.panel.columns.future)
        assumed = [f"assumes that {known} is known in the future"] if known else []
        return [*notes, *self._short_series(), *assumed, *self._unscaled()]

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.fit(self.panel, self.parts[-1].train_end)

    def _known(self, fold: int) -> Panel:
        return until(self.panel, self.parts[fold].test_end)

    def _network(self, settings: ForecastSettings) -> ForecastNet:
        return build_network(self.panel.columns, self.panel.frequency, self._encoder, settings)

    def _settings(self, cell: str, hidden_size: int, rate_factor: float = 1.0) -> ForecastSettings:
        rate = TrainingOptions.learning_rate * rate_factor
        return ForecastSettings(
            self.horizon,
            self.lookback,
            cell=cell,
            hidden_size=hidden_size,
            segment=self.segment,
            training=TrainingOptions(steps=self.steps, learning_rate=rate),
        )

    def _tested(self, part: Fold, known: Panel, forecast: Forecast, encoded: Encoded) -> Outcome:
        """Measure forecasts on the validation and the test part, and draw their bands.

        The bands of the test part are measured on the validation part.
        """
        offsets = np.concatenate([[0], np.cumsum(part.test_end)])
        target = np.concatenate(known.target)
        scales = naive_scales(known.target, part.train_end, self.panel.frequency.seasons[0])
        measured, steps, forecasts = [], [], []
        shape = {"lookback": self.lookback, "horizon": self.horizon, "stride": self.stride}
        ends = (part.train_end, part.validation_end, part.test_end)
        for start, stop in pairwise(ends):
            origins = part_origins(known, start, stop, **shape)
            made = forecast(known, origins)
            truth = target[origins[:, None] + np.arange(self.horizon)]
            scale = scales[series_of(origins, offsets)]
            errors = asdict(measure(truth, made, scale, metric=self.metric))
            steps.append(errors.pop("by_step"))
            measured.append(errors)
            forecasts.append((origins, made))
        validation, test = measured
        low, high = Band.of(encoded, self.lookback, *forecasts[0]).around(origins, made)
        columns = forecast_columns(known, origins, made)
        predictions = _frame({**columns, "low": low.ravel(), "high": high.ravel()})
        return Outcome(validation, test, len(origins), by_step=steps[1], predictions=predictions)

    def _last_time(self, ends: np.ndarray) -> str:
        """Name the last time before ``ends``: the latest over the series."""
        pairs = zip(self.panel.times, ends, strict=True)
        return format_time(max(times[end - 1] for times, end in pairs if end))

    def _short_series(self) -> list[str]:
        window = self.lookback + self.horizon
        notes = []
        for number, fold in enumerate(self.parts):
            untrained = int((fold.train_end < window).sum())
            untested = int((fold.test_end < window).sum())
            if untrained:
                notes.append(
                    f"fold {number}: {untrained:,} of {len(fold.train_end):,} series too short to "
                    f"train on, {untested:,} of them to test on"
                )
        return notes

    def _unscaled(self) -> list[str]:
        notes = []
        for number, fold in enumerate(self.parts):
            season = self.panel.frequency.seasons[0]
            scales = naive_scales(self.panel.target, fold.train_end, season)
            unscaled = int((np.isnan(scales) & (fold.test_end > 0)).sum())
            if unscaled:
                notes.append(
                    f"fold {number}: {unscaled:,} series that do not change over a season of the "
                    "training part do not count in MASE"
                )
        return notes


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
        "hidden_size": common["hidden_size"] or 64,
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


class TimedForecaster:
    """A forecasting network with a batch, ready to be timed."""

    def __init__(self, panel: Panel, encoder: Encoder, settings: ForecastSettings) -> None:
        encoded = encoder.encode(panel)
        shape = {"lookback": settings.lookback, "horizon": settings.horizon}
        start = np.zeros(len(panel), dtype=np.int64)
        origins = window_origins(encoded.offsets, start, np.diff(encoded.offsets), **shape)
        self.origins = origins[: settings.training.batch_size]
        self.windows = make_windows(encoded, settings)
        self.loss = settings.loss
        self.net = build_network(panel.columns, panel.frequency, encoder, settings)
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.layer = self.net.rnn
        steps = -(-settings.lookback // self.net.segment)
        self.batch_shape = (steps, len(self.origins), self.layer.input_size)

    def train(self, steps: int) -> float:
        """Give the seconds of one optimiser step, over ``steps`` of them."""
        self.net.train()
        start = time.perf_counter()
        for _ in range(steps):
            self.optimizer.zero_grad()
            total, count = forecast_loss(self.net, self.windows, self.origins, self.loss)
            (total / count).backward()
            self.optimizer.step()
        return (time.perf_counter() - start) / steps


def _frame(columns: dict[str, np.ndarray]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "series": pl.Series(columns["series"].tolist(), dtype=pl.String),
            "origin": pl.Series(columns["origin"]),
            "step": pl.Series(columns["step"], dtype=pl.Int32),
            "time": pl.Series(columns["time"]),
            "truth": pl.Series(columns["truth"]).fill_nan(None),
            **{name: pl.Series(columns[name]) for name in ("forecast", "low", "high")},
        }
    )


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
