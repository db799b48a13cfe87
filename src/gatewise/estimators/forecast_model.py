"""One trained forecasting model: encoder and network, fitted on a part of a panel."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gatewise.data.calendar import calendar_names
from gatewise.data.columns import Columns
from gatewise.data.encoding import Encoded, Encoder
from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.data.slicing import until
from gatewise.data.times import Frequency
from gatewise.data.windows import Ends, Origins, evenly
from gatewise.estimators.conformal import corrections
from gatewise.estimators.forecast_windows import Windows, window_batches
from gatewise.estimators.losses import forecast_loss
from gatewise.estimators.network import ForecastNet, seasonal_forecast, window_spread
from gatewise.estimators.recurrent import count_parameters
from gatewise.training import Execution, TrainingOptions, fitting, train

_VALIDATION_WINDOWS = 2_000  # evenly chosen; more would cost time and change little
_LEAST_WINDOWS = 256  # of an evaluation, however short the training
_FORECAST_BATCH = 512


@dataclass(frozen=True)
class ForecastSettings:
    """What a forecasting model is, apart from its data; plain JSON values.

    Attributes:
        horizon, lookback: steps forecast, steps read.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, dropout, cell_options: of the recurrent layers.
        segment: time steps that one step of the recurrence reads.
        level: whether the window's values themselves are read, too, beside what is relative to its
            last one.
        linear: whether a linear map of the window is added to what the recurrent layers say.
        calendar: whether the time itself is read: the hour, the weekday, the place in the year.
        log: take the logarithm of the target; None decides on the training part.
        loss: of the point forecast, one of ``losses.LOSSES``.
        quantiles: shares of the truth that the forecast's quantiles shall lie above.
        training: budget and step sizes.
    """

    horizon: int
    lookback: int
    cell: str = "lstm"
    hidden_size: int = 64
    segment: int = 1
    num_layers: int = 1
    dropout: float = 0.1
    cell_options: dict[str, Any] = field(default_factory=dict)
    level: bool = True
    linear: bool = True
    calendar: bool = True
    log: bool | None = None
    loss: str = "absolute"
    quantiles: tuple[float, ...] = ()
    training: TrainingOptions = field(default_factory=TrainingOptions)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ForecastSettings":
        """Rebuild settings from ``dataclasses.asdict``'s values."""
        known = {f.name for f in fields(cls)}
        rest = {k: v for k, v in values.items() if k in known and k != "training"}
        rest["quantiles"] = tuple(rest.get("quantiles", ()))
        return cls(**rest, training=TrainingOptions(**values["training"]))


