from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from sklearn.base import clone
from small import HORIZON, quick
from tables import ODD, hourly, several, write_odd

from gatewise import DataError, Forecaster, load
from gatewise.training import TrainingOptions

KINDS: dict[str, tuple[type, Callable[[pl.DataFrame], Any]]] = {
    "polars": (pl.DataFrame, lambda frame: frame),
    "pandas": (pd.DataFrame, lambda frame: pd.DataFrame(frame.to_dict(as_series=False))),
    "arrow": (pa.Table, lambda frame: frame.to_arrow()),
}


def values(frame: Any) -> np.ndarray:
    """The forecasts of a frame of any kind, (rows,)."""
    return np.asarray(frame["forecast"])


# The frame that comes back


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", ["wide", "long"])
def test_predict_gives_the_callers_kind_of_frame(kind: str, shape: str) -> None:
    own, convert = KINDS[kind]
    frame = hourly(336) if shape == "wide" else several()
    plain = quick().fit(frame).predict(frame)
    got = quick().fit(convert(frame)).predict(convert(frame))
    assert type(got) is own
    columns = got.column_names if kind == "arrow" else list(got.columns)
    assert columns == ["series", "time", "step", "forecast", "q10", "q50", "q90"]
    assert np.array_equal(values(got), values(plain))
    assert np.asarray(got["series"]).tolist() == plain["series"].to_list()
    assert np.array_equal(np.asarray(got["time"]).astype("datetime64[us]"), plain["time"])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_from_a_path_equals_the_frame(suffix: str, tmp_path: Path) -> None:
    frame, path = hourly(336), tmp_path / f"load{suffix}"
    frame.write_csv(path) if suffix == ".csv" else frame.write_parquet(path)
    got = quick().fit(path).predict(str(path))
    assert isinstance(got, pl.DataFrame)
    assert got.equals(quick().fit(frame).predict(frame))


