"""How long something lasts, in words."""

import math

_UNITS = (
    ("year", 365.25 * 86_400),
    ("week", 7 * 86_400),
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


def duration(seconds: float) -> str:
    """Say a time span in the largest unit that it reaches: ``"1.5 days"``.

    >>> duration(129_600)
    '1.5 days'
    """
    if math.isinf(seconds):
        return "for ever"
    name, length = next((unit for unit in _UNITS if seconds >= unit[1]), _UNITS[-1])
    return counted(seconds / length, name)


def counted(amount: float, thing: str) -> str:
    """Say how many of a thing, with the plural that English asks for: ``"17 units"``.

    >>> counted(1, "step"), counted(2.345, "step")
    ('1 step', '2.3 steps')
    """
    if math.isinf(amount):
        return f"all {thing}s"
    text = f"{amount:,.0f}" if amount >= 10 or amount == int(amount) else f"{amount:.2g}"
    return f"{text} {thing}" + ("" if text == "1" else "s")


def round_spans(shortest: float, longest: float) -> list[tuple[str, float]]:
    """Give the whole units of time between two numbers of seconds, the longest first."""
    return [(f"a{'n' if n == 'hour' else ''} {n}", s) for n, s in _UNITS if shortest < s <= longest]
