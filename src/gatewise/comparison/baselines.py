"""Honest baselines on the same inputs: the last value, a season ago, and a linear model."""

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import Ridge

from gatewise.data.encoding import Encoded, Encoder
from gatewise.data.panel import Panel
from gatewise.data.windows import window_origins, with_truth
from gatewise.estimators.forecast_model import Windows
from gatewise.estimators.network import seasonal_forecast

_MOST_WINDOWS = 5_000  # of the training part, evenly chosen, that the linear model sees
_PENALTIES = (1.0, 30.0, 1_000.0)


@dataclass(frozen=True)
class Prepared:
    """A fold as a baseline sees it: encoded as for the cells, windows of each part."""

    encoded: Encoded
    windows: Windows
    train: np.ndarray
    validation: np.ndarray

    @classmethod
    def of(
        cls,
        panel: Panel,
        train_end: np.ndarray,
        validation_end: np.ndarray,
        lookback: int,
        horizon: int,
    ) -> "Prepared":
        """Fit the encoder on the training part; nothing behind ``validation_end`` is fitted on."""
        encoded = Encoder.fit(panel, train_end).encode(panel)
        shape = {"lookback": lookback, "horizon": horizon}
        start = np.zeros(len(panel), dtype=np.int64)
        parts = [
            with_truth(window_origins(encoded.offsets, a, b, **shape), encoded.target, horizon)
            for a, b in ((start, train_end), (train_end, validation_end))
        ]
        return cls(encoded, Windows.of(encoded, **shape), *parts)

    def unscale(self, origins: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Bring forecasts ``z`` (n, horizon) back to the target's unit."""
        y = np.array(z, dtype=np.float64)
        series = np.searchsorted(self.encoded.offsets, origins, side="right") - 1
        for index in np.unique(series):
            y[series == index] = self.encoded.scalers[index].unscale(y[series == index])
        return y

    def absolute_error(self, origins: np.ndarray, z: np.ndarray) -> float:
        """Mean weighted error of ``z`` (n, horizon), in units of each series' spread."""
        truth, weight = (t.numpy() for t in self.windows.truth(torch.from_numpy(origins)))
        return float((weight * np.abs(z - truth)).sum() / max((weight > 0).sum(), 1))


class Naive:
    """Repeat the value of ``period`` steps before; 1 is the last value."""

    def __init__(self, prepared: Prepared, period: int) -> None:
        self.prepared = prepared
        self.period = period

    @property
    def label(self) -> str:
        """How the table names it."""
        if self.period == 1:
            return "last value"
        return f"seasonal ({self.period} steps back)"

    def scaled(self, origins: np.ndarray) -> np.ndarray:
        """Forecast in scaled units: (n, horizon)."""
        window, *_ = self.prepared.windows.inputs(torch.from_numpy(origins))
        return seasonal_forecast(window, self.period, self.prepared.windows.horizon).numpy()


class Linear:
    """Ridge regression of each step of the horizon, on what the cells see.

    Its inputs are the window relative to its last value (as in Zeng et al. 2023, NLinear), the
    past columns' last values and what is known of the step itself. The penalty is chosen on the
    validation part.
    """

    label = "linear (ridge)"

    def __init__(self, prepared: Prepared) -> None:
        self.prepared = prepared
        train = _evenly(prepared.train)
        checked = _evenly(prepared.validation)
        self.models: list[Ridge] = []
        errors = []
        fitted = [self._fit(train, penalty) for penalty in _PENALTIES]
        for models in fitted:
            self.models = models
            errors.append(prepared.absolute_error(checked, self.scaled(checked)))
        self.models = fitted[int(np.argmin(errors))]

    def scaled(self, origins: np.ndarray) -> np.ndarray:
        """Forecast in scaled units: (n, horizon)."""
        shared, known, level = self._inputs(origins)
        columns = [
            model.predict(np.hstack([shared, known[:, step]]))
            for step, model in enumerate(self.models)
        ]
        return level + np.stack(columns, axis=1)

    def _fit(self, origins: np.ndarray, penalty: float) -> list[Ridge]:
        shared, known, level = self._inputs(origins)
        truth, weight = (t.numpy() for t in self.prepared.windows.truth(torch.from_numpy(origins)))
        return [
            Ridge(alpha=penalty, solver="cholesky").fit(
                np.hstack([shared, known[:, step]]),
                (truth - level)[:, step],
                sample_weight=(weight[:, step] > 0).astype(np.float64),
            )
            for step in range(truth.shape[1])
        ]

    def _inputs(self, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        z, past, _, known = self.prepared.windows.inputs(torch.from_numpy(origins))
        level = z[:, -1:].double().numpy()  # (n, 1)
        shared = np.hstack([z.numpy() - level, past[:, -1].numpy()])  # (n, L + P)
        return shared, known.double().numpy(), level


def fit_baseline(name: str, panel: Panel, prepared: Prepared) -> Naive | Linear:
    """Fit the baseline called ``"last"``, ``"seasonal"`` or ``"linear"``.

    The period of the seasonal one is the frequency's that errs least on the validation part.
    """
    if name == "linear":
        return Linear(prepared)
    if name == "last":
        return Naive(prepared, 1)
    periods = [p for p in panel.frequency.seasons if p <= prepared.windows.lookback]
    candidates = [Naive(prepared, period) for period in periods or [1]]
    checked = prepared.validation
    return min(
        candidates, key=lambda naive: prepared.absolute_error(checked, naive.scaled(checked))
    )


def _evenly(origins: np.ndarray) -> np.ndarray:
    if len(origins) <= _MOST_WINDOWS:
        return origins
    return origins[np.linspace(0, len(origins) - 1, _MOST_WINDOWS).astype(np.int64)]
