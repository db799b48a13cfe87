"""Forecast errors: MAE, RMSE and MASE."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewise.data.windows import Ends

METRICS = {"mae": "MAE", "rmse": "RMSE", "mase": "MASE"}
"""How each error is shown."""


@dataclass(frozen=True)
class Errors:
    """Errors of forecasts against a truth; missing truth does not count.

    Attributes:
        mae, rmse: mean absolute and root mean squared error, in the target's unit.
        mase: mean absolute error in units of the seasonal naive's on the training part
            (Hyndman & Koehler 2006).
        by_step: (horizon,) MAE of each step of the horizon; MASE where that decides.
    """

    mae: float
    rmse: float
    mase: float
    by_step: list[float]


def measure(
    truth: np.ndarray, forecast: np.ndarray, scale: np.ndarray, *, metric: str = "mae"
) -> Errors:
    """Measure ``forecast`` (n, horizon) against ``truth`` (n, horizon), NaN where missing.

    Args:
        truth, forecast: in the target's unit.
        scale: (n,) what MASE divides by for each row; NaN leaves the row out of MASE.
        metric: which of the errors ``by_step`` gives, scaled for ``"mase"`` and in the target's
            unit otherwise.
    """
    error = np.abs(forecast - truth)
    scaled = error / scale[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a step may have no truth at all: NaN
        by_step = np.nanmean(scaled if metric == "mase" else error, axis=0)
    return Errors(
        mae=float(np.nanmean(error)),
        rmse=float(np.sqrt(np.nanmean(error**2))),
        mase=float(np.nanmean(scaled)) if np.isfinite(scaled).any() else float("nan"),
        by_step=[float(value) for value in by_step],
    )


def naive_scales(target: Sequence[np.ndarray], train_end: Ends, season: int) -> np.ndarray:
    """MASE's denominators: each series' seasonal naive MAE inside its training part, (S,).

    A series whose naive forecast is perfect there, or cannot be made, gets NaN.
    """
    scales = np.full(len(target), np.nan)
    for index, (y, end) in enumerate(zip(target, train_end, strict=True)):
        steps = np.abs(y[season:end] - y[: max(end - season, 0)])
        if np.isfinite(steps).any():
            scales[index] = np.nanmean(steps) or np.nan
    return scales
