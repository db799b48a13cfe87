"""Windows over series laid end to end: only where they start is stored, never a copy of them."""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Origins:
    """The origins of windows as runs of neighbours: a few numbers, however many windows.

    Attributes:
        first: (R,) the first origin of each run, a flat index.
        ends: (R,) how many origins there are up to the end of each run.
    """

    first: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(
        cls,
        offsets: np.ndarray,
        start: Ends,
        stop: Ends,
        seen: np.ndarray,
        *,
        lookback: int,
        horizon: int,
    ) -> "Origins":
        """Find the windows of a part, as :func:`window_origins`, whose horizon has a truth.

        Args:
            offsets, start, stop, lookback, horizon: as there, for every origin.
            seen: (N,) bool, where the target is known.
        """
        first: list[int] = []
        behind: list[int] = []
        for base, begin, end in zip(offsets[:-1], start, stop, strict=True):
            low, high = int(base + max(begin, lookback)), int(base + end - horizon + 1)
            if low >= high:
                continue
            runs = _between(low, high, _gaps(seen[low : high + horizon - 1], horizon))
            first += [a for a, _ in runs]
            behind += [b for _, b in runs]
        counts = np.array(behind, dtype=np.int64) - np.array(first, dtype=np.int64)
        return cls(np.array(first, dtype=np.int64), np.cumsum(counts, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def at(self, places: np.ndarray) -> np.ndarray:
        """Give the origins at ``places`` (n,) of the list: flat indices (n,)."""
        run = np.searchsorted(self.ends, places, side="right")
        begun = np.concatenate([[0], self.ends[:-1]])
        return self.first[run] + places - begun[run]

    def evenly(self, most: int) -> np.ndarray:
        """Choose at most ``most`` origins, evenly spread: flat indices."""
        if len(self) <= most:
            return self.at(np.arange(len(self)))
        return self.at(np.linspace(0, len(self) - 1, most).astype(np.int64))


def _gaps(seen: np.ndarray, horizon: int) -> list[tuple[int, int]]:
    """Find the stretches of origins from which nothing of the horizon is seen: (first, behind)."""
    missing = np.flatnonzero(~seen)
    if not len(missing):
        return []
    breaks = np.flatnonzero(np.diff(missing) > 1)
    begin = missing[np.concatenate([[0], breaks + 1])]
    end = missing[np.concatenate([breaks, [len(missing) - 1]])] + 1
    long = end - begin >= horizon
    return [(int(a), int(b) - horizon + 1) for a, b in zip(begin[long], end[long], strict=True)]


def _between(low: int, high: int, gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Cut ``low … high`` at the gaps, which count from ``low``; empty runs fall out."""
    edges = [low, *(low + edge for gap in gaps for edge in gap), high]
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(a, b) for a, b in runs if a < b]


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
