import numpy as np
import pandas as pd
import polars as pl
import pytest

from gatewise.data import DataError, Reading, make_panel, read_table

HOURLY = Reading.of(resample="1 hour")


def irregular(count: int = 200, seed: int = 0) -> pl.DataFrame:
    random = np.random.default_rng(seed)
    seconds = np.cumsum(random.integers(60, 2400, count)) + random.integers(0, 50)
    return pl.DataFrame(
        {
            "t": np.datetime64("2024-01-01", "us") + seconds * np.timedelta64(1, "s"),
            "y": random.normal(size=count),
            "x": random.normal(size=count),
            "sky": random.choice(["sun", "rain"], count),
        }
    )


def test_irregular_rows_are_refused_with_the_way_out() -> None:
    with pytest.raises(DataError, match=r"or say resample='.*' \(--resample '.*'\) for the mean"):
        make_panel(read_table(irregular()), target="y")


@pytest.mark.parametrize("step", ["1 hour", "30 minutes", "1 day", "1 week"])
def test_resampled_means_match_pandas(step: str) -> None:
    frame = irregular(3000)
    panel = make_panel(read_table(frame, reading=Reading.of(resample=step)), target="y")
    rule = {"1 hour": "1h", "30 minutes": "30min", "1 day": "1D", "1 week": "W-MON"}[step]
    sides = {"closed": "left", "label": "left"}
    grouped = pd.DataFrame(frame.to_dict(as_series=False)).set_index("t").resample(rule, **sides)
    want = grouped[["y", "x"]].mean()
    assert str(panel.frequency) == step
    np.testing.assert_array_equal(panel.times[0], want.index.to_numpy().astype("datetime64[us]"))
    np.testing.assert_allclose(panel.target[0], want["y"], atol=1e-12)
    np.testing.assert_allclose(panel.values["x"][0], want["x"], atol=1e-12)
    last = grouped["sky"].last()
    assert [v for v in panel.values["sky"][0] if v] == [v for v in last if isinstance(v, str)]


def test_resampled_says_so_and_leaves_empty_steps_missing() -> None:
    times = ["2024-01-01 00:10", "2024-01-01 00:50", "2024-01-01 01:20", "2024-01-01 04:00"]
    frame = pl.DataFrame({"t": times, "y": [1.0, 3.0, 5.0, 7.0]})
    panel = make_panel(read_table(frame, reading=HOURLY))
    np.testing.assert_array_equal(panel.target[0], [2, 5, np.nan, np.nan, 7])
    assert (
        "4 rows brought to 3 of one step of 1 hour: means of numbers, the last of text"
        in panel.notes
    )
    assert any(note.startswith("2 missing steps inserted") for note in panel.notes)


def test_resampled_series_stay_apart_with_their_static_values() -> None:
    frame = pl.concat(
        [
            irregular(seed=n).with_columns(shop=pl.lit(f"shop {n}"), size=pl.lit(0.1 + n / 3))
            for n in range(2)
        ]
    )
    panel = make_panel(
        read_table(frame, reading=HOURLY), target="y", series="shop", static=["size"], past=["sky"]
    )
    for n in range(2):
        alone = make_panel(
            read_table(frame.filter(pl.col("shop") == f"shop {n}"), reading=HOURLY), target="y"
        )
        np.testing.assert_allclose(panel.target[n], alone.target[0])
    assert panel.static["size"] == [0.1, 0.1 + 1 / 3]


def test_resampled_bad_values_are_named_by_their_row() -> None:
    frame = irregular().with_columns(y=pl.lit("1.5"))
    values = ["1.5"] * 200
    values[17] = "oops"
    frame = frame.with_columns(y=pl.Series(values))
    with pytest.raises(DataError, match="row 18, column 'y': the target must be numbers"):
        make_panel(read_table(frame, reading=HOURLY), target="y")


def test_resample_and_another_frequency_do_not_agree() -> None:
    with pytest.raises(ValueError, match="frequency='1 day' and resample='1 hour' differ"):
        make_panel(read_table(irregular(), reading=HOURLY), target="y", frequency="1 day")
