import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data import DataError, scaling
from gatewise.data.scaling import Moments, TargetScaler, spread_grows_with_level

values = st.lists(st.floats(0, 1e6).map(lambda x: round(x, 3)), min_size=3, max_size=50).map(
    np.array
)


@given(values, st.booleans())
def test_unscale_undoes_scale(y, log):
    scaler = TargetScaler.fit(y, log=log)
    np.testing.assert_allclose(scaler.unscale(scaler.scale(y)), y, rtol=1e-9, atol=1e-9 * y.max())


@given(values)
def test_scaled_training_part_has_mean_0_and_deviation_1(y):
    z = TargetScaler.fit(y, log=False).scale(y)
    assert abs(z.mean()) < 1e-6 or np.ptp(y) <= 1e-9 * y.max()
    assert z.std() == pytest.approx(1.0, abs=1e-6) or np.ptp(y) <= 1e-9 * y.max()


def test_missing_values_are_passed_over_and_kept():
    y = np.array([1.0, np.nan, 3.0])
    scaler = TargetScaler.fit(y, log=False)
    assert scaler == TargetScaler.fit(np.array([1.0, 3.0]), log=False)
    assert np.isnan(scaler.scale(y)).tolist() == [False, True, False]
    assert np.isnan(scaler.weight(y)).tolist() == [False, True, False]


def test_logarithm_never_forecasts_below_zero_and_takes_later_negative_values():
    scaler = TargetScaler.fit(np.array([0.0, 1.0, 5.0]), log=True)
    assert (scaler.unscale(np.array([-100.0, -5.0])) == 0).all()
    assert np.isfinite(scaler.scale(np.array([-3.0]))).all()


@pytest.mark.parametrize("log", [False, True])
def test_weight_is_the_slope_of_the_unscaling_in_units_of_the_spread(log):
    y = np.array([2.0, 4.0, 9.0])
    scaler = TargetScaler.fit(y, log=log)
    h = 1e-6
    z = scaler.scale(y)
    slope = (scaler.unscale(z + h) - scaler.unscale(z - h)) / (2 * h)
    np.testing.assert_allclose(scaler.weight(y), slope / scaler.spread, rtol=1e-6)


def test_constant_and_empty_series_are_scaled_without_dividing_by_zero():
    assert TargetScaler.fit(np.full(777, 3.3), log=False).std == 3.3  # whose deviation is 4e-16
    assert TargetScaler.fit(np.zeros(5), log=False).std == 1.0
    assert np.isfinite(TargetScaler.fit(np.full(5, np.nan), log=True).scale(np.array([1.0]))).all()


def test_logarithm_of_negative_values_is_refused():
    with pytest.raises(DataError, match=r"-2 is negative.*log=False"):
        TargetScaler.fit(np.array([1.0, -2.0]), log=True)


def test_logarithm_is_wanted_where_the_spread_grows_with_the_level():
    steps = np.arange(240)
    wave = np.sin(2 * np.pi * steps / 12)
    assert spread_grows_with_level([np.exp(steps / 60) * (2 + wave)], 12)
    assert not spread_grows_with_level([steps / 10 + 30 + wave], 12)
    assert not spread_grows_with_level([np.exp(steps / 60) * (2 + wave) - 5], 12)  # negative
    assert not spread_grows_with_level([np.arange(10.0)], 12)  # too short to say


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_moments_are_those_of_all_numbers_whatever_the_block(block, monkeypatch):
    monkeypatch.setattr(scaling, "BLOCK", block)
    values = np.array([3.0, np.nan, -5.0, 1.0, 0.5, np.nan, 2.0])
    seen = values[np.isfinite(values)]
    found = Moments.of([values[:2], values[2:3], values[3:]])
    assert (found.count, found.least, found.size) == (5, -5.0, 5.0)
    assert found.mean == pytest.approx(seen.mean(), rel=1e-12)
    assert found.std == pytest.approx(seen.std(), rel=1e-12)
    squared = Moments.of([values], np.square)
    assert squared.std == pytest.approx((seen**2).std(), rel=1e-12)
    assert Moments.of([np.array([np.nan]), np.zeros(0)]).count == 0


def test_some_of_very_many_blocks_decide_like_all(monkeypatch):
    steps = np.arange(12 * 400)
    growing = np.exp(steps / 1200) * (2 + np.sin(2 * np.pi * steps / 12))
    monkeypatch.setattr(scaling, "_MOST_BLOCKS", 40)
    assert spread_grows_with_level([growing], 12)
    assert not spread_grows_with_level([growing.max() - growing], 12)
