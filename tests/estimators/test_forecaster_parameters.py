"""Quantiles, rolling forecasts, several targets, and where the validation part begins."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from small import HORIZON, quick
from tables import hourly

from gatewise import DataError, Forecaster, load


def values(frame: pl.DataFrame) -> np.ndarray:
    """The forecasts of a frame, (rows,)."""
    return frame["forecast"].to_numpy()


def test_quantiles_are_named_by_their_percent_and_never_cross(table: pl.DataFrame) -> None:
    model = quick(quantiles=(0.025, 0.1, 0.5, 0.975)).fit(table)
    got = model.rolling(table)
    names = ["q2.5", "q10", "q50", "q97.5"]
    assert got.columns[-4:] == names
    bounds = got.select(names).to_numpy()
    assert (np.diff(bounds, axis=1) >= 0).all()
    assert (bounds[:, 0] < bounds[:, -1]).all()
    assert quick(quantiles=()).fit(table).predict(table).columns[-1] == "forecast"


def test_interval_covers_its_share_of_later_data() -> None:
    frame = hourly(1600)
    model = quick(steps=100, hidden_size=8, past=(), validation=0.25).fit(frame[:1200])
    got = model.rolling(frame, start=str(frame["time"][1200]))
    inside = (got["q10"] <= got["truth"]) & (got["truth"] <= got["q90"])
    assert inside.mean() == pytest.approx(0.8, abs=0.06)


def test_quantiles_without_a_validation_part_are_said_to_be_uncorrected(
    table: pl.DataFrame,
) -> None:
    said = "the quantiles are not corrected: no validation part is held back for that"
    assert said in quick(validation=0).fit(table).notes_
    assert said not in quick(validation=0, quantiles=()).fit(table).notes_
    assert said not in quick().fit(table).notes_


def test_relative_loss_without_the_logarithm_is_refused(table: pl.DataFrame) -> None:
    with pytest.raises(ValueError, match="takes the logarithm, but log=False"):
        quick(loss="relative", log=False).fit(table)


def test_validation_may_begin_at_a_time(table: pl.DataFrame) -> None:
    by_time = quick(validation=str(table["time"][300])).fit(table)
    by_share = quick(validation=36 / 336 + 1e-9).fit(table)
    assert values(by_time.predict(table)).tolist() == values(by_share.predict(table)).tolist()
    with pytest.raises(ValueError, match="validation: no time: 'later'"):
        quick(validation="later").fit(table)
    with pytest.raises(DataError, match="data frame: no step from 2030-01-01 on, so there is no"):
        quick(validation="2030-01-01").fit(table)


@pytest.mark.filterwarnings("ignore:the target is missing in the last")
def test_rolling_forecasts_what_predict_does_from_each_origin(
    fitted: Forecaster, table: pl.DataFrame
) -> None:
    start = 300
    got = fitted.rolling(table, start=str(table["time"][start]), stride=5)
    origins = got["origin"].unique(maintain_order=True).to_list()
    assert origins == table["time"][start - 1 : 336 - HORIZON : 5].to_list()
    for origin, known in ((origins[0], start), (origins[3], start + 15)):
        part = got.filter(pl.col("origin") == origin)
        expected = fitted.predict(table[:known], table[known:])
        for name in ("forecast", "q10", "q90"):
            np.testing.assert_allclose(part[name], expected[name], rtol=1e-5)
        assert part["time"].to_list() == expected["time"].to_list()
        truth = table["load"][known : known + HORIZON].to_list()
        assert part["truth"].fill_nan(None).to_list() == truth


def test_rolling_takes_every_origin_that_has_a_lookback(
    fitted: Forecaster, table: pl.DataFrame
) -> None:
    got = fitted.rolling(table)
    assert len(got) == (336 - 24 - HORIZON + 1) * HORIZON
    with pytest.raises(DataError, match=r"no forecast from 2024-01-14 20:00 on has 24 steps"):
        fitted.rolling(table, start="2024-01-14 20:00")
    with pytest.raises(ValueError, match="start: no time: 'soon'"):
        fitted.rolling(table, start="soon")


def test_columns_of_a_wide_table_are_forecast_like_the_series_of_a_long_one(
    table: pl.DataFrame, tmp_path: Path
) -> None:
    wide = table.select("time", "load", "open", other=pl.col("temp") * 3)
    long = pl.concat(
        [wide.select("time", "open", series=pl.lit(name), load=name) for name in ("load", "other")]
    )
    ahead = hourly(336 + HORIZON).select("time", "open").tail(HORIZON)
    model = quick(target=["load", "other"], future=["open"]).fit(wide)
    got = model.predict(wide, ahead)
    asked = pl.concat([ahead.with_columns(series=pl.lit(name)) for name in ("load", "other")])
    expected = quick(series="series", future=["open"]).fit(long).predict(long, asked)
    assert got.equals(expected)
    assert set(model.rolling(wide)["series"]) == {"load", "other"}
    model.save(tmp_path / "m")
    assert load(tmp_path / "m").predict(wide, ahead).equals(got)
