"""A result as rows of words: for the terminal, the notebook and wherever a table is shown."""

from collections.abc import Mapping, Sequence
from typing import Any


def headers(result: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the columns of ``rows``; the interval is that of the metric which decides."""
    interval = f"{result['metric'].upper()} interval"
    return ("model", "MAE", "RMSE", "MASE", interval, "units", "parameters", "train", "step")


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
    return [_row(model, metric) for model in (*cells, *baselines)]


def as_text(result: Mapping[str, Any]) -> str:
    """Lay out the table in plain text, with the verdict below."""
    table = [headers(result), *rows(result)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = [_line(row, widths) for row in table]
    words = (result["verdict"]["sentence"], result["verdict"]["practical"])
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:], "", *words])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = (
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *rest]).rstrip()


def _row(model: Mapping[str, Any], metric: str) -> tuple[str, ...]:
    interval = model[metric]
    known = interval["low"] is not None
    name = model["label"] if "label" in model else model["name"].upper()
    return (
        name + (" *" if model.get("best") else ""),
        number(model["mae"]),
        number(model["rmse"]),
        number(model["mase"]),
        f"{digits(interval['low'])} … {digits(interval['high'])}" if known else "–",
        str(model.get("hidden", "–")),
        f"{model['parameters']:,}" if "parameters" in model else "–",
        f"{model['train_seconds']:.1f} s" if model.get("train_seconds") else "–",
        f"{model['step_microseconds']:.0f} µs" if "step_microseconds" in model else "–",
    )


def number(summary: Mapping[str, Any] | None) -> str:
    """Show a mean error, or a dash where it could not be measured."""
    return "–" if summary is None else digits(summary["mean"])


def digits(value: float) -> str:
    """Show a number with four significant digits, without an exponent where one can do without."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
