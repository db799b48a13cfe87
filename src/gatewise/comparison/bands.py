"""Bands around point forecasts, by split conformal prediction on a fold's validation part."""

from dataclasses import dataclass

import numpy as np

from gatewise.data.encoding import Encoded
from gatewise.estimators.conformal import corrections
from gatewise.estimators.forecast_windows import Windows
from gatewise.estimators.network import window_spread

SHARE = 0.8
"""The share of the truths that a band asks for."""


@dataclass(frozen=True)
class Band:
    """How far a band reaches to both sides of the forecast, at each step of the horizon.

    The reach is that of the absolute errors on the validation part, told in units of each window's
    spread: were that part and the test part exchangeable, ``SHARE`` of the truths at least would
    lie inside (Lei et al. 2018). The windows overlap, time goes on, and the validation part has
    chosen the weights, so this holds only about. Under a logarithm the band is one of the
    logarithms, and not symmetric in the target's unit.

    Attributes:
        encoded: the series, scaled by the training part.
        lookback: steps of a window.
        reach: (horizon,) in units of the window's spread.
    """

    encoded: Encoded
    lookback: int
    reach: np.ndarray

    @classmethod
    def of(
        cls, encoded: Encoded, lookback: int, origins: np.ndarray, forecast: np.ndarray
    ) -> "Band":
        """Measure the reach on held-back windows at ``origins`` (n,).

        Args:
            encoded: the series.
            lookback: steps of a window.
            origins: of the validation part.
            forecast: (n, horizon) made there, in the target's unit.
        """
        windows = Windows(encoded, lookback, forecast.shape[1])
        truth, seen = (tensor.numpy() for tensor in windows.truth(origins))
        off = np.abs(encoded.scale(origins, forecast) - truth) / _spread(windows, origins)
        off = np.where(seen, off, np.nan)
        reach = corrections(off, np.zeros((*off.shape, 1)), (SHARE,))[0]
        return cls(encoded, lookback, reach)

    def around(self, origins: np.ndarray, forecast: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the lower and the upper end around ``forecast`` (n, horizon), made at ``origins``.

        Nothing of what lies behind an origin is looked at.
        """
        windows = Windows(self.encoded, self.lookback, forecast.shape[1])
        z = self.encoded.scale(origins, forecast)
        reach = self.reach * _spread(windows, origins)  # (n, horizon)
        low, high = (self.encoded.unscale(origins, z + way * reach) for way in (-1, 1))
        return low, high


def _spread(windows: Windows, origins: np.ndarray) -> np.ndarray:
    """Give each window's spread, (n, 1)."""
    return window_spread(windows.window(origins)).numpy()
