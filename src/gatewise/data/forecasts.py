"""Forecasts as columns: what was forecast from where, beside the truth."""

import numpy as np

from gatewise.data.panel import Panel
from gatewise.data.windows import series_of


def series_labels(panel: Panel) -> np.ndarray:
    """Name each series (S,): by its id or column, or by the target where there is only one."""
    names = [panel.columns.target] if panel.series == [""] else panel.series
    return np.asarray(names, dtype=object)


def forecast_columns(
    panel: Panel, origins: np.ndarray, forecast: np.ndarray
) -> dict[str, np.ndarray]:
    """Lay out forecasts as a long table.

    Args:
        panel: the series, their horizon included.
        origins: (n,) first forecast steps, flat indices into the panel.
        forecast: (n, horizon).

    Returns:
        ``series``, ``origin`` (time of the last known step), ``step`` (from 1), ``time``,
        ``truth`` and ``forecast``, each (n · horizon,).
    """
    horizon = forecast.shape[1]
    offsets = np.concatenate([[0], np.cumsum([len(times) for times in panel.times])])
    series = series_of(origins, offsets)
    times = np.concatenate(panel.times)
    ahead = origins[:, None] + np.arange(horizon)  # (n, horizon)
    return {
        "series": np.repeat(series_labels(panel)[series], horizon),
        "origin": np.repeat(times[origins - 1], horizon),
        "step": np.tile(np.arange(1, horizon + 1), len(origins)),
        "time": times[ahead].ravel(),
        "truth": np.concatenate(panel.target)[ahead].ravel(),
        "forecast": forecast.ravel(),
    }
