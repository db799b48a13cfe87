"""The step of a time series: detection, names, and calendar-right arithmetic.

Times are `datetime64[us]` without a zone, which reaches far before 1700.
"""

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY
UNITS = {
    "week": WEEK,
    "day": DAY,
    "hour": HOUR,
    "minute": 60 * SECOND,
    "second": SECOND,
    "millisecond": 1000,
    "microsecond": 1,
}
LONGEST_SECOND_SEASON = 1000
"""A week is offered beside the day as a season only up to this many steps."""

_NAME = re.compile(r"(\d+) (\w+?)s?( \(end\))?")


@dataclass(frozen=True)
class Frequency:
    """The step between two rows: calendar months, or a fixed number of microseconds.

    Args:
        months: whole calendar months (12 for a year), or 0.
        microseconds: a fixed step, or 0. Exactly one of the two is positive.
        month_end: the times are last days of months (31 January, 28 February, …).
    """

    months: int = 0
    microseconds: int = 0
    month_end: bool = False

    def __post_init__(self) -> None:
        if min(self.months, self.microseconds) != 0 or max(self.months, self.microseconds) <= 0:
            raise ValueError(
                "a frequency is a positive number of months or of microseconds, got "
                f"months={self.months}, microseconds={self.microseconds}"
            )
        if self.month_end and not self.months:
            raise ValueError("month_end=True needs a frequency in months")

    def __str__(self) -> str:
        end = " (end)" if self.month_end else ""
        if self.months:
            years = self.months % 12 == 0
            return _count(self.months // 12, "year") + end if years else _months(self.months) + end
        unit = next(unit for unit, size in UNITS.items() if self.microseconds % size == 0)
        return _count(self.microseconds // UNITS[unit], unit)

    @classmethod
    def parse(cls, text: str) -> "Frequency":
        """The frequency that `str` writes: "1 hour", "30 minutes", "3 months", "1 month (end)"."""
        match = _NAME.fullmatch(text.strip())
        if match is None or match[2] not in {*UNITS, "month", "year"} or int(match[1]) == 0:
            raise ValueError(
                f"no frequency: {text!r}; write a number and a unit, as in '1 hour', "
                f"'30 minutes' or '3 months' (units: {', '.join(UNITS)}, month, year)"
            )
        number, unit, end = int(match[1]), match[2], match[3] is not None
        if unit in UNITS:
            return cls(microseconds=number * UNITS[unit], month_end=end)
        return cls(months=number * (12 if unit == "year" else 1), month_end=end)

    def range(self, start: np.datetime64, steps: int) -> np.ndarray:
        """`steps` times from `start` on, (steps,) datetime64[us].

        A day that a month lacks becomes its last one (31 January, 28 February, 31 March), and with
        `month_end` every time is a last day.
        """
        start = start.astype("datetime64[us]")
        if self.microseconds:
            return start + np.arange(steps) * np.timedelta64(self.microseconds, "us")
        first = start.astype("datetime64[M]")
        months = first + np.arange(steps) * self.months
        days = (start - first.astype("datetime64[us]")).astype(np.int64) // DAY
        clock = (start - start.astype("datetime64[D]")).astype("timedelta64[us]")
        last = (month_lengths(months) - 1).astype(np.int64)
        days = last if self.month_end else np.minimum(days, last)
        return months.astype("datetime64[D]") + days.astype("timedelta64[D]") + clock

    def index(self, start: np.datetime64, times: np.ndarray) -> np.ndarray:
        """The step of each of `times` counted from `start`; −1 before it or off its grid."""
        times = times.astype("datetime64[us]")
        start = start.astype("datetime64[us]")
        if self.microseconds:
            distance = (times - start).astype(np.int64)
            steps, rest = distance // self.microseconds, distance % self.microseconds
            return np.where((rest == 0) & (steps >= 0), steps, -1)
        months = (times.astype("datetime64[M]") - start.astype("datetime64[M]")).astype(np.int64)
        steps = months // self.months
        steps[(steps < 0) | (months % self.months != 0)] = -1
        grid = self.range(start, int(steps.max(initial=-1)) + 2)
        return np.where((steps >= 0) & (grid[steps] == times), steps, -1)

    def phase(self, times: np.ndarray) -> np.ndarray:
        """A number per time that is equal exactly for times on one common grid."""
        times = times.astype("datetime64[us]")
        if self.microseconds:
            return times.astype(np.int64) % self.microseconds
        months = times.astype("datetime64[M]")
        within = (times - months.astype("datetime64[us]")).astype(np.int64)
        if self.month_end:
            within -= month_lengths(months) * DAY
        return within + (months.astype(np.int64) % self.months) * (100 * DAY)

    @property
    def seasons(self) -> tuple[int, ...]:
        """Plausible seasonal periods in steps, the main one first: (24, 168) for hours.

        A day and a week for steps below a day, a week for days, a year for weeks (52) and months
        (12); (1,) where none is a whole number of steps.
        """
        if self.months:
            return (12 // self.months,) if 12 % self.months == 0 else (1,)
        step = self.microseconds
        if step % WEEK == 0:
            return (max(1, round(365.25 * DAY / step)),)
        periods = [period // step for period in (DAY, WEEK) if period % step == 0 and period > step]
        return tuple(periods[:1] + [p for p in periods[1:] if p <= LONGEST_SECOND_SEASON]) or (1,)


def moment_of(name: str, text: str) -> np.datetime64:
    """The time that a parameter's text says, such as "2024-05-01" or "2024-05-01 13:00".

    Raises:
        ValueError: names the parameter.
    """
    try:
        return np.datetime64(datetime.fromisoformat(text), "us")
    except ValueError:
        raise ValueError(f"{name}: no time: {text!r}; write it as in '2024-05-01 13:00'") from None


def month_lengths(months: np.ndarray) -> np.ndarray:
    """Days of each month, int64, for an array of datetime64[M]."""
    first = months.astype("datetime64[D]")
    return ((months + 1).astype("datetime64[D]") - first).astype(np.int64)


def format_time(time: np.datetime64) -> str:
    """A time as short as it can be told: "2011-01-01", "2011-01-01 05:00"."""
    time = time.astype("datetime64[us]")
    if time == time.astype("datetime64[D]"):
        return str(time.astype("datetime64[D]"))
    unit = "m" if time == time.astype("datetime64[m]") else "s"
    unit = unit if time == time.astype(f"datetime64[{unit}]") else "us"
    return str(time.astype(f"datetime64[{unit}]")).replace("T", " ")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _months(number: int) -> str:
    return _count(number, "month")
