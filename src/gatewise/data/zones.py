"""Clock times of a zone with summer time, to UTC and back."""

import numpy as np
import polars as pl

from gatewise.data.tables import Table
from gatewise.data.times import HOUR, format_time

WELL_KNOWN = (
    "Europe/Paris",
    "Europe/London",
    "Europe/Helsinki",
    "America/New_York",
    "Australia/Sydney",
    "America/Santiago",
)
"""Zones whose changes are looked for when none is told; many others change at the same hour."""
MOST_YEARS = 200
SAMPLE = 100_000


def to_utc(
    table: Table, wall: np.ndarray, zone: str, series: str | None
) -> tuple[np.ndarray, list[str]]:
    """Turn clock times (N,) of a zone into UTC, and say what was decided.

    An hour that a clock shows twice is told by the order of the rows: of two rows of one series
    with the same time the first is in summer time; a single one is taken as summer time.

    Args:
        table: for messages, and for the column ``series``.
        wall: datetime64[us].
        zone: its name.
        series: the id column, where there is one.

    Raises:
        DataError: a time that the clock skipped, or that stands three times in one series.
    """
    times = pl.Series("time", wall)
    first = times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    skipped = first.is_null().arg_true()
    if len(skipped):
        raise table.error(
            f"{format_time(wall[skipped[0]])} was skipped in {zone} by the change to summer time; "
            "the times are of another zone, or in UTC: leave out timezone (--timezone)",
            index=skipped[0],
        )
    last = times.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
    early, late = (_utc(column) for column in (first, last))
    twice = np.flatnonzero(early != late)
    notes = [f"times of zone {zone} converted to UTC"]
    if not len(twice):
        return early, notes
    ids = table.frame[series].gather(twice) if series else pl.Series(np.zeros(len(twice)))
    shown = pl.DataFrame({"time": wall[twice], "id": ids})
    if _falls(wall):
        shown = shown.reverse()
    count = shown.select(pl.int_range(pl.len()).over("time", "id")).to_series()
    number = (count.reverse() if _falls(wall) else count).to_numpy()
    if (number > 1).any():
        index = int(twice[np.argmax(number > 1)])
        raise table.error(
            f"{format_time(wall[index])} stands three times, and the clock of {zone} showed it "
            "twice; name the column that tells series apart with series (--series), or remove the "
            "duplicates",
            index=index,
        )
    early[twice] = np.where(number == 1, late[twice], early[twice])
    notes.append(
        f"{len(twice):,} rows in hours that the clock showed twice: the first of two rows taken as "
        "summer time"
    )
    return early, notes


def to_local(times: np.ndarray, zone: str) -> np.ndarray:
    """UTC times (N,) as the clock of a zone shows them."""
    local = pl.Series(times.astype("datetime64[us]")).dt.replace_time_zone("UTC")
    shown = local.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return shown.to_numpy().astype("datetime64[us]")


def has_clock(times: np.ndarray) -> bool:
    """Whether any of the times (N,) is not a plain date."""
    return bool((times != times.astype("datetime64[D]")).any())


def suggest_zone(wall: np.ndarray) -> str | None:
    """A zone whose summer-time changes show in the times (N,) of one series; None for none.

    They show where each hour that the clock skipped has no row, though the hours beside it have
    one, or where each hour that it showed twice has rows twice.
    """
    hours = wall.astype("datetime64[h]")
    first, last = hours.min(), hours.max()
    if len(wall) < 48 or int((last - first).astype(int)) > MOST_YEARS * 365 * 24:
        return None
    step = np.median(np.abs(np.diff(wall[:SAMPLE]).astype(np.int64)))
    if step > HOUR or not has_clock(wall):
        return None
    index = (hours - first).astype(np.int64)
    rows = np.bincount(index)
    usual = np.median(rows[rows > 0])
    if rows.min() > 0 and rows.max() <= usual:
        return None
    every = first + np.arange(len(rows))
    times = pl.Series(every.astype("datetime64[us]"))
    for zone in WELL_KNOWN:
        early = times.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
        late = times.dt.replace_time_zone(zone, ambiguous="latest", non_existent="null")
        skipped = np.flatnonzero(early.is_null().to_numpy())
        skipped = skipped[(rows[skipped - 1] > 0) & (rows[(skipped + 1) % len(rows)] > 0)]
        twice = np.flatnonzero((early != late).fill_null(False).to_numpy())
        twice = twice[rows[twice] > 0]
        if len(skipped) and not rows[skipped].any():
            return zone
        if len(twice) and (rows[twice] == 2 * usual).all():
            return zone
    return None


def _utc(column: pl.Series) -> np.ndarray:
    utc = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return utc.to_numpy().astype("datetime64[us]")


def _falls(wall: np.ndarray) -> bool:
    """Whether the rows go from late to early."""
    steps = np.diff(wall).astype(np.int64)
    return bool((steps < 0).sum() > (steps > 0).sum())
