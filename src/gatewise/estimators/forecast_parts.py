"""Checks of a forecaster's parameters, and which steps are trained on, held back and forecast."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.data.times import moment_of
from gatewise.data.windows import Ends, window_origins
from gatewise.estimators.losses import LOSSES
from gatewise.estimators.parameters import check_parameters


def check_forecast_parameters(estimator: Any) -> None:
    """Refuse parameters of a ``Forecaster`` out of their range.

    Raises:
        ValueError: names the parameter, what it may be and what was given.
    """
    check_parameters(estimator, counts=("horizon", "lookback", "segment"))
    if estimator.loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {estimator.loss!r}")
    if estimator.loss == "relative" and estimator.log is False:
        raise ValueError('loss="relative" takes the logarithm, but log=False was given')
    quantiles = list(estimator.quantiles)
    if quantiles != sorted(set(quantiles)) or not all(0 < q < 1 for q in quantiles):
        raise ValueError(
            f"quantiles must be rising numbers between 0 and 1, got {estimator.quantiles!r}"
        )


def train_ends(panel: Panel, ends: Ends, validation: float | str, horizon: int) -> np.ndarray:
    """Give each series' first validation step; its end where nothing is held back.

    Args:
        panel: the series.
        ends: for each series, how many of its steps may be used.
        validation: the share of them, or the time from which on they are held back.
        horizon: steps that a share holds back at least.

    Raises:
        DataError: if nothing lies behind that time.
    """
    if not isinstance(validation, str):
        held_back = [max(int(end * validation), horizon) for end in ends]
        return np.asarray(ends) - (held_back if validation else 0)
    moment = moment_of("validation", validation)
    firsts = [int(np.searchsorted(times, moment)) for times in panel.times]
    if all(first >= end for first, end in zip(firsts, ends, strict=True)):
        raise DataError(
            f"{panel.name}: no step from {validation} on, so there is no validation part: give an "
            "earlier time as validation, or a share"
        )
    return np.minimum(firsts, ends)


def quantile_notes(quantiles: Sequence[float], train_end: np.ndarray, ends: Ends) -> list[str]:
    """Say where there are quantiles that nothing corrects."""
    if not len(quantiles) or not np.array_equal(train_end, ends):
        return []
    return ["the quantiles are not corrected: no validation part is held back for that"]


def rolling_origins(
    panel: Panel, start: str | None, stride: int, lookback: int, horizon: int
) -> np.ndarray:
    """List the origins from a time on, whose look-back and horizon lie within the data.

    Raises:
        DataError: if there is none.
    """
    lengths = [len(times) for times in panel.times]
    moment = None if start is None else moment_of("start", start)
    first = [0 if moment is None else int(np.searchsorted(t, moment)) for t in panel.times]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    shape = {"lookback": lookback, "horizon": horizon}
    origins = window_origins(offsets, first, lengths, **shape, stride=stride)
    if not len(origins):
        since = "" if start is None else f" from {start} on"
        raise DataError(
            f"{panel.name}: no forecast{since} has {lookback} steps before it and {horizon} steps "
            "within the data: give more rows"
        )
    return origins


def require_history(panel: Panel, lookback: int) -> None:
    """Refuse series that are shorter than the look-back."""
    for name, times in zip(panel.series, panel.times, strict=True):
        if len(times) < lookback:
            which = f"series {name!r} has " if name else ""
            raise DataError(
                f"{panel.name}: {which}{len(times)} steps of history; this model reads "
                f"{lookback}: give more rows"
            )
