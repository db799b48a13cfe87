"""Small tables that several tests share."""

from pathlib import Path

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


ODD = {
    "decimal": ",",
    "encoding": "latin-1",
    "missing": "-99",
    "timezone": "Europe/Paris",
    "resample": "1 hour",
}
"""What has to be told about the file that `write_odd` writes."""


def write_odd(path: Path, rows: int = 336) -> pl.DataFrame:
    """Write half-hours over a change to summer time with all that is odd, and give it clean.

    Returns:
        What stands in the file: hours in UTC, means of two half-hours, missing values missing.
    """
    random = np.random.default_rng(0)
    step = np.timedelta64(30, "m")
    times = np.datetime64("2024-03-25T00", "us") + np.arange(2 * rows) * step
    load = np.round(10 + np.sin(np.arange(2 * rows) / 8) + random.normal(0, 0.1, 2 * rows), 2)
    load[random.integers(0, 2 * rows, 20)] = np.nan
    frame = pl.DataFrame(
        {"time": times, "load": load, "température": random.normal(15, 5, 2 * rows)}
    )
    zone = pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Paris")
    shown = frame.with_columns(zone.dt.strftime("%Y-%m-%d %H:%M"), pl.col("load").fill_nan(-99))
    text = shown.with_columns(
        pl.col("load", "température").cast(pl.String).str.replace(".", ",", literal=True)
    )
    path.write_bytes(text.write_csv(separator="\t").encode("latin-1"))
    hours = frame.with_columns(pl.col("load").fill_nan(None)).group_by(
        pl.col("time").dt.truncate("1h"), maintain_order=True
    )
    return hours.agg(pl.col("load", "température").mean())
