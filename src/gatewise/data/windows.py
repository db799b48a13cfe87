"""Windows over series laid end to end: only where they start is stored, never a copy of them."""

from collections.abc import Sequence

import numpy as np

Ends = Sequence[int] | np.ndarray
"""For each series, the step behind the last one of a part."""


def window_origins(
    offsets: np.ndarray,
    start: Ends,
    stop: Ends,
    *,
    lookback: int,
    horizon: int,
    stride: int = 1,
) -> np.ndarray:
    """List the origins (first forecast steps) of all windows inside a part of each series.

    A window reads ``lookback`` steps before its origin, which may lie before ``start`` but not
    before the series, and forecasts ``horizon`` steps, all within ``start[s] … stop[s]``.

    Args:
        offsets: (n_series + 1,) where each series starts in the flat arrays.
        start, stop: for each series, the part's first step and the step behind its last.
        lookback, horizon: in steps.
        stride: steps between the origins within a series.

    Returns:
        Flat indices, int64, in the series' order.
    """
    found = [
        base + np.arange(max(first, lookback), last - horizon + 1, stride, dtype=np.int64)
        for base, first, last in zip(offsets[:-1], start, stop, strict=True)
    ]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def series_of(origins: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Tell to which series each flat index of ``origins`` (n,) belongs: (n,)."""
    return np.searchsorted(offsets, origins, side="right") - 1


def evenly(origins: np.ndarray, most: int) -> np.ndarray:
    """Choose at most ``most`` of ``origins`` (n,), evenly spread."""
    if len(origins) <= most:
        return origins
    return origins[np.linspace(0, len(origins) - 1, most).astype(np.int64)]


def with_truth(origins: np.ndarray, target: np.ndarray, horizon: int) -> np.ndarray:
    """Keep the origins whose horizon holds at least one observed target (N,)."""
    seen = np.concatenate([[0], np.cumsum(np.isfinite(target))])
    return origins[seen[origins + horizon] > seen[origins]]
