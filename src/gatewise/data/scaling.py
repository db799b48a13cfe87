"""The target's scaler: one for each series, fitted on its training part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from gatewise.data.errors import DataError


@dataclass(frozen=True)
class TargetScaler:
    """Scale one series: ``z = (u − mean) / std``, with ``u = y`` or ``log(max(y, 0) + offset)``.

    Attributes:
        mean, std: of ``u`` over the observed training steps (:func:`unit`).
        offset: a tenth of the training mean when the logarithm is taken, else None. It keeps
            zeros and small values from dominating.
        spread: standard deviation of ``y`` over the training steps, the unit of the loss.
    """

    mean: float
    std: float
    offset: float | None
    spread: float

    @classmethod
    def fit(cls, y: np.ndarray, *, log: bool) -> "TargetScaler":
        """Fit on the training part ``y`` (n,), NaN where missing.

        Raises:
            DataError: if the logarithm is to be taken and a value is negative.
        """
        seen = y[np.isfinite(y)]
        if seen.size == 0:
            return cls(0.0, 1.0, 1.0 if log else None, 1.0)
        if log and seen.min() < 0:
            raise DataError(
                f"the model takes the target's logarithm, and {seen.min():g} is negative: train "
                "with log=False"
            )
        offset = (0.1 * float(seen.mean()) or 1.0) if log else None
        u = seen if offset is None else np.log(seen + offset)
        return cls(float(u.mean()), unit(u), offset, unit(seen))

    def scale(self, y: np.ndarray) -> np.ndarray:
        """Scale ``y``; NaN stays NaN."""
        u = y if self.offset is None else np.log(np.maximum(y, 0.0) + self.offset)
        return (u - self.mean) / self.std

    def unscale(self, z: np.ndarray) -> np.ndarray:
        """Undo ``scale``; under the logarithm nothing falls below zero."""
        u = z * self.std + self.mean
        return u if self.offset is None else np.maximum(np.exp(u) - self.offset, 0.0)

    def weight(self, y: np.ndarray) -> np.ndarray:
        """Give |dy/dz| / spread at ``y``: what an error of 1 in ``z`` is worth; NaN stays NaN."""
        slope = self.std * (np.maximum(y, 0.0) + self.offset if self.offset is not None else 1.0)
        return slope / self.spread + 0.0 * y


def unit(values: np.ndarray) -> float:
    """Give the standard deviation of ``values`` (n,), n > 0; of constant ones their size, or 1.

    Constant up to rounding counts as constant: such a deviation would blow up whatever follows.
    """
    size, std = float(np.abs(values).max()), float(values.std())
    return std if std > 1e-8 * size else size or 1.0


def spread_grows_with_level(series: Sequence[np.ndarray], season: int) -> bool:
    """Say whether the training parts want a logarithm: none negative, spread rising with level.

    Each series is cut into blocks of a season (at least 8 steps); the rank correlation of the
    blocks' means and standard deviations, averaged over the series by their number of blocks, must
    exceed one half. Series of fewer than four blocks say nothing.
    """
    block = max(season, 8)
    weighted, weights = 0.0, 0
    for y in series:
        if np.nanmin(y, initial=0.0) < 0:
            return False
        blocks = y[: len(y) // block * block].reshape(-1, block)
        blocks = blocks[np.isfinite(blocks).sum(1) >= 4]
        if len(blocks) < 4:
            continue
        means, stds = np.nanmean(blocks, axis=1), np.nanstd(blocks, axis=1)
        if np.ptp(means) == 0 or np.ptp(stds) == 0:
            continue
        weighted += len(blocks) * spearmanr(means, stds).statistic
        weights += len(blocks)
    return weights > 0 and bool(weighted / weights > 0.5)
