"""The report of a run: one HTML file that opens offline, made from the run's files only."""

import os
from pathlib import Path
from typing import Any

from markupsafe import Markup

from gatewise.files import write_atomic
from gatewise.report import tables
from gatewise.report.comparison_figures import (
    breakdown_figure,
    cost_figure,
    curves_figure,
    differences_figure,
    scatter_figure,
)
from gatewise.report.forecast_figures import horizon_figure, window_figure
from gatewise.report.rendering import embedded, render
from gatewise.report.run_files import read_run
from gatewise.report.story import Story, tell

_COSTS = {
    "parameters": ("Parameters", "parameters"),
    "train_seconds": ("Training time", "seconds for all steps"),
    "step_microseconds": ("Step latency", "µs for one step"),
}
"""What the error is shown against: a cell's entry, its title and its axis."""


def write_report(run_dir: str | os.PathLike[str]) -> Path:
    """Write ``report.html`` into a run folder, from its files.

    Returns:
        The path of the page.

    Raises:
        FileNotFoundError: the run is not finished, or files of it are missing.
        ValueError: ``result.json`` is damaged or of a newer format.
    """
    path = Path(run_dir) / "report.html"
    write_atomic(path, render_page(tell(read_run(run_dir))))
    return path


def render_page(story: Story) -> str:
    """Lay a report out as one HTML document that loads nothing."""
    run = story.run
    return render(
        "report.html.j2",
        story=story,
        result=run.result,
        tables=tables,
        differences=_differences(story),
        curves=_curves(story),
        costs=_costs(story),
        windows=_windows(story),
        horizon=_horizon(story),
        breakdowns=[
            (one, embedded(breakdown_figure(one, run.labels)), tables.breakdown_table(run, one))
            for one in story.breakdowns
        ],
        scatter=None
        if story.scatter is None
        else embedded(scatter_figure(story.scatter, story.taken)),
    )


def _differences(story: Story) -> Markup:
    margin = story.result["verdict"]["margin"]
    return embedded(differences_figure(story.pairs, margin, story.confidence, story.metric))


def _curves(story: Story) -> Markup | None:
    if story.histories.is_empty():
        return None
    labels = {cell["name"]: story.run.labels[cell["name"]] for cell in story.result["cells"]}
    return embedded(curves_figure(story.histories, story.run.trials, labels, "validation error"))


def _costs(story: Story) -> list[tuple[str, Markup]]:
    best = next(iter(story.run.best_baselines), None)
    made = []
    for cost, (title, x_title) in _COSTS.items():
        figure = cost_figure(
            story.result["cells"],
            best,
            story.run.labels,
            cost=cost,
            x_title=x_title,
            metric=story.result["metric"],
            y_title=story.metric,
        )
        if figure is not None:
            made.append((title, embedded(figure)))
    return made


def _windows(story: Story) -> list[tuple[Any, Markup]]:
    labels, target = story.run.labels, story.result["data"]["target"]
    cells = [cell["name"] for cell in story.result["cells"]]
    banded = sorted(cells, key=lambda name: name != story.run.take)  # the one to take first
    return [
        (
            window,
            embedded(window_figure(window.rows, labels, target, band=story.band, banded=banded)),
        )
        for window in story.windows
    ]


def _horizon(story: Story) -> Markup | None:
    if "by_horizon" not in story.result:
        return None
    scaled = story.result["metric"] == "mase"
    error = "mean absolute scaled error" if scaled else "mean absolute error"
    return embedded(horizon_figure(story.result["by_horizon"], story.run.labels, error))
