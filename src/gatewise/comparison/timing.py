"""Training and step times, measured apart from the trials: one process, cells alternated."""

import time
from collections.abc import Mapping
from statistics import median
from typing import Any

import torch

from gatewise.comparison.task import Timed
from gatewise.nn import explain_backend
from gatewise.training import torch_threads

_ROUNDS = 5
_TRAINING_STEPS = 4  # a round
_CELL_STEPS = 200  # a round


def step_seconds(timed: Timed, threads: int) -> float:
    """Measure one optimiser step on ``threads`` threads: the median of a few."""
    with torch_threads(threads), torch.random.fork_rng():
        timed.train(1)
        return median(timed.train(1) for _ in range(_ROUNDS))


def measure_times(cells: Mapping[str, Timed], steps: int, threads: int) -> dict[str, Any]:
    """Measure each cell, all cells in turn in each round.

    Args:
        cells: networks, by name.
        steps: the budget of optimiser steps.
        threads: that torch may use meanwhile.

    Returns:
        For each cell, medians over the rounds: ``train_seconds``, for the whole budget of
        optimiser steps, and ``step_microseconds``, of one step of the recurrent layer; and the
        ``backends`` that ran.
    """
    with torch_threads(threads), torch.random.fork_rng():
        return _alternate(cells, steps)


def _alternate(cells: Mapping[str, Timed], steps: int) -> dict[str, Any]:
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in cells}
    for cell in cells.values():
        cell.train(1)
        _cell_step(cell, 1)
    for _ in range(_ROUNDS):
        for name, cell in cells.items():
            seconds[name].append((cell.train(_TRAINING_STEPS), _cell_step(cell, _CELL_STEPS)))
    return {
        name: {
            "train_seconds": median(train for train, _ in rows) * steps,
            "step_microseconds": 1e6 * median(step for _, step in rows),
            "backends": _backends(cells[name]),
        }
        for name, rows in seconds.items()
    }


@torch.inference_mode()
def _cell_step(timed: Timed, steps: int) -> float:
    """Give the seconds of one step of the recurrent layer with the state carried, batch 1."""
    layer = timed.layer.eval()
    x = torch.zeros(1, 1, layer.input_size)
    _, state = layer(x)
    start = time.perf_counter()
    for _ in range(steps):
        _, state = layer(x, state)
    return (time.perf_counter() - start) / steps


def _backends(timed: Timed) -> list[str]:
    """Name the backends that train the recurrent layer and take its single steps."""
    given = (torch.zeros(timed.batch_shape), torch.zeros(1, 1, timed.layer.input_size))
    return sorted({explain_backend(timed.layer, x).backend for x in given})
