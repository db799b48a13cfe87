"""One trained forecasting model: encoder and network, fitted on a part of a panel."""

import math
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
from gatewise.data.windows import Ends, evenly, window_origins, with_truth
from gatewise.estimators.network import ForecastNet, seasonal_forecast
from gatewise.training import Execution, Shuffled, TrainingError, TrainingOptions, train

_VALIDATION_WINDOWS = 2_000  # evenly chosen; more would cost time and change little
_FORECAST_BATCH = 512


@dataclass(frozen=True)
class ForecastSettings:
    """What a forecasting model is, apart from its data; plain JSON values.

    Attributes:
        horizon, lookback: steps forecast, steps read.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, dropout, cell_options: of the recurrent layers.
        segment: time steps that one step of the recurrence reads.
        log: take the logarithm of the target; None decides on the training part.
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
    log: bool | None = None
    training: TrainingOptions = field(default_factory=TrainingOptions)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ForecastSettings":
        """Rebuild settings from ``dataclasses.asdict``'s values."""
        known = {f.name for f in fields(cls)}
        rest = {k: v for k, v in values.items() if k in known and k != "training"}
        return cls(**rest, training=TrainingOptions(**values["training"]))


@dataclass
class Windows:
    """Windows over encoded series as tensors, gathered a batch at a time."""

    z: Tensor
    past: Tensor
    known: Tensor
    weight: Tensor
    log_std: Tensor
    lookback: int
    horizon: int

    @classmethod
    def of(cls, encoded: Encoded, lookback: int, horizon: int) -> "Windows":
        """Share the encoded arrays' memory."""
        return cls(
            z=torch.from_numpy(encoded.z),
            past=torch.from_numpy(encoded.past),
            known=torch.from_numpy(encoded.known),
            weight=torch.from_numpy(encoded.weight),
            log_std=torch.from_numpy(encoded.log_std),
            lookback=lookback,
            horizon=horizon,
        )

    def inputs(self, origins: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gather the network's inputs for ``origins`` (B,)."""
        back = origins[:, None] + torch.arange(-self.lookback, 0)  # (B, L)
        ahead = origins[:, None] + torch.arange(self.horizon)  # (B, h)
        return self.z[back], self.past[back], self.known[back], self.known[ahead]

    def truth(self, origins: Tensor) -> tuple[Tensor, Tensor]:
        """Gather the scaled truth and its weight, both (B, h)."""
        ahead = origins[:, None] + torch.arange(self.horizon)
        return self.z[ahead], self.weight[ahead]


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

        Where both ends are the same there is no validation part: training takes all its steps and
        the last weights are kept.

        Raises:
            DataError: if no window fits into the training or the validation part.
        """
        encoder = Encoder.fit(panel, train_end, log=settings.log)
        encoded = encoder.encode(until(panel, validation_end))
        shape = {"lookback": settings.lookback, "horizon": settings.horizon}
        nowhere = np.zeros(len(panel), dtype=np.int64)
        training = _origins(panel, encoded, nowhere, train_end, "training", shape)
        windows = Windows.of(encoded, **shape)
        validate = None
        if not np.array_equal(train_end, validation_end):
            kept = _origins(panel, encoded, train_end, validation_end, "validation", shape)
            kept = evenly(kept, _VALIDATION_WINDOWS)
            validate = partial(_validation_error, windows=windows, origins=torch.from_numpy(kept))
        some = torch.from_numpy(evenly(training, _VALIDATION_WINDOWS))
        every = torch.from_numpy(training)

        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = build_network(panel.columns, panel.frequency, encoder, settings)
            net.start_from(_best_naive(windows, some, panel.frequency.seasons))
            model = cls(settings, panel.columns, panel.frequency, encoder, net, [])
            try:
                _, model.history = train(
                    net,
                    lambda module, chosen: total_error(module, windows, every[chosen]),
                    Shuffled(len(every), settings.training.batch_size, generator),
                    validate,
                    settings.training,
                    execution,
                )
            except TrainingError as error:
                model.history = error.history
                error.fitted = model if error.module is not None else None
                raise
        return model

    def forecast(self, panel: Panel, origins: np.ndarray | None = None) -> np.ndarray:
        """Forecast from ``origins`` (n,), flat indices into the panel: (n, horizon), float64.

        A panel's own future must not be in it for the forecast to be one; the known-future columns
        must. Without ``origins``, all of :meth:`last_origins`.
        """
        encoded = self.encoder.encode(panel)
        origins = self.last_origins(panel) if origins is None else origins
        windows = Windows.of(encoded, self.settings.lookback, self.settings.horizon)
        device = next(self.net.parameters()).device
        parts = []
        with torch.no_grad():
            self.net.eval()
            for chosen in torch.from_numpy(origins).split(_FORECAST_BATCH):
                inputs = (tensor.to(device) for tensor in windows.inputs(chosen))
                parts.append(self.net(*inputs).cpu().double().numpy())
        z = np.concatenate(parts) if parts else np.zeros((0, self.settings.horizon))
        return encoded.unscale(origins, z)

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
            "history": self.history,
        }


def build_network(
    columns: Columns, frequency: Frequency, encoder: Encoder, settings: ForecastSettings
) -> ForecastNet:
    """Build the network for a panel's columns, with random weights."""
    past_width, known_width = encoder.widths(columns, frequency)
    return ForecastNet(
        settings.cell,
        lookback=settings.lookback,
        horizon=settings.horizon,
        past_width=past_width,
        known_width=known_width,
        calendar_width=len(calendar_names(frequency)),
        hidden_size=settings.hidden_size,
        segment=settings.segment,
        num_layers=settings.num_layers,
        dropout=settings.dropout,
        cell_options=settings.cell_options,
    )


def count_parameters(module: nn.Module) -> int:
    """Count the trained parameters of a module."""
    return sum(p.numel() for p in module.parameters())


def _origins(
    panel: Panel,
    encoded: Encoded,
    start: Ends,
    stop: Ends,
    part: str,
    shape: dict[str, int],
) -> np.ndarray:
    origins = window_origins(encoded.offsets, start, stop, **shape)
    origins = with_truth(origins, encoded.target, shape["horizon"])
    if len(origins) == 0:
        longest = max((int(last) - int(first) for first, last in zip(start, stop, strict=True)))
        raise DataError(
            f"{panel.name}: too few rows: the {part} part has {longest} steps at most, and not one "
            f"window of {shape['lookback']} steps read and {shape['horizon']} steps forecast with "
            "a known target fits into it; give more rows, or a smaller horizon, look-back or "
            "number of folds"
        )
    return origins


def total_error(module: nn.Module, windows: Windows, origins: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the absolute errors in units of each series' spread, and how many had a truth."""
    device = next(module.parameters()).device
    forecast = module(*(tensor.to(device) for tensor in windows.inputs(origins)))  # (B, h)
    z, weight = (tensor.to(device) for tensor in windows.truth(origins))
    off = _unlogged(forecast - z, windows.log_std[origins, None].to(device))
    return (weight * off.abs()).sum(), (weight > 0).sum()


def _unlogged(off: Tensor, log_std: Tensor) -> Tensor:
    """Turn errors in z (B, h) into what they come to in the target's unit, over dy/dz at the truth.

    Under the logarithm an error d is worth (exp(s d) − 1) / s with the scaler's std s: a forecast
    that is too high by a factor costs more than one too low by it. From a factor of e on the
    tangent goes on, so that one wild forecast does not swamp the batch. Where s = 0, d itself.
    """
    x = off * log_std
    grown = torch.expm1(x.clamp(max=1.0)) + (x - 1.0).clamp(min=0.0) * math.e
    return torch.where(log_std > 0, grown / log_std.clamp(min=1e-6), off)


def _validation_error(module: nn.Module, windows: Windows, origins: Tensor) -> float:
    parts = [total_error(module, windows, some) for some in origins.split(_FORECAST_BATCH)]
    return float(sum(total for total, _ in parts)) / float(sum(count for _, count in parts))


def _best_naive(windows: Windows, origins: Tensor, seasons: Sequence[int]) -> int:
    """Choose the period whose naive forecast errs least on the training windows."""
    window, (z, weight) = (
        windows.z[origins[:, None] + torch.arange(-windows.lookback, 0)],
        (windows.truth(origins)),
    )

    def error(period: int) -> float:
        naive = seasonal_forecast(window, period, windows.horizon)
        return float((weight * (naive - z).abs()).sum())

    return min((p for p in (1, *seasons) if p <= windows.lookback), key=error)
