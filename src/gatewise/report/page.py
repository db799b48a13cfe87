"""The report of a run: one HTML file that opens offline, made from the run's files only."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from polars import selectors

from gatewise.files import write_atomic
from gatewise.report.figures import horizon_figure, window_figure

RESULT_FORMAT = 1

WINDOW = ["fold", "series", "origin"]
"""What tells one forecast window from all others."""

SETUP_FACTS = {
    "search": "Learning rates searched",
    "device": "Device",
    "threads": "Threads, of each trial and of the times",
}
"""Entries of ``setup`` that are shown when they are there, and their titles."""


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into a run folder, from its ``result.json`` and its forecasts.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: the run is not finished, or files of it are missing.
        ValueError: ``result.json`` is damaged or of a newer format.
    """
    run_dir = Path(run_dir)
    result = _read_result(run_dir / "result.json")
    forecasts = read_forecasts(run_dir, _labels(result), result["setup"]["folds"])
    path = run_dir / "report.html"
    write_atomic(path, render_page(result, forecasts))
    return path


def render_page(result: Mapping[str, Any], forecasts: pl.DataFrame) -> str:
    """The report as one HTML document that loads nothing.

    Args:
        result: the content of ``result.json``.
        forecasts: one seed of every cell and of the best baseline: columns model, fold, series,
            origin, step, time, truth, forecast.
    """
    labels = _labels(result)
    error = "mean absolute scaled error" if result["metric"] == "mase" else "mean absolute error"
    chosen = choose_windows(forecasts, result["verdict"]["take"])
    windows = [
        {
            "kind": kind,
            "fold": rows["fold"][0],
            "series": rows["series"][0],
            "origin": rows["origin"][0],
            "mae": mae,
            "figure": embedded(window_figure(rows, labels, result["data"]["target"])),
        }
        for kind, rows, mae in chosen
    ]
    environment = Environment(
        loader=PackageLoader("gatewise.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "size": size}
    return environment.get_template("report.html.j2").render(
        result=result,
        labels=labels,
        setup_facts=SETUP_FACTS,
        windows=windows,
        horizon=embedded(horizon_figure(result["by_horizon"], labels, error)),
        plotly=Markup(get_plotlyjs()),
    )


def read_forecasts(run_dir: Path, models: Iterable[str], folds: int) -> pl.DataFrame:
    """The forecasts of some models in every fold, of the smallest seed there is.

    Returns:
        Columns model, fold, series, origin, step, time, truth, forecast; null is not known.

    Raises:
        FileNotFoundError: a model has no trial in some fold, or a trial has no forecasts.
    """
    parts = [
        pl.read_parquet(_forecasts_file(run_dir / "trials", name, fold)).select(
            pl.lit(name).alias("model"), pl.lit(fold).alias("fold"), pl.all()
        )
        for name in models
        for fold in range(folds)
    ]
    return pl.concat(parts).with_columns(selectors.float().fill_nan(None))


def choose_windows(forecasts: pl.DataFrame, model: str) -> list[tuple[str, pl.DataFrame, float]]:
    """The windows where a model's mean absolute error is smallest, in the middle and largest.

    Windows without any known truth are no candidates. Of an even number the lower middle is
    taken; ties go to the earlier fold, series and origin. With fewer than three windows none is
    shown twice.

    Args:
        forecasts: as ``read_forecasts`` gives them.
        model: the model whose error ranks the windows.

    Returns:
        For each window its kind ("best", "median", "worst"), its rows of all models sorted by
        time, and the model's error.
    """
    errors = (
        forecasts.filter(pl.col("model") == model)
        .group_by(WINDOW)
        .agg((pl.col("forecast") - pl.col("truth")).abs().mean().alias("error"))
        .filter(pl.col("error").is_finite())
        .sort("error", *WINDOW)
    )
    if errors.is_empty():
        return []
    # Later entries win: of two windows none is the median, and a single one is the best.
    last = len(errors) - 1
    kinds = {last // 2: "median", last: "worst", 0: "best"}
    return [
        (
            kind,
            forecasts.join(errors[[place]], on=WINDOW, how="semi").sort("time"),
            errors["error"][place],
        )
        for place, kind in sorted(kinds.items())
    ]


def number(value: float | None) -> str:
    """Four digits, all of a whole number, thousands apart; "–" for what is not known."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def percent(share: float | None) -> str:
    """A share as a signed percentage with two decimals."""
    return "–" if share is None else f"{100 * share:+.2f} %"


def size(count: int | None) -> str:
    """Bytes in the unit that reads best."""
    if count is None:
        return "–"
    if count < 1000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def embedded(figure: Any) -> Markup:
    """A figure as JSON that can stand inside a script element: Plotly writes ``<`` as an escape."""
    return Markup(figure.to_json())


def _labels(result: Mapping[str, Any]) -> dict[str, str]:
    """How the cells and the best baseline are shown, by name."""
    labels = {cell["name"]: cell["name"].upper() for cell in result["cells"]}
    best = (baseline for baseline in result["baselines"] if baseline["best"])
    return labels | {baseline["name"]: baseline["label"] for baseline in best}


def _read_result(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: the comparison is not finished, or this is not its folder; "
            "run the same comparison again and it goes on where it was"
        )
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        written = result["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{path} is not the result of a comparison: {error!r}") from error
    if written != RESULT_FORMAT:
        raise ValueError(
            f"{path} has format {written}, this version reads {RESULT_FORMAT}: "
            "upgrade gatewise, or run the comparison again"
        )
    return dict(result)


def _forecasts_file(trials: Path, name: str, fold: int) -> Path:
    """The forecasts of the trial with the smallest seed."""
    prefix = f"{name}-f{fold}-s"
    seeds = [int(path.name.removeprefix(prefix)) for path in trials.glob(f"{prefix}[0-9]*")]
    path = trials / f"{prefix}{min(seeds, default=0)}" / "forecasts.parquet"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: the folder is incomplete; "
            "run the same comparison again and it is completed"
        )
    return path
