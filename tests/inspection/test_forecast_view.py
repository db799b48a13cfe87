"""Forecasts: what a view shows is what ``rolling`` and ``predict`` give."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from looks import check_form, check_left_alone, close, own_run, traced_h_n
from tables import hourly, several

from gatewise import DataError, Forecaster, load
from gatewise.inspection.choice import Choice
from gatewise.inspection.estimators import view_of
from gatewise.inspection.view import View

HORIZON, LOOKBACK = 3, 8
ROWS = 200


def quick(**parameters: Any) -> Forecaster:
    small = {"lookback": LOOKBACK, "hidden_size": 4, "steps": 30, "learning_rate": 0.02}
    run = {"random_state": 0, "device": "cpu", "progress": False}
    return Forecaster(HORIZON, **{"target": "load", **small, **run, **parameters})


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return hourly(ROWS, gaps=True)


@pytest.fixture(scope="module")
def fitted(table: pl.DataFrame) -> Forecaster:
    return quick(segment=3, past=["temp", "sky"]).fit(table)


@pytest.fixture(scope="module")
def shops() -> Forecaster:
    return quick(series="shop", cell="gru", quantiles=()).fit(several((60, 50, 40)))


def curves(view: View) -> dict[str, np.ndarray]:
    return {curve.role: curve.y for curve in view.curves}


def test_last_window_with_a_truth_is_shown(fitted: Forecaster, table: pl.DataFrame) -> None:
    view = view_of(fitted, table)
    check_form(view)
    wanted = fitted.rolling(table).tail(HORIZON)
    found = curves(view)
    np.testing.assert_allclose(found["prediction"], wanted["forecast"].to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(found["low"], wanted["q10"].to_numpy(), rtol=1e-6)
    np.testing.assert_allclose(found["high"], wanted["q90"].to_numpy(), rtol=1e-6)
    np.testing.assert_array_equal(found["truth"], wanted["truth"].to_numpy())
    window = table["load"].to_numpy()[-HORIZON - LOOKBACK : -HORIZON]
    np.testing.assert_array_equal(found["input"], window)
    assert [curve.name for curve in view.curves] == [
        "load",
        "truth",
        "forecast",
        "80 % interval",
        "80 % interval",
    ]
    times = table["time"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
    assert list(view.axis.inputs) == times[-HORIZON - LOOKBACK : -HORIZON]
    assert list(view.influence.rows) == times[-HORIZON:]
    assert (view.axis.span, view.axis.seconds, view.axis.title) == (3, 3600, "time")
    assert view.axis.steps == [view.axis.inputs[k] for k in (1, 4, 7)]
    error = np.nanmean(np.abs(found["prediction"] - found["truth"]))
    assert view.about.endswith(f"The forecast is off by {error:.4g} on average.")


def test_layers_end_where_the_networks_own_run_ends(
    fitted: Forecaster, table: pl.DataFrame
) -> None:
    view = view_of(fitted, table)
    before = table.head(ROWS - HORIZON)
    _, h_n = own_run(fitted, lambda: fitted.predict(before))
    np.testing.assert_allclose(traced_h_n(view), h_n, atol=1e-6)


def test_at_chooses_the_first_step_forecast(fitted: Forecaster, table: pl.DataFrame) -> None:
    at = str(table["time"][50])
    view = view_of(fitted, table, Choice(at=at))
    wanted = fitted.rolling(table, start=at).head(HORIZON)
    np.testing.assert_allclose(curves(view)["prediction"], wanted["forecast"].to_numpy(), rtol=1e-6)
    assert view.influence.rows[0] == "2024-01-03 02:00:00"


def test_at_may_be_the_step_behind_the_end(fitted: Forecaster, table: pl.DataFrame) -> None:
    view = view_of(fitted, table, Choice(at="2024-01-09 08:00"))
    check_form(view)
    wanted = fitted.predict(table)
    np.testing.assert_allclose(curves(view)["prediction"], wanted["forecast"].to_numpy(), rtol=1e-6)
    assert list(view.influence.rows) == wanted["time"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()
    assert "truth" not in curves(view)
    assert view.about.endswith("What came is not known.")


def test_forecasts_lean_as_differences_say() -> None:
    """Move each number of the look-back, in its own unit, and look at what ``rolling`` gives."""
    table = hourly(ROWS)
    model = quick(past=["temp"], future=["open"], log=False).fit(table)
    at = str(table["time"][ROWS - HORIZON])
    encoder = model.model_.encoder
    units = {name: encoder.numbers[name].std for name in ("temp", "open")}
    units["load"] = encoder.scalers[""].std

    def forecast(name: str, step: int, change: float) -> np.ndarray:
        values = table[name].to_numpy().copy()
        values[ROWS - HORIZON - LOOKBACK + step] += change * units[name]
        return model.rolling(table.with_columns(pl.Series(name, values)), start=at)[
            "forecast"
        ].to_numpy()

    wanted = np.empty((HORIZON, LOOKBACK))
    for step in range(LOOKBACK):
        parts = [
            (forecast(name, step, 0.01) - forecast(name, step, -0.01)) / (0.02 * units["load"])
            for name in units
        ]
        wanted[:, step] = np.linalg.norm(parts, axis=0)
    assert close(view_of(model, table).influence.values, wanted, 5e-3)


def test_series_are_chosen_by_name(shops: Forecaster) -> None:
    table = several((60, 50, 40))
    view = view_of(shops, table, Choice(series="shop 1"))
    check_form(view)
    wanted = shops.rolling(table).filter(pl.col("series") == "shop 1").tail(HORIZON)
    np.testing.assert_allclose(curves(view)["prediction"], wanted["forecast"].to_numpy(), rtol=1e-6)
    assert "series 'shop 1'" in view.about
    assert {curve.role for curve in view.curves} == {"input", "truth", "prediction"}
    first = view_of(shops, table)
    assert first.about == view_of(shops, table, Choice(series="shop 0")).about


def test_one_series_is_called_by_its_target(fitted: Forecaster, table: pl.DataFrame) -> None:
    assert view_of(fitted, table, Choice(series="load")).about == view_of(fitted, table).about


def test_columns_of_a_wide_table_are_chosen_by_name() -> None:
    table = hourly(60)
    model = quick(target=["load", "temp"], past=[], steps=3).fit(table)
    view = view_of(model, table, Choice(series="temp"))
    assert view.curves[0].name == "temp"
    window = table["temp"].to_numpy()[-HORIZON - LOOKBACK : -HORIZON]
    np.testing.assert_array_equal(view.curves[0].y, window)


def test_a_real_file_and_a_model_from_its_file(shared_data: Path, tmp_path: Path) -> None:
    data = shared_data / "forecasting" / "AirPassengers.csv"
    model = quick(target=None, steps=5, random_state=1).fit(data)
    model.save(tmp_path / "model.safetensors")
    view = view_of(load(tmp_path / "model.safetensors"), data)
    check_form(view)
    assert view.axis.inputs[-1] == "1960-09-01 00:00:00"
    assert curves(view)["truth"].tolist() == [461, 390, 432]  # the published series' end
    wanted = model.rolling(data).tail(HORIZON)["forecast"].to_numpy()
    np.testing.assert_allclose(curves(view)["prediction"], wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(series="shop"), "no series 'shop'; there are 'load'"),
        (Choice(at="noon"), "at: no time: 'noon'"),
        (Choice(at="2024-01-03 02:30"), "every 1 hour; the nearest are 2024-01-03 02:00 and 2024"),
        (
            Choice(at="2024-01-01 07:00"),
            "has not the 8 steps before it.*: a time from 2024-01-01 0",
        ),
        (Choice(at="2023-01-01"), "has not the 8 steps before it"),
        (Choice(at="2024-01-09 09:00"), "behind the step after the end.*to 2024-01-09 08:00"),
        (Choice(steps=3), r"steps \(--steps\) is not for a forecast.*series \(the name of a s"),
        (Choice(sequence=0), r"sequence \(--sequence\) is not for a forecast"),
    ],
)
def test_choices_that_are_not_there_are_told(
    fitted: Forecaster, table: pl.DataFrame, choice: Choice, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        view_of(fitted, table, choice)


def test_known_columns_bound_the_origin() -> None:
    table = hourly(60)
    model = quick(future=["open"], steps=3).fit(table)
    last = table["time"][60 - HORIZON]
    check_form(view_of(model, table, Choice(at=str(last))))
    with pytest.raises(DataError, match="the 3 steps from it on for which the model reads open"):
        view_of(model, table, Choice(at=str(table["time"][60 - HORIZON + 1])))


def test_too_few_rows_are_told(fitted: Forecaster, table: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="has 9 steps, and no window of 8 steps read and 3"):
        view_of(fitted, table.head(9))


def test_looking_leaves_the_model_as_it_was(
    fitted: Forecaster, table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_left_alone(fitted, lambda: view_of(fitted, table), "forecast_view", monkeypatch)


def test_months_and_both_directions(tmp_path: Path) -> None:
    times = pl.datetime_range(
        pl.datetime(2010, 1, 31), pl.datetime(2018, 12, 31), "1mo", eager=True
    ).dt.month_end()
    path = tmp_path / "months.csv"
    load = 5 + np.sin(np.arange(len(times)) / 2)
    pl.DataFrame({"time": times, "load": load}).write_csv(path)
    options = {"bidirectional": True}
    model = quick(steps=3, level=False, linear=False, calendar=False, cell_options=options)
    view = view_of(model.fit(path), path)
    check_form(view)
    assert view.axis.inputs[-1] == "2018-09-30 00:00:00"
    assert view.axis.seconds == pytest.approx(30.44 * 86_400)
    assert view.layers[0].reverse is not None
    assert "linear" not in view.influence.about
