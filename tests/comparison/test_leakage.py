"""What lies behind the end of a part must not reach a model that was fitted before it."""

import numpy as np
import polars as pl
import pytest
from tables import hourly
from test_plan import plan

from gatewise.comparison.baselines import Prepared, fit_baseline
from gatewise.comparison.folds import cut_folds
from gatewise.comparison.forecast_task import ForecastTask
from gatewise.comparison.plan import Trial
from gatewise.comparison.trials import run_trial
from gatewise.data.panel import make_panel
from gatewise.data.tables import read_table

FOLD = cut_folds([600], 4, 6, 24)[1]
PLAN = plan(folds=4, steps=4)


def task_of(panel):
    parts = cut_folds([600], 4, 6, 24)
    shape = {"horizon": 6, "lookback": 24, "segment": 1, "stride": 1}
    return ForecastTask(
        panel, parts, **shape, metric="mae", steps=4, device="cpu", table=("load.csv", 600)
    )


def panel_of(frame):
    return make_panel(
        read_table(frame), target="load", past=["temp", "sky"], future=["open"], frequency="1 hour"
    )


def spoilt_behind(frame, end):
    """The same table with everything behind step ``end`` overwritten."""
    behind = pl.int_range(pl.len()) >= end
    return frame.with_columns(
        pl.when(behind).then(pl.lit(value)).otherwise(pl.col(name)).alias(name)
        for name, value in {"load": -9e5, "temp": 9e5, "sky": "snow", "open": -9e5}.items()
    )


def results(model, panel):
    finished = run_trial(Trial(model, 1, 0), PLAN, task_of(panel))
    return finished.result, finished.predictions, finished.history


@pytest.mark.parametrize("model", ["lstm", "gru", "last", "seasonal", "linear"])
def test_trial_is_blind_to_what_lies_behind_its_test_part(model):
    frame = hourly(gaps=True)
    spoilt = spoilt_behind(frame, FOLD.test_end[0])
    honest, other = (results(model, panel_of(f)) for f in (frame, spoilt))
    assert honest[1].equals(other[1])
    for part in ("test", "validation"):
        assert honest[0][part] == other[0][part]


@pytest.mark.parametrize("model", ["lstm", "linear", "seasonal"])
def test_first_test_forecast_is_blind_to_the_test_part(model):
    """The first origin stands at the end of the validation part: all it may see lies before."""
    frame = hourly()
    end = FOLD.validation_end[0]
    known_open = frame["open"].to_numpy()
    spoilt = spoilt_behind(frame, end).with_columns(open=known_open)  # known in the future
    honest, other = (results(model, panel_of(f)) for f in (frame, spoilt))
    for column in ("forecast", "low", "high"):  # a band sees no more than its forecast
        first = [f[column].to_numpy()[:6] for _, f, _ in (honest, other)]
        np.testing.assert_array_equal(*first)
        later = [f[column].to_numpy()[6:] for _, f, _ in (honest, other)]
        assert not np.array_equal(*later)  # the check can fail: later origins do see it
    if model == "lstm":
        errors = [h.drop("seconds") for *_, h in (honest, other)]
        assert errors[0].equals(errors[1])


def test_linear_baseline_is_fitted_on_the_training_part_only():
    frame = hourly()
    ends = (FOLD.train_end, FOLD.validation_end)
    panels = [panel_of(f) for f in (frame, spoilt_behind(frame, FOLD.validation_end[0]))]
    weights = [
        fit_baseline("linear", p, Prepared.of(p, *ends, 24, 6)).models[0].coef_ for p in panels
    ]
    np.testing.assert_array_equal(*weights)
