"""Small tables that several tests share."""

import numpy as np
import polars as pl


def hourly(rows: int = 600, *, seed: int = 0, gaps: bool = False) -> pl.DataFrame:
    """An hourly series: a daily wave, a past, a known-future and a text column."""
    random = np.random.default_rng(seed)
    hours = np.arange(rows)
    times = np.datetime64("2024-01-01T00", "us") + hours * np.timedelta64(1, "h")
    open_ = ((hours % 24 >= 8) & (hours % 24 < 20)).astype(float)
    load = 10 + 3 * np.sin(2 * np.pi * hours / 24) + 2 * open_ + random.normal(0, 0.3, rows)
    if gaps:
        load[random.random(rows) < 0.05] = np.nan
    return pl.DataFrame(
        {
            "time": times,
            "load": pl.Series(load).fill_nan(None),
            "temp": random.normal(15, 5, rows),
            "open": open_,
            "sky": random.choice(["sun", "rain", "fog"], rows),
        }
    )


def several(lengths: tuple[int, ...] = (300, 260, 220)) -> pl.DataFrame:
    """Hourly series of different lengths and scales in long format."""
    parts = [
        hourly(rows, seed=number)
        .select("time", load=pl.col("load") * 10.0**number, temp="temp")
        .with_columns(shop=pl.lit(f"shop {number}"), kind=pl.lit("ab"[number % 2]))
        for number, rows in enumerate(lengths)
    ]
    return pl.concat(parts)
