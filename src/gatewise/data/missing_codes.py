"""Values that look like a code for a missing one: said, never taken."""

from collections.abc import Iterable

import numpy as np

from gatewise.data.counting import counted

FEWEST = 3
"""So many times a value must stand to be suspected."""


def suggest_codes(columns: Iterable[tuple[str, np.ndarray]]) -> list[str]:
    """Notes on values that stand often, and far outside the others, in columns of numbers (N,).

    Far is further from the nearest other value than all others lie apart; or, where no other value
    is below zero, a negative one, a tenth of it away.
    """
    found: dict[float, list[tuple[str, int]]] = {}
    for name, values in columns:
        code = _code(values)
        if code is not None:
            found.setdefault(code, []).append((name, int((values == code).sum())))
    notes = []
    for code, places in found.items():
        name, count = places[0]
        others = f" (and in {counted(len(places) - 1, 'column')} more)" if len(places) > 1 else ""
        notes.append(
            f"column {name!r}: {code:g} stands {count:,} times and lies far outside the "
            f"rest{others}: if it means missing, say missing={code:g} (--missing {code:g})"
        )
    return notes


def _code(values: np.ndarray) -> float | None:
    if values.dtype == object:
        return None
    missing = np.isnan(values)
    known = values[~missing] if missing.any() else values
    if len(known) < 2 * FEWEST:
        return None
    for extreme, sign in ((known.min(), 1), (known.max(), -1)):
        others = known != extreme
        count = int(others.sum())
        if extreme == 0 or count == 0 or len(known) - count < FEWEST:
            continue
        if extreme != np.round(extreme, 1):  # before the copy below
            continue
        rest = known[others]
        gap = sign * ((rest.min() if sign > 0 else rest.max()) - extreme)
        spread = rest.max() - rest.min()
        negative = extreme < 0 <= rest.min() and gap > spread / 10
        if spread > 0 and (gap > spread or negative):
            return float(extreme)
    return None
