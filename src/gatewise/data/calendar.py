"""Calendar features: what a time stamp alone tells, and so is known in the future."""

import numpy as np

from gatewise.data.times import Frequency

_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


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
