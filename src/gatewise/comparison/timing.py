"""Training and step times, measured apart from the trials: one process, cells alternated."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np
import torch

from gatewise.data.encoding import Encoder
from gatewise.data.panel import Panel
from gatewise.data.windows import window_origins
from gatewise.estimators.forecast_model import ForecastSettings, build_network, make_windows
from gatewise.estimators.losses import forecast_loss
from gatewise.nn import explain_backend
from gatewise.training import torch_threads

_ROUNDS = 5
_TRAINING_STEPS = 4  # a round
_CELL_STEPS = 200  # a round


class _Timed:
    """A network with a batch, ready to be timed."""

    def __init__(self, panel: Panel, encoder: Encoder, settings: ForecastSettings) -> None:
        encoded = encoder.encode(panel)
        shape = {"lookback": settings.lookback, "horizon": settings.horizon}
        start = np.zeros(len(panel), dtype=np.int64)
        origins = window_origins(encoded.offsets, start, np.diff(encoded.offsets), **shape)
        self.origins = origins[: settings.training.batch_size]
        self.windows = make_windows(encoded, settings)
        self.net = build_network(panel.columns, panel.frequency, encoder, settings)
        self.loss = settings.loss
        self.optimizer = torch.optim.AdamW(self.net.parameters())
        self.x = torch.zeros(1, 1, self.net.rnn.input_size)
        steps = -(-settings.lookback // self.net.segment)
        self.batch_shape = (steps, len(self.origins), self.net.rnn.input_size)

    def backends(self) -> list[str]:
        """Name the backends that train the recurrent layer and take its single steps."""
        given = (torch.zeros(self.batch_shape), self.x)
        return sorted({explain_backend(self.net.rnn, x).backend for x in given})

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

    @torch.inference_mode()
    def step(self, steps: int) -> float:
        """Give the seconds of one step of the recurrent layer with the state carried, batch 1."""
        self.net.eval()
        _, state = self.net.rnn(self.x)
        start = time.perf_counter()
        for _ in range(steps):
            _, state = self.net.rnn(self.x, state)
        return (time.perf_counter() - start) / steps


def step_seconds(panel: Panel, encoder: Encoder, settings: ForecastSettings, threads: int) -> float:
    """Measure one optimiser step on ``threads`` threads: the median of a few."""
    with torch_threads(threads), torch.random.fork_rng():
        timed = _Timed(panel, encoder, settings)
        timed.train(1)
        return median(timed.train(1) for _ in range(_ROUNDS))


def measure_times(
    panel: Panel, encoder: Encoder, settings: Mapping[str, ForecastSettings], threads: int
) -> dict[str, dict[str, Any]]:
    """Measure each cell, all cells in turn in each round.

    Args:
        panel, encoder: the data of one fold.
        settings: of each cell.
        threads: that torch may use meanwhile.

    Returns:
        For each cell, medians over the rounds: ``train_seconds``, for the whole budget of
        optimiser steps, and ``step_microseconds``, of one step of the recurrent layer; and the
        ``backends`` that ran.
    """
    with torch_threads(threads), torch.random.fork_rng():
        return _alternate(panel, encoder, settings)


def _alternate(
    panel: Panel, encoder: Encoder, settings: Mapping[str, ForecastSettings]
) -> dict[str, dict[str, Any]]:
    timed = {cell: _Timed(panel, encoder, of_cell) for cell, of_cell in settings.items()}
    seconds: dict[str, list[tuple[float, float]]] = {cell: [] for cell in timed}
    for cell in timed.values():
        cell.train(1)
        cell.step(1)
    for _ in range(_ROUNDS):
        for name, cell in timed.items():
            seconds[name].append((cell.train(_TRAINING_STEPS), cell.step(_CELL_STEPS)))
    return {
        name: {
            "train_seconds": median(train for train, _ in rows) * settings[name].training.steps,
            "step_microseconds": 1e6 * median(step for _, step in rows),
            "backends": timed[name].backends(),
        }
        for name, rows in seconds.items()
    }
