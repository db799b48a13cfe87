"""The report of a run: one HTML file that opens offline, made from the run's files only."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup
from polars import selectors

from gatewise.files import write_atomic
from gatewise.report.figures import horizon_figure, window_figure
from gatewise.report.rendering import embedded, render

RESULT_FORMAT = 1

WINDOW = ["fold", "series", "origin"]
"""What tells one forecast window from all others."""

MOST_LABELS = 20
"""A table of confusions shows so many labels, the commonest, and counts the others together."""

MEANINGS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "mase": "the MAE divided by that of a naive forecast on the training part",
    "error": "share of wrong labels",
    "log_loss": "mean negative logarithm of the true label's probability",
    "nats": "mean negative logarithm of the true character's probability",
}
"""What each error is."""

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
    task, folds, take = result["task"], result["setup"]["folds"], result["verdict"]["take"]
    shown: dict[str, Any] = {}
    if task == "forecast":
        shown = forecast_parts(result, read_predictions(run_dir, _labels(result), folds))
    elif task in ("classify", "tag"):
        shown["confusion"] = confusion_table(read_predictions(run_dir, [take], folds))
    path = run_dir / "report.html"
    write_atomic(path, render_page(result, **shown))
    return path


def render_page(
    result: Mapping[str, Any],
    *,
    windows: Sequence[Mapping[str, Any]] = (),
    horizon: Markup | None = None,
    confusion: Mapping[str, Any] | None = None,
) -> str:
    """The report as one HTML document that loads nothing.

    Args:
        result: the content of ``result.json``.
        windows, horizon: what :func:`forecast_parts` gives, for forecasts.
        confusion: what :func:`confusion_table` gives, for labels.
    """
    return render(
        "report.html.j2",
        result=result,
        labels=_labels(result),
        meanings=MEANINGS,
        setup_facts=SETUP_FACTS,
        sample=result.get("sample"),
        windows=windows,
        horizon=horizon,
        confusion=confusion,
    )


def forecast_parts(result: Mapping[str, Any], forecasts: pl.DataFrame) -> dict[str, Any]:
    """The plots of a page on forecasts, as ``render_page`` takes them.

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
    figure = horizon_figure(result["by_horizon"], labels, error)
    return {"windows": windows, "horizon": embedded(figure)}


def confusion_table(predictions: pl.DataFrame) -> dict[str, Any]:
    """How often each label was predicted for each true one; the rarest labels counted together.

    Args:
        predictions: columns truth and predicted.

    Returns:
        ``labels``, the ``counts`` of each predicted label (columns) for each true one (rows), and
        whether there are ``others`` counted together in the last of them.
    """
    frame = predictions.select(pl.col("truth", "predicted").cast(pl.String))
    found = pl.concat([frame["truth"], frame["predicted"].rename("truth")]).drop_nulls()
    common = found.value_counts(sort=True)["truth"].head(MOST_LABELS).sort().to_list()
    others = found.n_unique() > len(common)
    labels = [*common, "other"] if others else common
    place = {name: index for index, name in enumerate(common)}
    counts = [[0] * len(labels) for _ in labels]
    for truth, predicted in frame.iter_rows():
        counts[place.get(truth, len(common))][place.get(predicted, len(common))] += 1
    return {"labels": labels, "counts": counts, "others": others}


def read_predictions(run_dir: Path, models: Iterable[str], folds: int) -> pl.DataFrame:
    """What some models predicted in every fold, of the smallest seed there is.

    Returns:
        Columns model, fold and those of the trials' ``predictions.parquet``; null is not known.

    Raises:
        FileNotFoundError: a model has no trial in some fold, or a trial has no predictions.
    """
    parts = [
        pl.read_parquet(_predictions_file(run_dir / "trials", name, fold)).select(
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


def _predictions_file(trials: Path, name: str, fold: int) -> Path:
    """The predictions of the trial with the smallest seed."""
    prefix = f"{name}-f{fold}-s"
    seeds = [int(path.name.removeprefix(prefix)) for path in trials.glob(f"{prefix}[0-9]*")]
    path = trials / f"{prefix}{min(seeds, default=0)}" / "predictions.parquet"
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no {path}: the folder is incomplete; "
            "run the same comparison again and it is completed"
        )
    return path
