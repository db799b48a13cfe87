"""Dates and times from text, whole numbers, or date columns; and which column holds them."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from gatewise.data.tables import Table
from gatewise.data.times import DAY, HOUR, SECOND, month_lengths
from gatewise.data.values import MISSING, numbers
from gatewise.data.zones import has_clock, to_utc

CLOCK = (
    r"(?:[T ]+(?<hour>\d{1,2}):(?<minute>\d{2})"
    r"(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?"
    r" ?(?<zone>Z|[+-]\d{2}(?::?\d{2})?)?)?"
)
PATTERNS = {
    "YYYY-MM-DD": r"(?<year>\d{4})-(?<month>\d{1,2})(?:-(?<day>\d{1,2}))?",
    "YYYY/MM/DD": r"(?<year>\d{4})/(?<month>\d{1,2})(?:/(?<day>\d{1,2}))?",
    "YYYYMMDD": r"(?<year>\d{4})(?<month>\d{2})(?<day>\d{2})",
    "DD.MM.YYYY": r"(?<day>\d{1,2})\.(?<month>\d{1,2})\.(?<year>\d{4})",
    "slashes": r"(?<first>\d{1,2})/(?<second_number>\d{1,2})/(?<year>\d{4})",
    "YYYY": r"(?<year>1[5-9]\d\d|2[01]\d\d)",
}
READ = "YYYY-MM-DD [HH:MM[:SS]], YYYY/MM/DD, YYYYMMDD, YYYY-MM, DD.MM.YYYY, MM/DD/YYYY, a year"
PARTS = ("year", "month", "day", "hour", "minute", "second")
TIME_NAMES = {"date", "time", "datetime", "date_time", "timestamp", "period", "ds"}
YEAR_NAMES = {*TIME_NAMES, "year", "years", "yr"}
SAMPLE = 1000
SLICE = 200_000
_CLOCK = r"^\d{1,2}(:\d{2}(:\d{2})?|\.\d{2}\.\d{2})$"


@dataclass(frozen=True)
class Times:
    """The time of every row.

    Attributes:
        names: the column, or the columns, that hold it.
        values: (N,) datetime64[us], in UTC where a zone was given.
        notes: what had to be decided, one line each.
        utc: whether a zone was given, so that the values are in UTC.
        zone: whose clock the table's reading tells; None for none, and for plain dates.
    """

    names: tuple[str, ...]
    values: np.ndarray
    notes: list[str] = field(default_factory=list)
    utc: bool = False
    zone: str | None = None


def read_times(
    table: Table, time: str | Sequence[str] | None = None, *, series: str | None = None
) -> Times:
    """The time of every row, in UTC where the values or the table's reading tell a zone.

    Args:
        table: the rows.
        time: a column; or columns that hold year, month, day, hour, minute, second in this order
            (at least the year), or a date and its clock time; None to find it.
        series: the id column, by which the hours that a clock showed twice are told apart.

    Raises:
        DataError: no such column, none or several found, or a value that is no time.
    """
    if time is None:
        time = _find(table)
    names = (time,) if isinstance(time, str) else tuple(time)
    check_names(table, names)
    utc = False
    if len(names) == 1:
        values, notes, utc = _parse(table, table.frame[names[0]])
    elif is_time(table.frame[names[0]], years=False):
        values, notes, utc = _date_and_clock(table, names)
    else:
        values, notes = _from_parts(table, dict(zip(PARTS, names, strict=False))), []
    zone = table.reading.timezone
    if zone is None or not (utc or has_clock(values)):
        return Times(names, values, notes, utc)
    if not utc:
        values, told = to_utc(table, values, zone, series)
        notes = [*notes, *told]
    return Times(names, values, notes, True, zone)


def is_time(column: pl.Series, *, years: bool) -> bool:
    """Whether at least half of the values look like times (plain years only if `years`)."""
    if column.dtype.is_temporal():
        return column.dtype in (pl.Date, pl.Datetime)
    if column.dtype != pl.String and not column.dtype.is_integer():
        return False
    text = _clean(column).drop_nulls()
    text = text.gather_every(max(1, len(text) // SAMPLE))
    pattern, share = _best_pattern(text, years)
    if not len(text) or share < 0.5:
        return False
    if column.dtype.is_integer():  # any eight digits look like a date: ask for valid ones
        return share == 1 and not np.isnat(_match(text, pattern)[0]).any()
    return True


def check_names(table: Table, names: Sequence[str]) -> None:
    """Raises `DataError` for the first name that is no column, with the nearest ones."""
    columns = table.frame.columns
    for name in names:
        if name not in columns:
            folded = {column.casefold(): column for column in columns}
            close = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)
            hint = (
                f"did you mean {' or '.join(repr(folded[c]) for c in close)}? The"
                if close
                else "the"
            )
            listed = ", ".join(columns[:20]) + (", …" if len(columns) > 20 else "")
            raise table.error(f"no such column; {hint} columns are: {listed}", column=name)


def _find(table: Table) -> tuple[str, ...]:
    frame = table.frame
    native = [c for c in frame.columns if frame[c].dtype in (pl.Date, pl.Datetime)]
    text = [c for c in frame.columns if frame[c].dtype == pl.String]
    found = native or [c for c in text if is_time(frame[c], years=c.casefold() in YEAR_NAMES)]
    if not found:
        parts = _part_columns(frame)
        if parts:
            return parts
        whole = [c for c in frame.columns if frame[c].dtype.is_integer()]
        found = [c for c in whole if is_time(frame[c], years=False)]
        found = found or [c for c in whole if _is_year_column(frame, c)]
        found = found or _counted_years(frame)
        found = found or [c for c in text + whole if c.casefold() in TIME_NAMES]
    if len(found) == 1:
        clocks = [c for c in text if c not in found and _is_clock(frame[c])]
        return (
            (found[0], *clocks) if len(clocks) == 1 and _is_date(frame[found[0]]) else (found[0],)
        )
    if found:
        raise table.error(
            f"several columns hold times: {', '.join(map(repr, found))}; name one with time "
            "(--time)"
        )
    listed = ", ".join(map(repr, frame.columns[:10])) + (", …" if frame.width > 10 else "")
    raise table.error(
        f"no column of times found among {listed}; name it with time (--time). Read are: {READ}"
    )


def _part_columns(frame: pl.DataFrame) -> tuple[str, ...]:
    """Columns named year, month, day, hour, minute (any case), as far as they go; at least two."""
    folded = {column.casefold(): column for column in frame.columns}
    names = []
    for part in PARTS:
        if part not in folded:
            break
        names.append(folded[part])
    return tuple(names) if len(names) > 1 else ()


def _is_clock(column: pl.Series) -> bool:
    """Whether every value is a clock time, 18:00, 18:00:00 or 18.00.00."""
    return bool(column.str.strip_chars().str.contains(_CLOCK).all() and not column.null_count())


def _is_date(column: pl.Series) -> bool:
    """Whether no value has a clock time beside its date."""
    if column.dtype.is_temporal():
        return column.dtype == pl.Date
    return not column.cast(pl.String).str.contains(":", literal=True).any()


def _is_year_column(frame: pl.DataFrame, column: str) -> bool:
    return column.casefold() in YEAR_NAMES and is_time(frame[column], years=True)


def _counted_years(frame: pl.DataFrame) -> list[str]:
    """The first column, if it holds whole numbers that look like years, each once."""
    first = frame.to_series(0)
    years = first.dtype.is_integer() and is_time(first, years=True) and first.is_unique().all()
    return [first.name] if years else []


def _parse(table: Table, column: pl.Series) -> tuple[np.ndarray, list[str], bool]:
    """Times of one column, (N,) datetime64[us], notes, and whether a zone made them UTC."""
    missing = column.is_null().arg_true()
    if len(missing):
        raise table.error(
            "the time is missing; fill it in or remove the row",
            index=missing[0],
            column=column.name,
        )
    if column.dtype in (pl.Date, pl.Datetime):
        zone = getattr(column.dtype, "time_zone", None)
        if zone is not None:
            column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        note = [f"times of zone {zone} converted to UTC"] if zone not in (None, "UTC") else []
        values = column.cast(pl.Datetime("us")).to_numpy().astype("datetime64[us]", copy=False)
        return values, note, zone is not None
    text = _clean(column)
    sample = text.gather_every(max(1, len(text) // SAMPLE))
    pattern, _ = _best_pattern(sample, years=True)
    notes = []
    if pattern == "slashes":
        pattern = _slash_order(table, text)
        notes.append(f"dates with slashes read as {pattern}")
    times, zoned = _match(text, pattern)
    _check_times(table, column, times)
    if zoned.any():
        _check_zones(table, column, zoned)
        notes.append("times with an offset converted to UTC")
    return times, notes, bool(zoned.any())


def _check_times(table: Table, column: pl.Series, times: np.ndarray) -> None:
    bad = np.flatnonzero(np.isnat(times))
    if len(bad):
        raise table.error(
            f"{column[int(bad[0])]!r} is no date or time; read are: {READ}",
            index=int(bad[0]),
            column=column.name,
        )


def _check_zones(table: Table, column: pl.Series, zoned: np.ndarray) -> None:
    if not zoned.all():
        index = int(np.flatnonzero(~zoned)[0])
        raise table.error(
            f"{column[index]!r} has no time zone, other rows have one; write all rows alike",
            index=index,
            column=column.name,
        )


def _clean(column: pl.Series) -> pl.Series:
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text.is_in(MISSING), None)


def _best_pattern(text: pl.Series, years: bool) -> tuple[str, float]:
    """The pattern that most values follow, and their share."""
    counts = {
        name: text.str.contains(f"^{date}{CLOCK}$").fill_null(False).to_numpy().sum()
        for name, date in PATTERNS.items()
        if years or name != "YYYY"
    }
    best = max(counts, key=counts.__getitem__)
    return best, counts[best] / max(1, len(text))


def _slash_order(table: Table, text: pl.Series) -> str:
    """MM/DD/YYYY or DD/MM/YYYY, whichever the values allow."""
    groups = text.str.extract_groups(f"^{PATTERNS['slashes']}{CLOCK}$").struct.unnest()
    first, second = (
        groups[name].cast(pl.Int64).fill_null(0).to_numpy().max()
        for name in ("first", "second_number")
    )
    if max(first, second) <= 12:
        raise table.error(
            f"{text[0]!r} can be day/month or month/day, and no row tells which; write the dates "
            "as YYYY-MM-DD",
            index=0,
            column=text.name,
        )
    return "DD/MM/YYYY" if first > 12 else "MM/DD/YYYY"


def _match(text: pl.Series, pattern: str) -> tuple[np.ndarray, np.ndarray]:
    """Times (N,) of the values that follow the pattern, NaT for others; and which have a zone."""
    names = {"DD/MM/YYYY": ("day", "month"), "MM/DD/YYYY": ("month", "day")}.get(pattern)
    date = PATTERNS["slashes" if names else pattern]
    if names:
        date = date.replace("first", names[0]).replace("second_number", names[1])
    times = np.empty(len(text), dtype="datetime64[us]")
    zoned = np.empty(len(text), dtype=bool)
    for start in range(0, len(text), SLICE):  # the parts of a time take ten times its memory
        piece = slice(start, start + SLICE)
        groups = text[piece].str.extract_groups(f"^{date}{CLOCK}$").struct.unnest()
        times[piece], zoned[piece] = _from_groups(groups)
    return times, zoned


def _from_groups(groups: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    parts = {name: _part(groups, name, default) for name, default in _DEFAULTS.items()}
    times = assemble(parts)
    if "fraction" in groups.columns:
        fraction = groups["fraction"].fill_null("").str.pad_end(6, "0").str.slice(0, 6)
        times = times + fraction.cast(pl.Int64).to_numpy().astype("timedelta64[us]")
    zones = groups["zone"]
    return times - _offsets(zones), zones.is_not_null().to_numpy()


_DEFAULTS = {"year": -1, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0}


def _part(groups: pl.DataFrame, name: str, default: int) -> np.ndarray:
    if name not in groups.columns:
        return np.full(groups.height, default)
    return groups[name].cast(pl.Int64).fill_null(default).to_numpy()


def _offsets(zones: pl.Series) -> np.ndarray:
    """The zones' distance to UTC, (N,) timedelta64[us]; zero for Z and for none."""
    digits = zones.fill_null("Z").str.replace("Z", "+00", literal=True)
    digits = digits.str.replace(":", "", literal=True).str.pad_end(5, "0")
    hours = digits.str.slice(1, 2).cast(pl.Int64).to_numpy()
    minutes = digits.str.slice(3, 2).cast(pl.Int64).to_numpy()
    sign = np.where(digits.str.starts_with("-").to_numpy(), -1, 1)
    return (sign * (hours * 60 + minutes) * 60 * SECOND).astype("timedelta64[us]")


