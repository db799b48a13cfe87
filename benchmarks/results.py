"""The results' file, and the figures that come out of it.

A file holds machine, versions, command, threads, rounds, restarts, ``peak`` by threads, and rows:
part, cell, mode, shape (T, B, I, H), threads, case, batch, operations, and per contender
``seconds`` (one median a restart) or the ``reason`` why there are none; ``is_plain`` marks one that
ran another function, ``awake`` is the most processor time used between two turns.
"""

import json
import os
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

Row = dict[str, Any]


def save(path: Path, result: dict[str, Any]) -> None:
    """Write the results, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp-write")
    beside.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(beside, path)


def seconds(row: Row, label: str) -> float | None:
    """Give the median over the restarts, or None where there is none."""
    entry = row["entries"].get(label, {})
    return None if "reason" in entry or not entry.get("seconds") else median(entry["seconds"])


def ratio(row: Row, label: str, other: str = "ours") -> float | None:
    """Say how many times as long as ``other`` the contender takes."""
    one, two = seconds(row, label), seconds(row, other)
    return None if one is None or two is None else one / two


def ratio_range(row: Row, label: str, other: str = "ours") -> tuple[float, float]:
    """Give the least and the largest ratio of one restart."""
    pairs = zip(row["entries"][label]["seconds"], row["entries"][other]["seconds"], strict=False)
    ratios = [one / two for one, two in pairs]
    return min(ratios), max(ratios)


def peers(row: Row) -> list[str]:
    """Name the contenders that did the same work as ours and were timed."""
    entries = row["entries"].items()
    names = [label for label, entry in entries if label != "ours" and not entry.get("is_plain")]
    return [name for name in names if seconds(row, name) is not None]


def best_peer(row: Row) -> str | None:
    """Name the fastest of the peers."""
    return min(peers(row), key=lambda name: seconds(row, name) or 0.0, default=None)


def peak(result: dict[str, Any], threads: int) -> float | None:
    """Give the median of the measured peaks, in GFLOP/s."""
    measured = result["peak"].get(str(threads), {}).get("gflops")
    return median(measured) if measured else None


def mean_ratio(rows: list[Row], label: str | None = None) -> float | None:
    """Give the geometric mean of the ratios to one contender, or to each row's best peer."""
    ratios = [ratio(row, label or best_peer(row) or "") for row in rows]
    known = [r for r in ratios if r is not None]
    return geometric_mean(known) if known else None


def losses(rows: list[Row]) -> list[tuple[Row, str]]:
    """Give row and peer wherever a peer is faster than ours."""
    pairs = [(row, name) for row in rows for name in peers(row)]
    return [(row, name) for row, name in pairs if (ratio(row, name) or 1) < 1]


def gaps(rows: list[Row]) -> list[tuple[Row, str, str]]:
    """Give row, contender and reason wherever a contender was not timed."""
    return [
        (row, label, entry["reason"])
        for row in rows
        for label, entry in row["entries"].items()
        if "reason" in entry
    ]
