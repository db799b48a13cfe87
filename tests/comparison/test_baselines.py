import numpy as np
import pytest
from tables import hourly, several

from gatewise.comparison.baselines import Prepared, fit_baseline
from gatewise.data.panel import make_panel
from gatewise.data.tables import read_table

HORIZON, LOOKBACK = 6, 48


def prepared(frame, **names):
    panel = make_panel(read_table(frame), target="load", **names)
    ends = np.array([len(times) for times in panel.times])
    return panel, Prepared.of(panel, ends - 100, ends - 50, LOOKBACK, HORIZON)


def forecast(name, panel, fold, origins):
    return fold.unscale(origins, fit_baseline(name, panel, fold).scaled(origins))


def test_last_value_repeats_the_value_before_the_origin():
    panel, fold = prepared(several(), series="shop")
    origins = fold.validation
    expected = np.concatenate(panel.target)[origins - 1]
    made = forecast("last", panel, fold, origins)
    np.testing.assert_allclose(made, np.repeat(expected[:, None], HORIZON, 1), rtol=1e-5)


def test_seasonal_repeats_the_day_before():
    panel, fold = prepared(hourly())
    model = fit_baseline("seasonal", panel, fold)
    assert model.period == 24
    assert model.label == "seasonal (24 steps back)"
    origins = fold.validation
    expected = panel.target[0][origins[:, None] - 24 + np.arange(HORIZON)]
    np.testing.assert_allclose(fold.unscale(origins, model.scaled(origins)), expected, rtol=1e-5)


def test_linear_finds_a_linear_rule_that_the_others_cannot():
    hours = np.arange(800)
    load = 9 + np.sin(2 * np.pi * hours / 7) + np.sin(2 * np.pi * hours / 10.5)  # no whole day
    panel, fold = prepared(hourly(800).with_columns(load=load), past=[])
    origins = fold.validation
    truth = panel.target[0][origins[:, None] + np.arange(HORIZON)]
    error = {
        n: np.abs(forecast(n, panel, fold, origins) - truth)[:, -1].mean()
        for n in ("last", "seasonal", "linear")
    }
    assert error["linear"] < 0.05 * error["last"]
    assert error["linear"] < 0.05 * error["seasonal"]


@pytest.mark.parametrize("name", ["last", "seasonal", "linear"])
def test_baselines_take_gaps(name):
    panel, fold = prepared(hourly(gaps=True))
    made = forecast(name, panel, fold, fold.validation)
    assert made.shape == (len(fold.validation), HORIZON)
    assert np.isfinite(made).all()
