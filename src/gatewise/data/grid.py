"""Rows put on a regular grid of times: sorted, without duplicates, gaps made visible."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from gatewise.data.columns import DUPLICATE_SHARE
from gatewise.data.tables import Table
from gatewise.data.times import DAY, Frequency, format_time, month_lengths

WHOLE_STEPS = 0.9
"""At least this share of the steps must be whole multiples of the modal one."""
MOST_INSERTED = 10
"""A grid may hold this many times more steps than rows, and 10,000 in any case."""


_BLOCK = 1 << 16
_MONTH = np.timedelta64(28 * DAY, "us")


@dataclass(frozen=True)
class Grid:
    """Where each row stands on its series' regular times.

    Attributes:
        frequency: the common step.
        times: per series (T_n,) datetime64[us], regular.
        codes: the number of each series, as given, in order (S,).
        rows: rows of the table that are kept (K,), or a slice of all of them.
        cells: where each stands when the series follow one another (K,), or a slice of all.
        notes: what was sorted, dropped and inserted, one line each.
    """

    frequency: Frequency
    times: list[np.ndarray]
    codes: np.ndarray
    rows: np.ndarray | slice
    cells: np.ndarray | slice
    notes: list[str]

    @property
    def offsets(self) -> np.ndarray:
        """Where each series starts in the flat arrays, and their length at the end (S + 1,)."""
        return np.cumsum([0, *map(len, self.times)])


def make_grid(
    table: Table,
    times: np.ndarray,
    codes: np.ndarray,
    keep: np.ndarray,
    names: list[str],
    frequency: Frequency | None = None,
) -> Grid:
    """Puts the rows on the grid of their series.

    Args:
        table: for messages.
        times: (N,) datetime64[us].
        codes: the number of each row's series (N,).
        keep: rows to use (N,) bool.
        names: of the series by number, for messages.
        frequency: the step; None to find it.

    Raises:
        DataError: times that repeat, mixed frequencies, no regular step.
    """
    order = np.flatnonzero(keep)
    order = order[np.argsort(codes[order], kind="stable")]
    order, notes = _sort(table, order, times, codes)
    order, duplicates = _drop_duplicates(table, order, times, codes)
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    pieces = np.split(order, starts[1:])
    found = frequency or find_frequency(table, [times[p] for p in pieces], codes[order], names)
    places = [_place(found, times[piece]) for piece in pieces]
    lengths = [int(index.max()) + 1 for _, index in places]
    offsets = np.cumsum([0, *lengths])
    index = np.concatenate([index for _, index in places])
    lost = order[index < 0]
    _check_off_grid(table, lost, len(order), times, found)
    _check_size(table, int(offsets[-1]), order, times, codes, found)
    cells = index + np.repeat(offsets[:-1], [len(piece) for piece in pieces])
    grid = Grid(
        frequency=found,
        times=[
            found.range(start, steps) for (start, _), steps in zip(places, lengths, strict=True)
        ],
        codes=codes[order[starts]],
        rows=order[index >= 0],
        cells=cells[index >= 0],
        notes=notes + duplicates,
    )
    grid.notes.extend(_off_grid_notes(table, lost, times, found) + _gap_notes(grid, names))
    return grid


def even_grid(times: np.ndarray, frequency: Frequency | None) -> Grid | None:
    """The grid of one series whose rows stand on it already, one for each step, in order.

    It needs no memory: its times are those given. None where the rows are not like that.
    """
    if len(times) < 2:
        return None
    step = times[1] - times[0]
    if not np.timedelta64(0, "us") < step < _MONTH:
        return None
    found = frequency or Frequency(microseconds=int(step.astype(np.int64)))
    wanted = np.timedelta64(found.microseconds, "us")
    if found.months or step != wanted:
        return None
    for first in range(0, len(times) - 1, _BLOCK):
        block = times[first : first + _BLOCK + 1]
        if not (block[1:] - block[:-1] == step).all():
            return None
    everything = slice(None)
    return Grid(found, [times], np.zeros(1, dtype=np.int64), everything, everything, [])


def find_frequency(
    table: Table, times: list[np.ndarray], codes: np.ndarray, names: list[str]
) -> Frequency:
    """The modal step of sorted times (T_n,) per series; calendar months where they fit.

    Raises:
        DataError: less than 90 % of the steps are whole multiples of it, or a series has its own.
    """
    steps = np.concatenate([np.diff(t).astype(np.int64) for t in times])
    if not len(steps):
        raise table.error("no two rows of one series, so no step between rows can be found")
    found = _modal(steps, times)
    own = [(n, _own_frequency(t)) for n, t in enumerate(times) if len(t) > 3 and len(times) > 1]
    numbers = np.unique(codes)
    other = next(((n, f) for n, f in own if f is not None and not _alike(f, found)), None)
    same = next((n for n, f in own if f is not None and _alike(f, found)), None)
    if other is not None and same is not None:
        raise table.error(
            f"mixed frequencies: series {names[numbers[same]]!r} has a row every {found}, series "
            f"{names[numbers[other[0]]]!r} every {other[1]}; use one file per frequency"
        )
    if not _fits(found, times):
        raise table.error(
            f"no regular step: less than 90 % of the steps are whole multiples of {found}. The "
            f"commonest are {_commonest(steps)}; {_way_out(found)}"
        )
    return found


def _modal(steps: np.ndarray, times: list[np.ndarray]) -> Frequency:
    """The commonest step: as months where it is that long and the days of the month agree."""
    sizes, counts = np.unique(steps, return_counts=True)
    step = int(sizes[np.argmax(counts)])
    if np.median(steps) >= 28 * DAY:
        flat = np.concatenate(times)
        months = [np.diff(t.astype("datetime64[M]").astype(np.int64)) for t in times]
        sizes, counts = np.unique(np.concatenate(months), return_counts=True)
        modal = int(sizes[np.argmax(counts)])
        month_end = _month_ends(flat)
        if modal > 0 and _fits(Frequency(months=modal, month_end=month_end), times):
            return Frequency(months=modal, month_end=month_end)
    return Frequency(microseconds=step)


def _month_ends(times: np.ndarray) -> bool:
    """Whether nearly all times are last days of months, of different lengths."""
    months = times.astype("datetime64[M]")
    days = (times.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    last = days == month_lengths(months) - 1
    return bool(last.mean() >= WHOLE_STEPS and len(np.unique(days[last])) > 1)


def _fits(frequency: Frequency, times: list[np.ndarray]) -> bool:
    """Whether at least 90 % of the steps are whole multiples of the frequency."""
    whole = total = 0
    for series in times:
        phases = frequency.phase(series)
        whole += int((phases[1:] == phases[:-1]).sum())
        total += len(series) - 1
    return whole >= WHOLE_STEPS * total


def _own_frequency(times: np.ndarray) -> Frequency | None:
    """The frequency of one series alone; None where it has no regular one."""
    frequency = _modal(np.diff(times).astype(np.int64), [times])
    return frequency if _fits(frequency, [times]) else None


def _alike(a: Frequency, b: Frequency) -> bool:
    """Equal but for month ends: 31 July and 31 August alone do not tell whether they are meant."""
    return (a.months, a.microseconds) == (b.months, b.microseconds)


def _way_out(step: Frequency) -> str:
    return (
        f"bring the rows to one step first, or say resample='{step}' (--resample '{step}') for the "
        "mean of each step"
    )


def _commonest(steps: np.ndarray) -> str:
    total = len(steps)
    told = [
        f"{Frequency(microseconds=int(step))} ({count / total:.0%})"
        for step, count in Counter(steps.tolist()).most_common(3)
    ]
    return ", ".join(told)


def _sort(
    table: Table, order: np.ndarray, times: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Rows by series and time; rows of one time keep the file's order."""
    falls = (times[order][1:] < times[order][:-1]) & (codes[order][1:] == codes[order][:-1])
    if not falls.any():
        return order, []
    first = int(order[1:][falls].min())
    note = f"rows not in order of time: sorted (first out of order: row {table.row(first):,})"
    return order[np.lexsort((times[order], codes[order]))], [note]