def assemble(parts: dict[str, np.ndarray]) -> np.ndarray:
    """Times (N,) datetime64[us] from whole numbers by part; NaT where they make no time."""
    filled = {name: parts.get(name, np.array(default)) for name, default in _DEFAULTS.items()}
    year, month, day, hour, minute, second = filled.values()
    valid = (year >= 0) & (month >= 1) & (month <= 12) & (day >= 1) & (hour >= 0) & (hour < 24)
    valid = valid & (minute >= 0) & (minute < 60) & (second >= 0) & (second < 60)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    valid = valid & (day <= month_lengths(months))
    within = (day - 1) * DAY + hour * HOUR + (minute * 60 + second) * SECOND
    times = months.astype("datetime64[us]") + np.where(valid, within, 0).astype("timedelta64[us]")
    return np.where(valid, times, np.datetime64("NaT"))


def _from_parts(table: Table, columns: dict[str, str]) -> np.ndarray:
    """Times from one column per part (year, month, …)."""
    parts = {part: _whole_numbers(table, name, part) for part, name in columns.items()}
    times = assemble(parts)
    bad = np.flatnonzero(np.isnat(times))
    if len(bad):
        told = ", ".join(f"{name} {parts[part][bad[0]]}" for part, name in columns.items())
        raise table.error(
            f"{told} is no time", index=int(bad[0]), column=", ".join(columns.values())
        )
    return times


