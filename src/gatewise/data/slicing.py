"""Panels cut short, and panels lengthened into the future."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from gatewise.data.panel import Panel
from gatewise.data.windows import Ends


def until(panel: Panel, ends: Ends) -> Panel:
    """Keep the first ``ends[s]`` steps of each series ``s``; the arrays are views."""

    def cut(arrays: list[np.ndarray]) -> list[np.ndarray]:
        return [array[:end] for array, end in zip(arrays, ends, strict=True)]

    values = {name: cut(arrays) for name, arrays in panel.values.items()}
    return replace(panel, times=cut(panel.times), target=cut(panel.target), values=values)


def extended(panel: Panel, horizon: int, future: Mapping[str, list[np.ndarray]]) -> Panel:
    """Add ``horizon`` steps behind each series' end, with the known-future columns' values.

    Args:
        panel: the history.
        horizon: steps to add.
        future: for each known-future column, one array (horizon,) a series. The target and the
            past columns are missing there.
    """
    times = [
        np.concatenate([known, panel.frequency.range(known[0], len(known) + horizon)[len(known) :]])
        for known in panel.times
    ]
    target = [np.append(y, np.full(horizon, np.nan)) for y in panel.target]
    values = {}
    for name, arrays in panel.values.items():
        ahead = future.get(name) or [_missing(array, horizon) for array in arrays]
        values[name] = [np.append(a, b) for a, b in zip(arrays, ahead, strict=True)]
    return replace(panel, times=times, target=target, values=values)


def _missing(like: np.ndarray, steps: int) -> np.ndarray:
    if like.dtype.kind == "f":
        return np.full(steps, np.nan)
    return np.full(steps, None, dtype=object)
