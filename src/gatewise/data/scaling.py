"""The target's scaler: one for each series, fitted on its training part."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from gatewise.data.errors import DataError

BLOCK = 1 << 16
"""Numbers looked at together, so that nothing of double width is as long as the data."""

_MOST_BLOCKS = 4_096  # that tell whether the spread grows with the level


@dataclass(frozen=True)
class TargetScaler:
    """Scale one series: ``z = (u − mean) / std``, with ``u = y`` or ``log(max(y, 0) + offset)``.

    Attributes:
        mean, std: of ``u`` over the observed training steps (:class:`Moments`).
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
        of_y = Moments.of([y])
        if of_y.count == 0:
            return cls(0.0, 1.0, 1.0 if log else None, 1.0)
        if not log:
            return cls(of_y.mean, of_y.unit, None, of_y.unit)
        if of_y.least < 0:
            raise DataError(
                f"the model takes the target's logarithm, and {of_y.least:g} is negative: train "
                "with log=False"
            )
        offset = 0.1 * of_y.mean or 1.0
        of_log = Moments.of([y], lambda values: np.log(values + offset))
        return cls(of_log.mean, of_log.unit, offset, of_y.unit)

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


@dataclass(frozen=True)
class Moments:
    """Of numbers: how many are not missing, their least, largest size, mean and deviation."""

    count: int
    least: float
    size: float
    mean: float
    std: float

    @classmethod
    def of(
        cls,
        arrays: Sequence[np.ndarray],
        change: Callable[[np.ndarray], np.ndarray] = lambda values: values,
    ) -> "Moments":
        """Measure ``arrays`` of numbers, each (n,), a block at a time; NaN is passed over.

        Args:
            arrays: the numbers.
            change: what is measured of them.
        """

        def parts() -> Iterator[np.ndarray]:
            for array in arrays:
                for start in range(0, len(array), BLOCK):
                    block = array[start : start + BLOCK].astype(np.float64, copy=False)
                    kept = block[np.isfinite(block)]
                    if len(kept):
                        yield change(kept)

        count, total, least, size = 0, 0.0, np.inf, 0.0
        for part in parts():
            count += len(part)
            total += float(part.sum())
            least = min(least, float(part.min()))
            size = max(size, float(np.abs(part).max()))
        if count == 0:
            return cls(0, 0.0, 0.0, 0.0, 1.0)
        mean = total / count
        squares = sum(float(np.square(part - mean).sum()) for part in parts())
        return cls(count, least, size, mean, (squares / count) ** 0.5)

    @property
    def unit(self) -> float:
        """The deviation; of constant numbers their size, or 1.

        Constant up to rounding counts as constant: such a deviation would blow up what follows.
        """
        return self.std if self.std > 1e-8 * self.size else self.size or 1.0


def spread_grows_with_level(series: Sequence[np.ndarray], season: int) -> bool:
    """Say whether the training parts want a logarithm: none negative, spread rising with level.

    Each series is cut into blocks of a season (at least 8 steps); the rank correlation of the
    blocks' means and standard deviations, averaged over the series by their number of blocks, must
    exceed one half. Series of fewer than four blocks say nothing; of very many blocks some are
    taken, evenly spread.
    """
    block = max(season, 8)
    weighted, weights = 0.0, 0
    for y in series:
        if np.nanmin(y, initial=0.0) < 0:
            return False
        blocks = y[: len(y) // block * block].reshape(-1, block)
        blocks = blocks[:: -(-len(blocks) // _MOST_BLOCKS) or 1]
        blocks = blocks[np.isfinite(blocks).sum(1) >= 4]
        if len(blocks) < 4:
            continue
        means, stds = np.nanmean(blocks, axis=1), np.nanstd(blocks, axis=1)
        if np.ptp(means) == 0 or np.ptp(stds) == 0:
            continue
        weighted += len(blocks) * spearmanr(means, stds).statistic
        weights += len(blocks)
    return weights > 0 and bool(weighted / weights > 0.5)