def _whole_numbers(table: Table, name: str, part: str) -> np.ndarray:
    values, bad = numbers(table.frame[name])
    wrong = values.is_null() | (values != values.round()) | (values.abs() > 9999)
    if wrong.any():
        index = bad if bad is not None else int(wrong.arg_true()[0])
        raise table.error(
            f"{table.frame[name][index]!r} is no {part}",
            index=index,
            column=name,
        )
    return values.cast(pl.Int64).to_numpy()


def _date_and_clock(table: Table, names: tuple[str, ...]) -> tuple[np.ndarray, list[str], bool]:
    """Times from a date column and a second one: HH:MM[:SS] as text, or whole hours."""
    if len(names) > 2:
        raise table.error(
            f"a date in {names[0]!r} and then {len(names) - 1} columns; give the date and one "
            "clock time, or year, month, day, hour, minute"
        )
    date, clock = table.frame[names[0]], table.frame[names[1]]
    if clock.dtype == pl.String and _is_clock(clock):
        clock = clock.str.replace_all(".", ":", literal=True)
    if clock.dtype == pl.String and clock.str.contains(":", literal=True).any():
        if date.dtype in (pl.Date, pl.Datetime):
            date = date.dt.strftime("%Y-%m-%d")
        joined = date.cast(pl.String) + " " + clock.str.strip_chars()
        return _parse(table, joined.rename(" ".join(names)))
    times, notes, utc = _parse(table, date)
    hours = _whole_numbers(table, names[1], "hour")
    bad = np.flatnonzero((hours < 0) | (hours > 23))
    if len(bad):
        raise table.error(
            f"{hours[bad[0]]} is no hour from 0 to 23", index=int(bad[0]), column=names[1]
        )
    return times + hours * np.timedelta64(HOUR, "us"), notes, utc
