"""Bands by split conformal prediction, against their definition and against known noise."""

import math

import numpy as np
import polars as pl
import pytest
from tables import hourly

from gatewise.comparison.bands import SHARE, Band
from gatewise.data.encoding import Encoder
from gatewise.data.panel import make_panel
from gatewise.data.tables import read_table

LOOKBACK, HORIZON = 24, 6


def panel_of(frame):
    return make_panel(read_table(frame), target="load", past=[], frequency="1 hour")


def encoded_of(panel, *, log=False):
    return Encoder.fit(panel, np.array([300]), log=log).encode(panel)


def noisy_forecasts(panel, origins, seed):
    """The truth, off by noise that grows with the step."""
    random = np.random.default_rng(seed)
    truth = panel.target[0][origins[:, None] + np.arange(HORIZON)]
    return truth + random.normal(0, 1, truth.shape) * np.arange(1, HORIZON + 1)


def test_reach_is_the_order_statistic_of_the_errors_in_units_of_the_spread():
    panel = panel_of(hourly(600))
    encoded = encoded_of(panel)
    origins = np.arange(300, 420)
    forecast = noisy_forecasts(panel, origins, 0)
    band = Band.of(encoded, LOOKBACK, origins, forecast)
    scaler, y = encoded.scalers[0], panel.target[0]
    for step in range(HORIZON):
        errors = []
        for row, origin in enumerate(origins):
            window = (y[origin - LOOKBACK : origin] - scaler.mean) / scaler.std
            spread = math.sqrt(window.var() + 0.01)
            off = abs(forecast[row, step] - y[origin + step]) / scaler.std
            errors.append(off / spread)
        rank = math.ceil((len(errors) + 1) * 0.8)
        assert band.reach[step] == pytest.approx(sorted(errors)[rank - 1], rel=1e-4)
    low, high = band.around(origins, forecast)
    np.testing.assert_allclose((low + high) / 2, forecast, rtol=1e-9)


def test_band_holds_its_share_of_truths_it_was_not_made_on():
    panel = panel_of(hourly(4_000))
    encoded = encoded_of(panel)
    checked, tested = np.arange(300, 2_000), np.arange(2_000, 3_900)
    band = Band.of(encoded, LOOKBACK, checked, noisy_forecasts(panel, checked, 1))
    low, high = band.around(tested, noisy_forecasts(panel, tested, 2))
    truth = panel.target[0][tested[:, None] + np.arange(HORIZON)]
    inside = ((low <= truth) & (truth <= high)).mean(axis=0)
    np.testing.assert_allclose(inside, SHARE, atol=0.04)
    assert (np.diff((high - low).mean(axis=0)) > 0).all()  # wider, step by step


def test_missing_truth_does_not_count():
    frame = hourly(600)
    panel = panel_of(frame)
    origins = np.arange(300, 420)
    forecast = noisy_forecasts(panel, origins, 0)
    gone = frame.with_columns(
        load=pl.when(pl.int_range(pl.len()).is_between(350, 380)).then(None).otherwise("load")
    )
    reach = Band.of(encoded_of(panel_of(gone)), LOOKBACK, origins, forecast).reach
    assert np.isfinite(reach).all()
    assert not np.array_equal(reach, Band.of(encoded_of(panel), LOOKBACK, origins, forecast).reach)


def test_band_under_a_logarithm_stays_above_zero_and_is_not_symmetric():
    panel = panel_of(hourly(600).with_columns(pl.col("load").abs()))
    origins = np.arange(300, 420)
    forecast = np.abs(noisy_forecasts(panel, origins, 3))
    low, high = Band.of(encoded_of(panel, log=True), LOOKBACK, origins, forecast).around(
        origins, forecast
    )
    assert (low >= 0).all()
    assert (low <= forecast + 1e-9).all()
    assert (high - forecast).mean() > 1.05 * (forecast - low).mean()
