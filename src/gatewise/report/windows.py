"""Which forecast windows are shown, and how many truths lie inside the forecasts' bands."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from gatewise.report.figures import short

WINDOW = ["fold", "series", "origin"]
"""What tells one forecast window from all others."""


@dataclass(frozen=True)
class Window:
    """A window that is shown.

    Attributes:
        kind: "best", "median" or "worst".
        rows: of all models, sorted by time.
        error: the mean absolute error of the model that ranks the windows.
    """

    kind: str
    rows: pl.DataFrame
    error: float

    def place(self, longest: int | None = None) -> str:
        """Say where it stands; a series' name is cut if it has more than ``longest`` characters."""
        series, origin, fold = (self.rows[name][0] for name in ("series", "origin", "fold"))
        name = series if longest is None else short(series, longest)
        of = f"Series {name}, f" if series else "F"
        return f"{of}orecast made at {origin}, fold {fold}"


@dataclass(frozen=True)
class Coverage:
    """How many known truths lie inside a model's bands, and how wide these are in the mean."""

    inside: int
    truths: int
    width: float

    @property
    def share(self) -> float:
        """The share of the truths inside."""
        return self.inside / self.truths


def choose_windows(forecasts: pl.DataFrame, model: str) -> list[Window]:
    """The windows where a model's mean absolute error is smallest, in the middle and largest.

    Windows without any known truth are no candidates. Of an even number the lower middle is
    taken; ties go to the earlier fold, series and origin. With fewer than three windows none is
    shown twice.

    Args:
        forecasts: as ``Run.predictions`` gives them.
        model: the model whose error ranks the windows.
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
        Window(
            kind,
            forecasts.join(errors[[place]], on=WINDOW, how="semi").sort("time"),
            errors["error"][place],
        )
        for place, kind in sorted(kinds.items())
    ]


def have_bands(forecasts: pl.DataFrame) -> bool:
    """Whether each forecast has a band (those of earlier versions have none)."""
    names = {"low", "high"}
    return names <= set(forecasts.columns) and not forecasts.select(
        pl.col(*sorted(names)).is_null().any()
    ).row(0).count(True)


def coverage(forecasts: pl.DataFrame, models: Iterable[str]) -> dict[str, Coverage]:
    """Count for each model the known truths that lie inside its bands, their ends included.

    Args:
        forecasts: as ``Run.predictions`` gives them, with ``low`` and ``high``.
        models: their names; one without any known truth is left out.
    """
    known = forecasts.filter(pl.col("truth").is_not_null())
    found = {}
    for model in models:
        rows = known.filter(pl.col("model") == model)
        if len(rows):
            inside = rows["truth"].is_between(rows["low"], rows["high"]).sum()
            width = float((rows["high"] - rows["low"]).to_numpy().mean())
            found[model] = Coverage(int(inside), len(rows), width)
    return found
