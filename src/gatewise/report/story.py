"""What the report of a run tells, whatever its form: made from the run's files alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from gatewise.report import tables
from gatewise.report.breakdowns import (
    Breakdown,
    Confusion,
    break_down,
    count_confusions,
    not_kept,
)
from gatewise.report.run_files import Run
from gatewise.report.windows import Coverage, Window, choose_windows, coverage, have_bands


@dataclass(frozen=True)
class Story:
    """A run's report, before it is laid out.

    Attributes:
        run: the files.
        histories: how the cells' trainings went; no rows where that is not known.
        windows: forecasts that are shown.
        band: the share of truths that the forecasts' bands ask for; None where there are none.
        coverage: what the bands came to, by model.
        confusion: what was taken for what.
        scatter: predicted and true numbers of the cell to take.
        breakdowns: errors in groups.
        missing: a sentence for each part that cannot be shown.
    """

    run: Run
    histories: pl.DataFrame
    windows: Sequence[Window] = ()
    band: float | None = None
    coverage: Mapping[str, Coverage] = field(default_factory=dict)
    confusion: Confusion | None = None
    scatter: pl.DataFrame | None = None
    breakdowns: Sequence[Breakdown] = ()
    missing: Sequence[str] = ()

    @property
    def result(self) -> dict[str, Any]:
        """The content of ``result.json``."""
        return self.run.result

    @property
    def confidence(self) -> str:
        """Of all intervals, in percent."""
        return f"{100 * (1 - self.result['verdict']['alpha']):g}"

    @property
    def metric(self) -> str:
        """How the error that decides is shown."""
        return str(self.result["metrics"][self.result["metric"]])

    @property
    def taken(self) -> str:
        """How the cell to take is shown."""
        return self.run.labels[self.run.take]

    @property
    def pairs(self) -> list[list[tuple[str, Mapping[str, Any], list[float]]]]:
        """The tests between cells, and those against the baseline: words, test, each fold."""
        cells = {cell["name"] for cell in self.result["cells"]}
        found: list[list[Any]] = [[], []]
        for test in self.result["tests"]:
            row = (
                tables.pair_words(self.run, test),
                test,
                tables.fold_differences(self.run, test),
            )
            found[0 if {test["a"], test["b"]} <= cells else 1].append(row)
        return found


def tell(run: Run) -> Story:
    """Gather what there is to tell of a run.

    Raises:
        FileNotFoundError: files of the run are missing.
    """
    histories = run.histories()
    missing = [] if len(histories) else ["Learning curves: the trials kept no histories."]
    task = run.result["task"]
    if task == "forecast":
        return _tell_forecasts(run, histories, missing)
    if task == "text" and not run.have_predictions():
        missing.append(not_kept("Error by kind of character"))
        return Story(run, histories, missing=missing)
    predictions = run.predictions(run.labels)
    breakdowns, more = break_down(task, predictions, list(run.labels))
    of_taken = predictions.filter(pl.col("model") == run.take)
    return Story(
        run,
        histories,
        confusion=count_confusions(of_taken) if task in ("classify", "tag") else None,
        scatter=of_taken if task == "regress" else None,
        breakdowns=breakdowns,
        missing=[*missing, *more],
    )


def _tell_forecasts(run: Run, histories: pl.DataFrame, missing: list[str]) -> Story:
    forecasts = run.predictions(run.labels)
    band = run.result["data"].get("band") if have_bands(forecasts) else None
    if band is None:
        missing.append(not_kept("Bands around the forecasts", "them"))
    return Story(
        run,
        histories,
        windows=choose_windows(forecasts, run.take),
        band=band,
        coverage=coverage(forecasts, run.labels) if band is not None else {},
        missing=missing,
    )