def _drop_duplicates(
    table: Table, order: np.ndarray, times: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """One row a time: of several the last in the file."""
    repeats = (times[order][1:] == times[order][:-1]) & (codes[order][1:] == codes[order][:-1])
    if not repeats.any():
        return order, []
    earlier, later = order[:-1][repeats], order[1:][repeats]
    plain = [c for c in table.frame.columns if not table.frame[c].dtype.is_nested()]
    frame = table.frame.select(plain)
    same = np.all(
        [frame[c].gather(earlier).eq_missing(frame[c].gather(later)).to_numpy() for c in plain],
        axis=0,
    )
    differing = int((~same).sum())
    if differing > max(1, int(DUPLICATE_SHARE * len(order))):
        a, b = int(earlier[~same][0]), int(later[~same][0])
        raise table.error(
            f"{differing:,} rows repeat the time of another row of the same series with other "
            f"values (first: row {table.row(a):,} and row {table.row(b):,}, "
            f"{format_time(times[b])}); name the column that tells series apart with series "
            "(--series), or remove the duplicates"
        )
    notes = []
    for rows, what in (
        (later[same], "and the same values dropped"),
        (later[~same], "but other values: the last one kept"),
    ):
        if len(rows):
            first = int(rows.min())
            notes.append(
                f"{_rows(len(rows))} with the time of another row {what} (first: row "
                f"{table.row(first):,}, {format_time(times[first])})"
            )
    return order[np.append(~repeats, True)], notes


def _place(frequency: Frequency, times: np.ndarray) -> tuple[np.datetime64, np.ndarray]:
    """The grid's start, and the step of each time on it (−1 off it), for one sorted series."""
    phases = frequency.phase(times)
    values, counts = np.unique(phases, return_counts=True)
    start = times[np.argmax(phases == values[np.argmax(counts)])]
    return start, frequency.index(start, times)


def _check_off_grid(
    table: Table, lost: np.ndarray, total: int, times: np.ndarray, frequency: Frequency
) -> None:
    if len(lost) > (1 - WHOLE_STEPS) * total:
        first = int(lost.min())
        raise table.error(
            f"{len(lost):,} of {total:,} rows are off a grid of {frequency} (first: "
            f"{format_time(times[first])}); {_way_out(frequency)}",
            index=first,
        )


def _check_size(
    table: Table,
    steps: int,
    order: np.ndarray,
    times: np.ndarray,
    codes: np.ndarray,
    frequency: Frequency,
) -> None:
    """Refuses a grid that a wrong date has made huge."""
    if steps <= max(10_000, MOST_INSERTED * len(order)):
        return
    gaps = np.diff(times[order]).astype(np.int64) * (np.diff(codes[order]) == 0)
    widest = int(np.argmax(gaps))
    before, after = times[order[widest]], times[order[widest + 1]]
    raise table.error(
        f"a row every {frequency} makes {steps:,} steps out of {len(order):,} rows; the widest gap "
        f"is from {format_time(before)} to {format_time(after)}: is one of the dates wrong?",
        index=int(order[widest + 1]),
    )


def _off_grid_notes(
    table: Table, lost: np.ndarray, times: np.ndarray, frequency: Frequency
) -> list[str]:
    if not len(lost):
        return []
    first = int(lost.min())
    return [
        f"{_rows(len(lost))} off the grid of {frequency} left out (first: row "
        f"{table.row(first):,}, {format_time(times[first])})"
    ]


def _gap_notes(grid: Grid, names: list[str]) -> list[str]:
    """How many steps had no row, and the first."""
    flat = np.ones(grid.offsets[-1], dtype=bool)
    flat[grid.cells] = False
    if not flat.any():
        return []
    first = int(np.argmax(flat))
    series = int(np.searchsorted(grid.offsets, first, side="right")) - 1
    time = format_time(grid.times[series][first - grid.offsets[series]])
    where = f" of series {names[grid.codes[series]]!r}" if len(grid.times) > 1 else ""
    count = int(flat.sum())
    steps = "1 missing step" if count == 1 else f"{count:,} missing steps"
    return [f"{steps} inserted as missing values (first: {time}{where})"]


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
