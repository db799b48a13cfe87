"""Sequences of numbers laid end to end: scaled by channel, gaps filled from the past."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.data.scaling import Moments


@dataclass(frozen=True)
class ChannelScaler:
    """Standardise each channel; a gap takes the last value before it, or the channel's mean.

    Attributes:
        mean, std: (F,) over all training steps, NaN left out.
        has_gaps: (F,) bool, whether the training part had gaps in the channel: such a channel gets
            an indicator beside it, 1 where the value is missing.
    """

    mean: np.ndarray
    std: np.ndarray
    has_gaps: np.ndarray

    @classmethod
    def fit(cls, values: Sequence[np.ndarray]) -> "ChannelScaler":
        """Fit on sequences (T_i, F), NaN where missing."""
        means, units, gaps = [], [], []
        for channel in range(values[0].shape[1]):
            column = np.concatenate([value[:, channel] for value in values]).astype(np.float64)
            seen = column[~np.isnan(column)]
            mean = float(seen.mean()) if seen.size else 0.0
            means.append(mean)
            units.append(Moments.of([seen]).unit if seen.size else 1.0)
            gaps.append(seen.size < column.size)
        return cls(np.array(means), np.array(units), np.array(gaps))

    @property
    def width(self) -> int:
        """Number of columns that :meth:`scale` gives."""
        return len(self.mean) + int(self.has_gaps.sum())

    def scale(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Give all steps (S, F + indicators), float32, the sequences one behind the other."""
        flat = np.concatenate([np.asarray(value, dtype=np.float64) for value in values])  # (S, F)
        flat -= self.mean
        flat /= self.std
        missing = np.isnan(flat)
        if missing.any():
            lengths = [len(value) for value in values]
            flat = _filled(flat, missing, lengths)
        indicators = missing[:, self.has_gaps]
        return np.concatenate([flat, indicators], axis=1, dtype=np.float32)

    def to_json(self) -> dict[str, Any]:
        """Give the scaler as plain JSON values."""
        return {name: getattr(self, name).tolist() for name in ("mean", "std", "has_gaps")}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ChannelScaler":
        """Rebuild the scaler from :meth:`to_json`'s values."""
        return cls(
            np.array(values["mean"], dtype=np.float64),
            np.array(values["std"], dtype=np.float64),
            np.array(values["has_gaps"], dtype=bool),
        )


def _filled(flat: np.ndarray, missing: np.ndarray, lengths: list[int]) -> np.ndarray:
    """Fill each gap with the last value before it in its own sequence, or with 0."""
    steps = np.arange(len(flat))
    start = np.repeat(np.cumsum(lengths) - lengths, lengths)  # (S,) of each step's sequence
    last = np.maximum.accumulate(np.where(missing, -1, steps[:, None]), axis=0)  # (S, F)
    known = np.take_along_axis(flat, last.clip(min=0), axis=0)
    return np.where(last >= start[:, None], known, 0.0)
