"""The forecasting network: a recurrent encoder of the past, all steps of the horizon at once."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.estimators.recurrent import make_recurrent, output_size

_CONTEXT = 16  # width of what the encoder tells each step of the horizon
_DECODER = 32  # width of the layer that joins it with what is known of that step


class ForecastNet(nn.Module):
    """Forecast ``horizon`` steps, and quantiles of each, from ``lookback`` steps.

    The window is read relative to its last value (the level). The forecast is the level, plus a
    linear map of the window, plus a correction that the recurrent encoder decides, and the known
    future where there is one. The correction starts at zero and the linear map at a naive forecast
    (:meth:`start_from`), so training starts from that forecast. Quantiles are distances from it,
    decided in the same way, in units of the window's spread (:func:`window_spread`), and sorted,
    so that they never cross (Chernozhukov et al. 2010).

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        lookback, horizon: steps read and steps forecast.
        past_width, known_width: columns known up to the present, and known in the future too.
        calendar_width: features of the calendar; of a segment's steps only the last one's are
            read, which tells the others.
        segment: time steps that one step of the recurrence reads.
        hidden_size, num_layers, dropout: of the recurrent layers; dropout also before the decoder.
        quantiles: how many.
        level: whether the window's values themselves are read, too, not only what is relative to
            the last of them.
        linear: whether there is the linear map; without it training starts from the last value.
        cell_options: further arguments of the layer.
    """

    def __init__(
        self,
        cell: str,
        *,
        lookback: int,
        horizon: int,
        past_width: int,
        known_width: int,
        hidden_size: int,
        calendar_width: int = 0,
        segment: int = 1,
        num_layers: int = 1,
        dropout: float = 0.0,
        quantiles: int = 0,
        level: bool = True,
        linear: bool = True,
        cell_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.segment = segment
        self.level = level
        self.rnn = make_recurrent(
            cell,
            segment * (1 + level + past_width + known_width) + calendar_width,
            hidden_size,
            num_layers,
            dropout,
            cell_options,
        )
        self.directions = 2 if self.rnn.bidirectional else 1
        self.horizon = horizon
        self.lookback = lookback
        self.dropout = nn.Dropout(dropout)
        summary, ahead = output_size(self.rnn), calendar_width + known_width
        self.head = _starting_at_zero(nn.Linear(summary, horizon * (1 + quantiles)))
        self.linear = nn.Parameter(torch.zeros(horizon, lookback)) if linear else None
        self.context = nn.Linear(summary, horizon * _CONTEXT) if ahead else None
        if ahead:
            self.join = nn.Linear(_CONTEXT + ahead, _DECODER)
            self.correction = _starting_at_zero(nn.Linear(_DECODER, 1 + quantiles))

    def forward(
        self, z: Tensor, past: Tensor, known: Tensor, calendar: Tensor, ahead: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Forecast the scaled target.

        Args:
            z: (B, L) the scaled target.
            past: (B, L, P), known: (B, L, K).
            calendar: (B, S, C) at each segment's last step.
            ahead: (B, h, C + K).

        Returns:
            The forecast (B, h) and its quantiles (B, h, Q). The quantiles' losses do not move the
            forecast that they are distances from.
        """
        level = z[:, -1:]  # (B, 1)
        relative = z - level  # (B, L)
        itself = [z.tanh()[..., None]] if self.level else []
        x = torch.cat([*itself, relative[..., None], past, known], -1)  # (B, L, F)
        x = F.pad(x, (0, 0, -x.shape[1] % self.segment, 0))  # zeros before the window
        x = x.unflatten(1, (-1, self.segment)).flatten(2)  # (B, S, segment · F)
        _, state = self.rnn(torch.cat([x, calendar], -1).transpose(0, 1))
        h_n = state[0] if isinstance(state, tuple) else state  # (layers · D, B, H)
        summary = h_n[-self.directions :].transpose(0, 1).flatten(1)  # (B, D · H)
        made = self._decode(self.dropout(summary), ahead)  # (B, h, 1 + Q)
        correction, distances = made.tensor_split([1], dim=-1)
        point = level + correction.squeeze(-1)
        if self.linear is not None:
            point = point + F.linear(relative, self.linear)
        distances = distances * window_spread(z)[..., None]
        return point, (point.detach()[..., None] + distances).sort(dim=-1).values

    def _decode(self, summary: Tensor, ahead: Tensor) -> Tensor:
        """Turn what the encoder made of the window, (B, D · H), into all steps' (B, h, 1 + Q)."""
        made: Tensor = self.head(summary).unflatten(1, (self.horizon, -1))
        if self.context is None:
            return made
        context = self.context(summary).unflatten(1, (self.horizon, _CONTEXT))
        joined = F.gelu(self.join(torch.cat([context, ahead], -1)))  # (B, h, _DECODER)
        return made + self.correction(joined)

    @torch.no_grad()
    def start_from(self, period: int) -> None:
        """Let the linear map start as "the value ``period`` steps before"; 1 is the last value."""
        if self.linear is None:
            return
        self.linear.zero_()
        for step in range(self.horizon):
            self.linear[step, self.lookback - period + step % period] = 1.0


def _starting_at_zero(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def window_spread(window: Tensor) -> Tensor:
    """Give √(variance + 0.01) of each ``window`` (B, L), which is never zero: (B, 1)."""
    centred = window - window.mean(dim=1, keepdim=True)
    return (centred.square().mean(dim=1, keepdim=True) + 0.01).sqrt()


def seasonal_forecast(window: Tensor, period: int, horizon: int) -> Tensor:
    """Repeat the last ``period`` values of ``window`` (B, L) over the horizon: (B, horizon)."""
    steps = torch.arange(horizon, device=window.device) % period
    return window[:, window.shape[1] - period + steps]