class ForecastModel:
    """An encoder and a network fitted together, and the panel's columns they were fitted on."""

    def __init__(
        self,
        settings: ForecastSettings,
        columns: Columns,
        frequency: Frequency,
        encoder: Encoder,
        net: ForecastNet,
        history: list[dict[str, Any]],
    ) -> None:
        self.settings = settings
        self.columns = columns
        self.frequency = frequency
        self.encoder = encoder
        self.net = net
        self.history = history
        self.corrections = np.zeros((len(settings.quantiles), settings.horizon))

    @classmethod
    def fit(
        cls,
        panel: Panel,
        train_end: Ends,
        validation_end: Ends,
        settings: ForecastSettings,
        *,
        seed: int,
        execution: Execution,
    ) -> "ForecastModel":
        """Train on the first ``train_end[s]`` steps of each series, stop by those up to
        ``validation_end[s]``; nothing behind them is looked at.

        The quantiles are corrected by the validation part. Where both ends are the same there is
        none: training takes all its steps, the last weights are kept, and the quantiles stay as
        they were learnt.

        Raises:
            DataError: if no window fits into the training or the validation part.
        """
        log = True if settings.loss == "relative" else settings.log
        encoder = Encoder.fit(panel, train_end, log=log)
        encoded = encoder.encode(until(panel, validation_end))
        nowhere = np.zeros(len(panel), dtype=np.int64)
        training = _origins(panel, encoded, nowhere, train_end, "training", settings)
        windows = make_windows(encoded, settings)
        validate, held_back = None, np.zeros(0, dtype=np.int64)
        if not np.array_equal(train_end, validation_end):
            held_back = _origins(
                panel, encoded, train_end, validation_end, "validation", settings
            ).evenly(_VALIDATION_WINDOWS)
            some = evenly(held_back, _windows_an_evaluation(settings.training))
            validate = partial(_validation_error, windows=windows, origins=some, loss=settings.loss)

        def batch_loss(module: nn.Module, chosen: Tensor) -> tuple[Tensor, Tensor]:
            origins = training.at(chosen.numpy())
            return forecast_loss(module, windows, origins, settings.loss, settings.quantiles)

        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = build_network(panel.columns, panel.frequency, encoder, settings)
            seasons = panel.frequency.seasons
            net.start_from(_best_naive(windows, training.evenly(_VALIDATION_WINDOWS), seasons))
            model = cls(settings, panel.columns, panel.frequency, encoder, net, [])
            batches = window_batches(len(training), settings.training.batch_size, generator)
            with fitting(model):
                _, model.history = train(
                    net, batch_loss, batches, validate, settings.training, execution
                )
        if settings.quantiles and len(held_back):
            model._correct(windows, held_back)
        return model

    def forecast(self, panel: Panel, origins: np.ndarray | None = None) -> np.ndarray:
        """Forecast from ``origins`` (n,), flat indices into the panel: (n, horizon), float64.

        A panel's own future must not be in it for the forecast to be one; the known-future columns
        must. Without ``origins``, all of :meth:`last_origins`.
        """
        return self.forecast_with_quantiles(panel, origins)[0]

    def forecast_with_quantiles(
        self, panel: Panel, origins: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Forecast as :meth:`forecast`, and the corrected quantiles: (n, horizon, Q)."""
        settings = self.settings
        encoded = self.encoder.encode(panel)
        origins = self.last_origins(panel) if origins is None else origins
        windows = make_windows(encoded, settings)
        point, bounds = self._scaled(windows, origins)
        shifts = self.corrections.T * self._unit(windows, origins)[..., None]
        bounds = np.sort(bounds + shifts, axis=-1)
        return encoded.unscale(origins, point), encoded.unscale(origins, bounds)

    @torch.no_grad()
    def _scaled(self, windows: Windows, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Forecast in scaled units, quantiles as the network gives them."""
        self.net.eval()
        device = next(self.net.parameters()).device
        point = np.empty((len(origins), windows.horizon))
        bounds = np.empty((len(origins), windows.horizon, len(self.settings.quantiles)))
        for start in range(0, len(origins), _FORECAST_BATCH):
            some = slice(start, start + _FORECAST_BATCH)
            made = self.net(*windows.inputs(origins[some]).to(device))
            point[some], bounds[some] = (tensor.double().cpu().numpy() for tensor in made)
        return point, bounds

    def _correct(self, windows: Windows, origins: np.ndarray) -> None:
        z, seen = (tensor.numpy() for tensor in windows.truth(origins))
        _, bounds = self._scaled(windows, origins)
        unit = self._unit(windows, origins)
        truth = np.where(seen, z, np.nan) / unit
        self.corrections = corrections(truth, bounds / unit[..., None], self.settings.quantiles)

    def _unit(self, windows: Windows, origins: np.ndarray) -> np.ndarray:
        """Give what the quantiles' corrections are told in, for each window: (n, 1)."""
        return window_spread(windows.window(origins)).numpy()

    def last_origins(self, panel: Panel) -> np.ndarray:
        """Give the origin ``horizon`` steps before each series' end."""
        ends = np.cumsum([len(times) for times in panel.times])
        return ends - self.settings.horizon

    @property
    def parameters(self) -> int:
        """Number of trained parameters."""
        return count_parameters(self.net)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the weights as plain JSON values."""
        return {
            "settings": asdict(self.settings),
            "columns": asdict(self.columns),
            "frequency": str(self.frequency),
            **self.encoder.to_json(),
            "corrections": self.corrections.tolist(),
            "history": self.history,
        }

    @classmethod
    def from_json(cls, header: dict[str, Any], weights: dict[str, Tensor]) -> "ForecastModel":
        """Rebuild the model from :meth:`to_json`'s values and its weights."""
        settings = ForecastSettings.from_json(header["settings"])
        columns = Columns.from_dict(header["columns"])
        frequency = Frequency.parse(header["frequency"])
        encoder = Encoder.from_json(header)
        net = build_network(columns, frequency, encoder, settings)
        net.load_state_dict(weights)
        model = cls(settings, columns, frequency, encoder, net.eval(), header["history"])
        if "corrections" in header:  # not in models of before there were quantiles
            model.corrections = np.reshape(header["corrections"], model.corrections.shape)
        return model


def build_network(
    columns: Columns, frequency: Frequency, encoder: Encoder, settings: ForecastSettings
) -> ForecastNet:
    """Build the network for a panel's columns, with random weights."""
    past_width, known_width = encoder.widths(columns)
    return ForecastNet(
        settings.cell,
        lookback=settings.lookback,
        horizon=settings.horizon,
        past_width=past_width,
        known_width=known_width,
        calendar_width=len(calendar_names(frequency)) if settings.calendar else 0,
        hidden_size=settings.hidden_size,
        segment=settings.segment,
        num_layers=settings.num_layers,
        dropout=settings.dropout,
        quantiles=len(settings.quantiles),
        level=settings.level,
        linear=settings.linear,
        cell_options=settings.cell_options,
    )


def make_windows(encoded: Encoded, settings: ForecastSettings) -> Windows:
    """Cut encoded series as the settings say."""
    return Windows(
        encoded,
        settings.lookback,
        settings.horizon,
        settings.segment,
        calendar=settings.calendar,
    )


def _origins(
    panel: Panel, encoded: Encoded, start: Ends, stop: Ends, part: str, settings: ForecastSettings
) -> Origins:
    shape = {"lookback": settings.lookback, "horizon": settings.horizon}
    origins = Origins.of(encoded.offsets, start, stop, encoded.seen, **shape)
    if len(origins) == 0:
        longest = max((int(last) - int(first) for first, last in zip(start, stop, strict=True)))
        raise DataError(
            f"{panel.name}: too few rows: the {part} part has {longest} steps at most, and not one "
            f"window of {settings.lookback} steps read and {settings.horizon} steps forecast with "
            "a known target fits into it; give more rows, or a smaller horizon, look-back or "
            "number of folds"
        )
    return origins


def _windows_an_evaluation(training: TrainingOptions) -> int:
    """Choose so many that the evaluations read no more windows than the training does."""
    between = -(-training.steps // training.evaluations)
    return max(between * training.batch_size, _LEAST_WINDOWS)


def _validation_error(module: nn.Module, windows: Windows, origins: np.ndarray, loss: str) -> float:
    batches = np.split(origins, range(_FORECAST_BATCH, len(origins), _FORECAST_BATCH))
    parts = [forecast_loss(module, windows, some, loss) for some in batches]
    return float(sum(total for total, _ in parts)) / float(sum(count for _, count in parts))


def _best_naive(windows: Windows, origins: np.ndarray, seasons: Sequence[int]) -> int:
    """Choose the period whose naive forecast errs least on the training windows."""
    window = windows.window(origins)
    z, weight = windows.weighted_truth(origins)

    def error(period: int) -> float:
        naive = seasonal_forecast(window, period, windows.horizon).numpy()
        return float((weight * np.abs(naive - z)).sum())

    return min((p for p in (1, *seasons) if p <= windows.lookback), key=error)
