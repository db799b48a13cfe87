"""Sizes that depend on the data, when they are not given."""

import math

from gatewise.data.times import Frequency

_MOST_STEPS = 32
_DAY = 24 * 3_600_000_000


def default_horizon(frequency: Frequency) -> int:
    """One day for steps below a day (at most 96 steps), a week for days, else a year.

    Weeks get a quarter, years five of them.
    """
    if frequency.months:
        return max(12 // frequency.months, 1) if frequency.months < 12 else 5
    if frequency.microseconds < _DAY:
        return min(max(_DAY // frequency.microseconds, 1), 96)
    return 7 if frequency.microseconds < 7 * _DAY else 13


def default_lookback(frequency: Frequency, horizon: int) -> int:
    """A week for steps below a day (at most 336 steps), four weeks of days, else two years.

    Never less than the horizon.
    """
    if frequency.months:
        natural = max(24 // frequency.months, 8)
    elif frequency.microseconds < _DAY:
        natural = min(7 * _DAY // frequency.microseconds, 336)
    else:
        natural = 28 if frequency.microseconds < 7 * _DAY else 104
    return max(natural, horizon)


def default_segment(lookback: int) -> int:
    """Read so many time steps at once that the recurrence takes at most 32 steps."""
    return -(-lookback // _MOST_STEPS)


def default_batch(examples: int, most: int = 128) -> int:
    """A twelfth of the examples, as a power of two from 8 to ``most``."""
    nearest = 2 ** round(math.log2(max(examples / 12, 1)))
    return min(max(nearest, 8), most)


def default_jitter(examples: int) -> float:
    """Noise on standardised inputs: 5 / √examples, from 0.1 to 0.3; the fewer, the more."""
    return min(max(5 / math.sqrt(examples), 0.1), 0.3)


def default_steps(examples: int, batch_size: int, epochs: int) -> int:
    """1,000 optimiser steps, and at least so many epochs."""
    return max(1_000, epochs * math.ceil(examples / batch_size))
