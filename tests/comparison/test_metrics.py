import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from gatewise.comparison.metrics import measure, naive_scales

RANDOM = np.random.default_rng(0)


def test_errors_match_scikit_learn():
    truth, forecast = RANDOM.normal(size=(2, 50, 7))
    errors = measure(truth, forecast, np.full(50, 2.0))
    assert errors.mae == pytest.approx(mean_absolute_error(truth.ravel(), forecast.ravel()))
    assert errors.rmse == pytest.approx(root_mean_squared_error(truth.ravel(), forecast.ravel()))
    assert errors.mase == pytest.approx(errors.mae / 2)
    np.testing.assert_allclose(errors.by_step, np.abs(truth - forecast).mean(0))


def test_missing_truth_does_not_count():
    truth, forecast = RANDOM.normal(size=(2, 6, 3))
    holes = truth.copy()
    holes[::2] = np.nan
    expected = measure(truth[1::2], forecast[1::2], np.ones(3))
    assert measure(holes, forecast, np.ones(6)) == expected


def test_scale_is_the_seasonal_naive_error_inside_the_training_part():
    y = np.array([1.0, 5.0, 2.0, 7.0, 2.0, 900.0])
    assert naive_scales([y], [5], season=2).tolist() == [pytest.approx((1 + 2 + 0) / 3)]
    assert naive_scales([y], [3], season=2).tolist() == [1.0]


def test_series_without_a_scale_do_not_count_in_mase():
    scales = naive_scales([np.ones(10), np.arange(10.0)], [10, 10], season=1)
    assert np.isnan(scales[0])
    assert scales[1] == 1.0
    errors = measure(np.zeros((2, 1)), np.array([[9.0], [1.0]]), scales)
    assert errors.mase == 1.0
    assert errors.mae == 5.0
