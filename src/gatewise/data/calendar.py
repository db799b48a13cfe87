"""Calendar features: what a time stamp alone tells, and so is known in the future."""

from collections.abc import Sequence

import numpy as np

from gatewise.data.times import DAY as _DAY
from gatewise.data.times import HOUR as _HOUR
from gatewise.data.times import Frequency
from gatewise.data.zones import to_local


def calendar_names(frequency: Frequency) -> list[str]:
    """Name the calendar features of a frequency: those that change from one step to another.

    Steps shorter than an hour get the place in the hour, shorter than a day the hour of the day,
    up to a day the day of the week, shorter than a year the place in the year; yearly data gets
    none.
    """
    step = frequency.microseconds
    names: list[str] = []
    if 0 < step < _HOUR:
        names += ["hour_sin", "hour_cos"]
    if 0 < step < _DAY:
        names += [f"hour_{hour}" for hour in range(24)]
    if 0 < step <= _DAY:
        names += [f"weekday_{day}" for day in range(7)]
    if step > 0 or frequency.months < 12:
        names += [f"year_{wave}{k}" for k in (1, 2) for wave in ("sin", "cos")]
    return names


def calendar_features(times: np.ndarray, frequency: Frequency) -> np.ndarray:
    """Encode ``times`` (n,), datetime64, as float32 (n, len(calendar_names(frequency))).

    Hours and weekdays are one-hot (weekday 0 is Monday); places in the hour and in the year are
    sines and cosines, the year's with its second harmonic.
    """
    micros = times.astype("datetime64[us]").astype(np.int64)
    days = np.floor_divide(micros, _DAY)
    hours = np.floor_divide(micros, _HOUR)
    step = frequency.microseconds
    parts: list[np.ndarray] = []
    angle: np.ndarray
    if 0 < step < _HOUR:
        angle = 2 * np.pi * (micros % _HOUR) / _HOUR
        parts += [np.sin(angle)[:, None], np.cos(angle)[:, None]]
    if 0 < step < _DAY:
        parts.append(np.eye(24)[hours % 24])
    if 0 < step <= _DAY:
        parts.append(np.eye(7)[(days + 3) % 7])  # 1970-01-01 was a Thursday
    if step > 0 or frequency.months < 12:
        year_start = times.astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
        angle = 2 * np.pi * (days - year_start) / 365.25
        parts += [wave(k * angle)[:, None] for k in (1, 2) for wave in (np.sin, np.cos)]
    if not parts:
        return np.zeros((len(times), 0), dtype=np.float32)
    return np.concatenate(parts, axis=1).astype(np.float32)


class Calendar:
    """The calendar features of the rows of some series, looked up when they are asked for.

    A row's features follow from its time, and that from its place in its series: nothing is kept
    for each row, only tables of the day's steps and of the days.

    Args:
        times: per series (T_n,) datetime64[us], regular.
        offsets: (n_series + 1,) where each series starts when they are laid end to end.
        frequency: of the times.
        zone: whose clock the features go by; None is that of the times.
    """

    def __init__(
        self,
        times: Sequence[np.ndarray],
        offsets: np.ndarray,
        frequency: Frequency,
        zone: str | None = None,
    ) -> None:
        self.width = len(calendar_names(frequency))
        self.frequency = frequency
        self.offsets = offsets
        self.zone = zone
        self._tables: tuple[np.ndarray, np.ndarray] | None = None
        self._rows: np.ndarray | None = None  # of months and years, which are few
        if not frequency.microseconds:
            self._rows = calendar_features(self._clock_of(np.concatenate(times)), frequency)
            return
        known = [int(t[0].astype(np.int64)) for t in times if len(t)] or [0]
        first = [int(t[0].astype(np.int64)) if len(t) else known[0] for t in times]
        self._first = np.array(first, dtype=np.int64)
        self._clock = min(frequency.microseconds, _DAY)  # what divides a day
        even = _DAY % self._clock == 0 and frequency.microseconds % self._clock == 0
        if even and zone is None and not np.ptp(self._first % self._clock):
            self._tables = self._make_tables()

    def _make_tables(self) -> tuple[np.ndarray, np.ndarray]:
        last = self._first + np.diff(self.offsets) * self.frequency.microseconds
        self._day = int(self._first.min() // _DAY)
        days = np.arange(self._day, last.max() // _DAY + 1) * _DAY
        clock = np.arange(self._first[0] % self._clock, _DAY, self._clock)
        names = calendar_names(self.frequency)
        split = next((n for n, name in enumerate(names) if name.startswith(("week", "year"))), 0)
        by_clock = calendar_features(clock.astype("datetime64[us]"), self.frequency)[:, :split]
        by_day = calendar_features(days.astype("datetime64[us]"), self.frequency)[:, split:]
        return by_clock, by_day

    def _clock_of(self, times: np.ndarray) -> np.ndarray:
        return times if self.zone is None else to_local(times, self.zone)

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Give the features of ``rows`` (…), flat indices: (…, width) float32."""
        if self._rows is not None:
            return self._rows[rows]
        series = np.searchsorted(self.offsets, rows, side="right") - 1
        since = (rows - self.offsets[series]) * self.frequency.microseconds
        micros = self._first[series] + since
        if self._tables is None:
            clock = self._clock_of(micros.ravel().view("datetime64[us]"))
            features = calendar_features(clock, self.frequency)
            return features.reshape(*rows.shape, self.width)
        day = micros // _DAY
        by_clock, by_day = self._tables
        place = (micros - day * _DAY) // self._clock
        return np.concatenate([by_clock[place], by_day[day - self._day]], axis=-1)