def test_predict_names_one_series_by_its_target_and_the_next_times(
    fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    got = fitted.predict(table, ahead)
    assert got["series"].to_list() == ["load"] * HORIZON
    assert got["step"].to_list() == list(range(1, HORIZON + 1))
    assert got["time"].to_list() == ahead["time"].to_list()
    assert np.isfinite(values(got)).all()


def test_predict_continues_each_series_behind_its_own_end() -> None:
    frame = several()
    got = quick().fit(frame).predict(frame)
    for name, rows in frame.group_by("shop"):
        part = got.filter(pl.col("series") == name[0])
        hours = [(time - rows["time"].max()).total_seconds() / 3600 for time in part["time"]]
        assert hours == list(range(1, HORIZON + 1))


def test_predict_continues_month_ends() -> None:
    days = pl.date_range(pl.date(2010, 1, 1), pl.date(2017, 12, 1), "1mo", eager=True)
    frame = pl.DataFrame({"day": days.dt.month_end(), "y": np.arange(len(days)) % 12})
    model = Forecaster(3, target="y", lookback=12, steps=2, hidden_size=2, device="cpu").fit(frame)
    got = [str(time.date()) for time in model.predict(frame)["time"]]
    assert got == ["2018-01-31", "2018-02-28", "2018-03-31"]


def test_predict_reads_no_more_than_the_lookback(
    fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    """A gap at the window's start is filled from before it, so the tail starts at a value."""
    tail = table.tail(40)
    start = next(n for n in range(40) if tail["load"][n] is not None)
    short = fitted.predict(tail.slice(start), ahead)
    np.testing.assert_allclose(values(short), values(fitted.predict(table, ahead)), rtol=1e-6)


def test_predict_wants_the_lookback(fitted: Forecaster, table: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="data frame: 20 steps of history; this model reads 24"):
        fitted.predict(table.tail(20), table)


def test_predict_says_what_was_done_to_the_data(
    fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    said: list[str] = []
    fitted.predict(pl.concat([table[:200], table[203:]]).reverse(), ahead, say=said.append)
    assert "3 missing steps inserted as missing values (first: 2024-01-09 08:00)" in said
    assert any(line.startswith("rows not in order of time: sorted") for line in said)


# What is known in the future


def test_known_future_changes_the_forecast(
    fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    closed = ahead.with_columns(open=pl.lit(5.0))
    assert not np.array_equal(
        values(fitted.predict(table, ahead)), values(fitted.predict(table, closed))
    )


def test_known_future_is_wanted(fitted: Forecaster, table: pl.DataFrame) -> None:
    with pytest.raises(DataError, match=r"known in the future \(open\): give their next rows"):
        fitted.predict(table)


def test_known_future_names_the_missing_step(
    fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    with pytest.raises(DataError, match=r"no row for 2024-01-15 02:00, step 3 of 6"):
        fitted.predict(table, ahead[[0, 1, 3, 4, 5]])


def test_known_future_is_refused_where_nothing_reads_it(
    table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    with pytest.raises(DataError, match="trained without columns known in the future"):
        quick(past=()).fit(table).predict(table, ahead)


# Columns


@pytest.mark.parametrize("name", ["temp", "sky"])
def test_past_column_changes_the_forecast(name: str, table: pl.DataFrame) -> None:
    model = quick(past=[name]).fit(table)
    shuffled = table.with_columns(table[name].reverse())
    assert not np.array_equal(values(model.predict(table)), values(model.predict(shuffled)))


def test_past_is_every_usable_column_unless_named(table: pl.DataFrame) -> None:
    assert quick().fit(table).columns_.past == ("temp", "open", "sky")
    assert quick(past=["temp"]).fit(table).columns_.past == ("temp",)
    assert quick(past=()).fit(table).columns_.past == ()


def test_static_column_changes_the_forecast() -> None:
    frame = several()
    model = quick(static=["kind"], past=()).fit(frame)
    assert model.columns_.static == ("kind",)
    other = frame.with_columns(kind=pl.lit("b"))
    assert not np.array_equal(values(model.predict(frame)), values(model.predict(other)))


def test_unknown_category_is_taken_as_none_of_them(table: pl.DataFrame) -> None:
    model = quick(past=["sky"]).fit(table)
    got = [values(model.predict(table.with_columns(sky=pl.lit(sky)))) for sky in ("hail", "sleet")]
    assert np.array_equal(*got)
    assert np.isfinite(got[0]).all()


def test_unknown_series_is_forecast_with_a_warning() -> None:
    frame = several()
    model = quick(series="shop").fit(frame.filter(pl.col("shop") != "shop 2"))
    with pytest.warns(UserWarning, match="1 series not in the training data.*'shop 2'"):
        got = model.predict(frame)
    new = got.filter(pl.col("series") == "shop 2")
    assert 500 < np.mean(values(new)) < 2000  # its level, a hundred times that of shop 0


def test_missing_targets_are_allowed_at_the_end(table: pl.DataFrame) -> None:
    frame = table.with_columns(load=pl.when(pl.arange(336) < 330).then("load"))
    model = quick().fit(frame)
    with pytest.warns(UserWarning, match="missing in the last 6 steps: forecasts start behind"):
        forecast = model.predict(frame)
    assert np.isfinite(values(forecast)).all()


# Learning


def test_forecaster_beats_the_seasonal_naive_forecast() -> None:
    """A noisy daily wave: averaging many days beats repeating one."""
    frame = hourly(1000)
    got = quick(steps=150, hidden_size=8, lookback=72).backtest(frame, folds=1)
    load = frame["load"].to_numpy()
    truth = np.asarray(got["truth"])
    last_day = load[-len(truth) - 24 : -24]
    error = np.abs(values(got) - truth).mean()
    assert error < 0.85 * np.abs(last_day - truth).mean()


@pytest.mark.parametrize(
    "parameters",
    [
        {"cell": "lstm"},
        {"cell": "gru"},
        {"cell": "rnn"},
        {"num_layers": 2},
        {"cell_options": {"bidirectional": True}},
        {"cell": "gru", "cell_options": {"reset_after": False}},
        {"cell_options": {"output_activation": "identity"}},
        {"log": True},
    ],
    ids=str,
)
def test_variant_learns_and_is_the_one_asked_for(
    parameters: dict[str, Any], table: pl.DataFrame
) -> None:
    model = quick(steps=40, **parameters).fit(table)
    assert type(model.model_.net.rnn).__name__.lower() == parameters.get("cell", "lstm")
    for name, value in parameters.get("cell_options", {}).items():
        assert getattr(model.model_.net.rnn, name) == value
    assert model.history_[-1]["train_loss"] < model.history_[0]["train_loss"]


def test_same_random_state_gives_the_same_bits_and_another_does_not(table: pl.DataFrame) -> None:
    first, again, other = (
        values(quick(random_state=seed).fit(table).predict(table))
        for seed in (np.random.RandomState(1), np.random.RandomState(1), 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_fitting_leaves_the_callers_random_numbers_alone(table: pl.DataFrame) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    quick().fit(table)
    assert torch.equal(torch.rand(3), expected)


# History, early stopping, progress


def test_history_has_one_row_for_each_evaluation(table: pl.DataFrame) -> None:
    history = quick(steps=50).fit(table).history_
    assert [row["step"] for row in history] == list(range(2, 51, 2))
    names = {"step", "epoch", "train_loss", "validation_error", "learning_rate", "seconds"}
    assert all(set(row) == names for row in history)


def test_patience_stops_the_training(table: pl.DataFrame) -> None:
    options = {"steps": 200, "learning_rate": 30.0, "random_state": 0}
    short, long = (quick(patience=patience, **options).fit(table).history_ for patience in (1, 100))
    assert short[-1]["step"] < long[-1]["step"] == 200
    assert short[-1]["validation_error"] >= min(row["validation_error"] for row in short)


def test_without_validation_all_steps_train_on_everything(table: pl.DataFrame) -> None:
    model = quick(validation=0, steps=20, patience=1).fit(table)
    assert model.history_[-1]["step"] == 20
    assert model.history_[-1]["validation_error"] is None
    changed = table.with_columns(
        load=pl.when(pl.arange(336) == 335).then(30.0).otherwise(pl.col("load"))
    )
    weights = model.model_.net.context.weight
    assert not weights.equal(quick(validation=0, steps=20).fit(changed).model_.net.context.weight)


@pytest.mark.parametrize(("progress", "shown"), [(True, True), (False, False), (None, False)])
def test_progress_is_shown_on_stderr_when_asked_for(
    progress: bool | None, shown: bool, table: pl.DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    quick(progress=progress).fit(table)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert ("LSTM" in captured.err and "10/10" in captured.err) is shown
    assert shown or captured.err == ""


# scikit-learn's contract


def test_parameters_are_got_set_and_cloned(fitted: Forecaster) -> None:
    model = Forecaster(24, future=["a"], cell="gru", cell_options={"reset_after": False})
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert copy.set_params(horizon=3, cell="rnn") is copy
    assert (copy.horizon, copy.cell, model.horizon) == (3, "rnn", 24)
    assert not hasattr(clone(fitted), "model_")
    assert Forecaster(1).steps == TrainingOptions.steps


def test_fit_changes_no_parameter_and_sets_the_fitted_attributes(table: pl.DataFrame) -> None:
    model = quick()
    before = dict(model.get_params())
    assert model.fit(table, None) is model
    assert model.get_params() == before
    assert (model.frequency_, model.lookback_) == ("1 hour", 24)
    assert model.train_end_ == {"": "2024-01-14T23:00:00.000000"}
    assert any("values missing" in note for note in model.notes_)


@pytest.mark.parametrize("verb", ["predict", "rolling", "score", "save"])
def test_unfitted_forecaster_says_so(verb: str, table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="not fitted yet"):
        getattr(quick(), verb)(table)


BAD = {
    "horizon": (0, "horizon must be a whole number, at least 1, got 0"),
    "hidden_size": (2.5, "hidden_size must be a whole number, at least 1, got 2.5"),
    "lookback": (-3, "lookback must be a whole number, at least 1, got -3"),
    "patience": (0, "patience must be a whole number"),
    "validation": (1.0, "validation must be at least 0 and below 1, got 1.0"),
    "cell": ("elman", "cell must be one of lstm, gru, rnn, got 'elman'"),
    "cell_options": ({"batch_first": True}, "must leave 'batch_first' to the estimator"),
    "dropout": (1.5, "dropout must be at least 0 and below 1, got 1.5"),
    "learning_rate": (0.0, "learning_rate must be positive, got 0.0"),
    "loss": ("mape", "loss must be one of absolute, squared, huber, relative, got 'mape'"),
    "quantiles": (
        (0.5, 0.1),
        r"quantiles must be rising numbers between 0 and 1, got \(0.5, 0.1\)",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameter_is_named(name: str, table: pl.DataFrame) -> None:
    value, words = BAD[name]
    with pytest.raises(ValueError, match=words):
        quick().set_params(**{name: value}).fit(table)


# Back-test and score


def test_backtest_lays_adjacent_folds_at_the_end(table: pl.DataFrame) -> None:
    got = quick().backtest(table, folds=2)
    names = ["fold", "series", "origin", "step", "time", "truth", "forecast", "q10", "q50", "q90"]
    assert got.columns == names
    test = 336 // 6
    whole = test // HORIZON * HORIZON
    for fold, start in enumerate((336 - 2 * test, 336 - test)):
        part = got.filter(pl.col("fold") == fold)
        assert part["time"].to_list() == table["time"][start : start + whole].to_list()
        load = table["load"][start : start + whole].to_list()
        assert part["truth"].fill_nan(None).to_list() == load
        hours = (part["time"] - part["origin"]).dt.total_hours()
        assert hours.to_list() == part["step"].to_list()


def test_backtest_stride_sets_the_origins(table: pl.DataFrame) -> None:
    got = quick().backtest(table, folds=1, stride=1)
    origins = got["origin"].unique().sort().diff().drop_nulls()
    assert set(origins.dt.total_hours()) == {1}
    assert len(got) == (336 // 3 - HORIZON + 1) * HORIZON


def test_backtest_fold_never_looks_behind_its_end(table: pl.DataFrame) -> None:
    changed = table.with_columns(
        pl.when(pl.arange(336) < 336 - 56).then(pl.col(name)).otherwise(pl.lit(other))
        for name, other in (("load", 1e6), ("temp", 1e6), ("open", 7.0), ("sky", "hail"))
    )
    first, other = (quick().backtest(frame, folds=2) for frame in (table, changed))
    same = pl.col("fold") == 0
    assert first.filter(same).drop("truth").equals(other.filter(same).drop("truth"))
    later, changed_later = values(first.filter(~same)), values(other.filter(~same))
    assert np.array_equal(later[:HORIZON], changed_later[:HORIZON])  # trained before its test part
    assert not np.array_equal(later, changed_later)


def test_backtest_leaves_out_series_that_are_too_short() -> None:
    frame = several((300, 15))
    got = quick(series="shop").backtest(frame, folds=3)
    assert set(got["series"]) == {"shop 0"}


def test_backtest_leaves_the_estimator_as_it_was(fitted: Forecaster, table: pl.DataFrame) -> None:
    model = fitted.model_
    fitted.backtest(table, folds=1)
    assert fitted.model_ is model


@pytest.mark.parametrize("option", [{"folds": 0}, {"stride": 0}], ids=str)
def test_backtest_rejects_counts_below_one(option: dict[str, int], table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="must be a whole number, at least 1, got 0"):
        quick().backtest(table, **option)


def test_score_is_minus_the_error_of_predict(fitted: Forecaster, table: pl.DataFrame) -> None:
    load = table["load"].to_numpy()[-HORIZON:]
    forecast = values(fitted.predict(table[:-HORIZON], table[-HORIZON:]))
    assert fitted.score(table) == pytest.approx(-np.nanmean(np.abs(load - forecast)), rel=1e-12)


def test_score_scales_a_new_series_by_its_history_alone() -> None:
    frame = several((300, 300))
    model = quick(series="shop").fit(frame.filter(pl.col("shop") == "shop 0"))
    new = frame.filter(pl.col("shop") == "shop 1")
    with pytest.warns(UserWarning, match="not in the training data"):
        forecast = values(model.predict(new[:-HORIZON]))
    with pytest.warns(UserWarning, match="not in the training data"):
        score = model.score(new)
    error = np.abs(forecast - new["load"].to_numpy()[-HORIZON:]).mean()
    assert score == pytest.approx(-error, rel=1e-12)


def test_score_without_a_truth_is_refused(fitted: Forecaster, table: pl.DataFrame) -> None:
    frame = table.with_columns(load=pl.when(pl.arange(336) < 330).then("load"))
    with pytest.raises(DataError, match="'load': the target is missing in the last 6 steps"):
        fitted.score(frame)


# Tables that have to be told about


def test_odd_table_is_read_as_told_also_after_loading(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    clean = write_odd(path)
    fitted = quick(**ODD).fit(path)
    fitted.save(tmp_path / "m")
    with_zone = clean.with_columns(pl.col("time").dt.replace_time_zone("UTC"))
    want = quick(timezone="Europe/Paris").fit(with_zone).predict(with_zone)
    for forecaster in (fitted, load(tmp_path / "m")):
        assert {name: getattr(forecaster, name) for name in ODD} == ODD
        got = forecaster.predict(path)
        assert got["time"].equals(want["time"])
        np.testing.assert_allclose(got["forecast"], want["forecast"], rtol=1e-5)


@pytest.mark.parametrize("name", ODD)
def test_odd_table_needs_each_word(name: str, tmp_path: Path) -> None:
    """Without it: an error that suggests it, or other numbers and a note that does."""
    path = tmp_path / "odd.csv"
    write_odd(path)
    told = {key: value for key, value in ODD.items() if key != name}
    if name == "resample":
        assert len(quick(**told).fit(path).predict(path)) == HORIZON
        assert quick(**told).fit(path).frequency_ == "30 minutes"
        return
    try:
        notes = quick(**told).fit(path).notes_
    except DataError as error:
        notes = [str(error)]
    assert any(f"--{name}" in note for note in notes)


def test_reading_parameters_that_there_are_not_are_refused() -> None:
    with pytest.raises(ValueError, match="timezone 'Mars' is unknown"):
        quick(timezone="Mars").fit(hourly(336))
