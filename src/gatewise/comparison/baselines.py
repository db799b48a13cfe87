"""Honest baselines on the same inputs: the last value, a season ago, and a linear model."""

from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import Ridge

from gatewise.data.encoding import Encoded, Encoder
from gatewise.data.panel import Panel
from gatewise.data.windows import evenly, window_origins, with_truth
from gatewise.estimators.forecast_windows import Windows
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
        target = np.concatenate(panel.target)
        parts = [
            with_truth(window_origins(encoded.offsets, a, b, **shape), target, horizon)
            for a, b in ((start, train_end), (train_end, validation_end))
        ]
        return cls(encoded, Windows(encoded, lookback, horizon), *parts)

    def unscale(self, origins: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Bring forecasts ``z`` (n, horizon) back to the target's unit."""
        return self.encoded.unscale(origins, z)

    def absolute_error(self, origins: np.ndarray, z: np.ndarray) -> float:
        """Mean weighted error of ``z`` (n, horizon), in units of each series' spread."""
        truth, weight = self.windows.weighted_truth(origins)
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
        window = self.prepared.windows.window(origins)
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
        horizon = prepared.windows.horizon
        train = self._inputs(evenly(prepared.train, _MOST_WINDOWS))
        checked = self._inputs(evenly(prepared.validation, _MOST_WINDOWS))
        some = sorted({0, horizon // 2, horizon - 1})  # of the steps, to choose the penalty by
        penalty = min(
            _PENALTIES,
            key=lambda p: sum(checked.error(train.fit(step, p), step) for step in some),
        )
        self.models = [train.fit(step, penalty) for step in range(horizon)]

    def scaled(self, origins: np.ndarray) -> np.ndarray:
        """Forecast in scaled units: (n, horizon)."""
        inputs = self._inputs(origins)
        columns = [model.predict(inputs.of(step)) for step, model in enumerate(self.models)]
        return inputs.level[:, None] + np.stack(columns, axis=1)

    def _inputs(self, origins: np.ndarray) -> "_LinearInputs":
        windows = self.prepared.windows
        z, past, *_, known = windows.inputs(origins)
        truth, weight = windows.weighted_truth(origins)
        level = z[:, -1].double().numpy()  # (n,)
        shared = np.hstack([z.numpy() - level[:, None], past[:, -1].numpy()])  # (n, L + P)
        return _LinearInputs(shared, known.numpy(), level, truth, weight)


@dataclass(frozen=True)
class _LinearInputs:
    """Windows as rows: (n, L + P) shared by all steps, (n, h, K) of each; truth, weight (n, h)."""

    shared: np.ndarray
    known: np.ndarray
    level: np.ndarray
    truth: np.ndarray
    weight: np.ndarray

    def of(self, step: int) -> np.ndarray:
        """Give the inputs of one step of the horizon, (n, L + P + K)."""
        return np.hstack([self.shared, self.known[:, step]])

    def fit(self, step: int, penalty: float) -> Ridge:
        """Fit one step where its truth is known; where none is, it forecasts the level."""
        seen = self.weight[:, step] > 0
        rows, relative = self.of(step), self.truth[:, step] - self.level
        if not seen.any():
            rows, relative, seen = np.zeros_like(rows[:1]), np.zeros(1), np.ones(1, dtype=bool)
        return Ridge(alpha=penalty, solver="cholesky").fit(rows[seen], relative[seen])

    def error(self, model: Ridge, step: int) -> float:
        """Give the weighted absolute error of a step's model."""
        made = self.level + model.predict(self.of(step))
        return float((self.weight[:, step] * np.abs(made - self.truth[:, step])).sum())


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
