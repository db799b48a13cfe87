import numpy as np
import polars as pl
import pytest

from gatewise.report.run_files import read_run
from gatewise.report.windows import choose_windows, coverage, have_bands


def forecasts(run_dir):
    return read_run(run_dir).predictions(["lstm", "gru", "seasonal"])


def mean_errors(run_dir, model):
    """The error of every window of a model by loops: (error, fold, origin)."""
    windows = {}
    for fold in range(5):
        rows = pl.read_parquet(run_dir / "trials" / f"{model}-f{fold}-s0" / "predictions.parquet")
        for row in rows.iter_rows(named=True):
            errors = windows.setdefault((fold, row["origin"]), [])
            if row["truth"] is not None:
                errors.append(abs(row["forecast"] - row["truth"]))
    return sorted((sum(e) / len(e), *key) for key, e in windows.items() if e)


def test_windows_are_best_median_and_worst_of_the_taken_cell(make_run):
    run_dir = make_run()
    ranked = mean_errors(run_dir, "gru")
    assert len(ranked) == 25  # six windows in five folds, less one a fold without a truth
    chosen = choose_windows(forecasts(run_dir), "gru")
    assert [window.kind for window in chosen] == ["best", "median", "worst"]
    for window, (expected, fold, origin) in zip(
        chosen, (ranked[0], ranked[12], ranked[-1]), strict=True
    ):
        rows = window.rows
        assert window.error == pytest.approx(expected, rel=1e-12)
        assert rows.select("fold", "origin").unique().rows() == [(fold, origin)]
        assert rows.group_by("model").len().sort("model").rows() == [
            ("gru", 24),
            ("lstm", 24),
            ("seasonal", 24),
        ]


def test_windows_are_told_apart_by_series():
    forecasts = pl.DataFrame(
        {
            "model": "gru",
            "fold": 0,
            "series": ["a", "b", "a", "b"],
            "origin": [1, 1, 2, 2],
            "step": 1,
            "time": [2, 2, 3, 3],
            "truth": 0.0,
            "forecast": [4.0, 1.0, 2.0, 3.0],
        }
    )
    chosen = choose_windows(forecasts, "gru")
    assert [(w.kind, *w.rows.row(0)[2:4], w.error) for w in chosen] == [
        ("best", "b", 1, 1.0),
        ("median", "a", 2, 2.0),
        ("worst", "a", 1, 4.0),
    ]


def test_truth_that_is_nan_is_not_known(make_run):
    run_dir = make_run()
    expected = forecasts(run_dir)
    for path in run_dir.glob("trials/*/predictions.parquet"):
        pl.read_parquet(path).with_columns(pl.col("truth").fill_null(np.nan)).write_parquet(path)
    assert forecasts(run_dir).equals(expected)


def test_window_says_where_it_stands(make_run):
    window = choose_windows(forecasts(make_run(series="x" * 100)), "gru")[0]
    assert window.place().startswith(f"Series {'x' * 100}, forecast made at 2012-")
    assert window.place(80).startswith(f"Series {'x' * 79}…, forecast made at 2012-")


def test_coverage_counts_known_truths_with_the_ends():
    truth = [1.0, 2.0, 3.0, None, 5.0]
    low = [1.0, 2.5, 2.0, 0.0, 4.0]
    rows = pl.DataFrame({"model": "gru", "truth": truth, "low": low})
    found = coverage(rows.with_columns(high=pl.col("low") + 1), ["lstm", "gru"])
    assert list(found) == ["gru"]
    assert (found["gru"].inside, found["gru"].truths, found["gru"].width) == (3, 4, 1.0)
    assert found["gru"].share == 0.75


def test_bands_are_there_only_if_every_forecast_has_one(make_run):
    rows = forecasts(make_run())
    assert have_bands(rows)
    assert not have_bands(rows.drop("low"))
    assert not have_bands(rows.with_columns(high=pl.when(fold=0).then("high")))
