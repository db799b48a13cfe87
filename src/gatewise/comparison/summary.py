"""A result as rows of words, for the terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def headers(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the columns of ``rows``; the interval is that of the metric which decides."""
    interval = f"{result['metrics'][result['metric']]} interval"
    return ("model", *result["metrics"].values(), interval, "parameters", "size", "train", "step")


def rows(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Give one row for each cell and baseline, the smallest error first in each kind.

    ``train`` is the time of the whole budget of optimiser steps, ``step`` of one step of the
    recurrent layer; the best baseline, chosen on validation, bears a star.
    """
    metric = result["metric"]

    def by_error(model: Mapping[str, Any]) -> float:
        return float(model[metric]["mean"])

    cells = sorted(result["cells"], key=by_error)
    baselines = sorted(result["baselines"], key=by_error)
    return [_row(model, result["metrics"], metric) for model in (*cells, *baselines)]


def remarks(result: Mapping[str, Any]) -> list[str]:
    """Give the lines that belong under the table: luck between seeds, and how times were taken."""
    cells, setup = result["cells"], result["setup"]
    spreads = [
        f"{cell['name'].upper()} {digits(cell['seed_spread'])}"
        for cell in cells
        if cell["seed_spread"] is not None
    ]
    threads = "1 thread" if setup["threads"] == 1 else f"{setup['threads']} threads"
    times = (
        f"times: {setup['steps']} optimiser steps, one step of the layer; one process, "
        f"{threads}, backend {setup['backend']}"
    )
    luck = f"{result['metrics'][result['metric']]} spread between seeds: {', '.join(spreads)}"
    return [luck, times] if spreads else [times]


def as_text(result: Mapping[str, Any]) -> str:
    """Lay out the table in plain text, with the verdict below."""
    table = [headers(result), *rows(result)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    first, *rest = (_line(row, widths) for row in table)
    verdict = result["verdict"]
    words = ["", *remarks(result), "", verdict["sentence"], verdict["practical"]]
    return "\n".join([first, "-" * len(first), *rest, *words])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _row(model: Mapping[str, Any], metrics: Iterable[str], metric: str) -> tuple[str, ...]:
    interval = model[metric]
    errors = [number(model[name]) for name in metrics]
    known = interval["low"] is not None
    between = f"{digits(interval['low'])} … {digits(interval['high'])}" if known else "–"
    if "label" in model:
        star = " *" if model["best"] else ""
        return (model["label"] + star, *errors, between, *["–"] * 4)
    return (
        f"{model['name'].upper()} ({model['hidden']} units)",
        *errors,
        between,
        f"{model['parameters']:,}",
        f"{model['size_bytes'] / 1000:,.0f} kB",
        f"{model['train_seconds']:.1f} s",
        f"{model['step_microseconds']:.0f} µs",
    )


def number(summary: Mapping[str, Any] | None) -> str:
    """Show a mean error, or a dash where it could not be measured."""
    return "–" if summary is None else digits(summary["mean"])


def digits(value: float) -> str:
    """Show a number with four significant digits, without an exponent where one can do without."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
