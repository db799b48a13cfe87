"""The plots of a comparison: fold differences, learning curves, costs, and errors in groups."""

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import polars as pl
from plotly.subplots import make_subplots

from gatewise.report.breakdowns import Breakdown
from gatewise.report.figures import LINES, TRUTH_COLOUR, add_line, faded, label, lay_out

_ACCENT = LINES[0][0]
_MOST_POINTS = 4_000


def differences_figure(
    panels: Sequence[Sequence[tuple[str, Mapping[str, Any], Sequence[float]]]],
    margin: float,
    confidence: str,
    metric: str,
) -> go.Figure:
    """Each fold's relative difference as a dot, with its mean and interval, a row a pair.

    Args:
        panels: pairs that share an axis: words, the test, the difference of each fold.
        margin: what counts as equal, drawn as a band.
        confidence: of the intervals, in percent.
        metric: what the error is called.
    """
    panels = [panel for panel in panels if panel]
    rows = [len(panel) for panel in panels]
    figure = make_subplots(
        rows=len(panels), cols=1, row_heights=rows, vertical_spacing=0.12 if len(rows) > 1 else 0
    )
    for number, panel in enumerate(panels, start=1):
        _draw_pairs(figure, number, panel, margin, confidence)
    lay_out(figure, None, None, height=90 + 75 * sum(rows) + 40 * len(rows))
    figure.update_layout(hovermode="closest", showlegend=False, margin={"l": 10})
    figure.update_xaxes(ticksuffix=" %", zeroline=False)
    title = f"difference of the {label(metric)}"
    figure.update_xaxes(title_text=title, row=len(panels), col=1)
    return figure


def _draw_pairs(
    figure: go.Figure,
    number: int,
    panel: Sequence[tuple[str, Mapping[str, Any], Sequence[float]]],
    margin: float,
    confidence: str,
) -> None:
    names = [label(words) for words, _, _ in panel]
    place = {"row": number, "col": 1}
    folds = len(panel[0][2])
    ends = [
        [100 * test[key] for key in ("low", "high")]
        for _, test, _ in panel
        if test["low"] is not None
    ]
    known = [(name, test) for name, (_, test, _) in zip(names, panel, strict=True)]
    for name, test in known:
        if test["low"] is not None:
            figure.add_scatter(
                x=[100 * test["low"], 100 * test["high"]],
                y=[name, name],
                name=f"{confidence} % interval",
                mode="lines",
                line={"color": faded(_ACCENT, 0.6), "width": 9},
                **place,
            )
    for fold in range(folds):
        figure.add_scatter(
            x=[100 * differences[fold] for *_, differences in panel],
            y=names,
            name=f"fold {fold}",
            mode="markers",
            marker={
                "size": 10,
                "color": faded(TRUTH_COLOUR, 0.55),
                "line": {"width": 1.5, "color": TRUTH_COLOUR},
            },
            **place,
        )
    figure.add_scatter(
        x=[100 * test["difference"] for _, test in known],
        y=names,
        name="mean of the folds",
        mode="markers",
        marker={"size": 13, "symbol": "diamond", "color": _ACCENT},
        **place,
    )
    every = [0.0, -100 * margin, 100 * margin, *(end for pair in ends for end in pair)]
    every += [100 * value for *_, differences in panel for value in differences]
    _frame_pairs(figure, place, names, 100 * margin, (min(every), max(every)))


def _frame_pairs(
    figure: go.Figure,
    place: dict[str, int],
    names: list[str],
    margin: float,
    span: tuple[float, float],
) -> None:
    """Draw the zero line, the margin and the pairs' names into a panel."""
    room = 0.05 * (span[1] - span[0] or 1.0)
    figure.add_vrect(
        x0=-margin,
        x1=margin,
        fillcolor=faded(TRUTH_COLOUR, 0.22),
        line_width=0,
        layer="below",
        **place,
    )
    figure.add_vline(x=0, line={"color": TRUTH_COLOUR, "width": 1.5}, layer="below", **place)
    axis = "" if place["row"] == 1 else str(place["row"])
    for name in names:
        figure.add_annotation(
            text=f"<b>{name}</b>",
            x=0,
            xref=f"x{axis} domain",
            y=name,
            yref=f"y{axis}",
            xanchor="left",
            yshift=24,
            showarrow=False,
        )
    figure.update_xaxes(range=[span[0] - room, span[1] + room], **place)
    figure.update_yaxes(
        showticklabels=False,
        showgrid=False,
        range=[len(names) - 0.5, -0.75],  # the first on top
        type="category",
        categoryorder="array",
        categoryarray=names,
        **place,
    )


def curves_figure(
    histories: pl.DataFrame,
    trials: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    error: str,
) -> go.Figure:
    """Errors by optimiser step: a thin line a trial, a bold one their median, the step kept marked.

    Args:
        histories: as ``Run.histories`` gives them, not empty.
        trials: the cells' results, with model, fold, seed and best_step.
        labels: how each cell is shown, in the order of drawing.
        error: what the validation error is.
    """
    panels = {"validation_error": error, "train_loss": "training loss"}
    columns = [name for name in panels if histories[name].is_not_null().any()]
    figure = make_subplots(rows=len(columns), cols=1, shared_xaxes=True, vertical_spacing=0.08)
    for row, column in enumerate(columns, start=1):
        for i, cell in enumerate(labels):
            rows = histories.filter(pl.col("model") == cell)
            _draw_trials(figure, i, label(labels[cell]), rows, column, row)
        marked = [trial for trial in trials if row == 1 and "best_step" in trial]
        _mark_kept(figure, histories, marked, labels, column)
    lay_out(figure, None, None, height=80 + 260 * len(columns))
    figure.update_layout(hovermode="closest")
    for row, column in enumerate(columns, start=1):
        figure.update_yaxes(title_text=panels[column], row=row, col=1)
    figure.update_xaxes(title_text="optimiser step", row=len(columns), col=1)
    return figure


def median_curve(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Give the median over trials at each step that half of them, at least, came to."""
    trials = rows.select("fold", "seed").n_unique()
    return (
        rows.drop_nulls(column)
        .group_by("step")
        .agg(pl.col(column).median(), pl.len().alias("trials"))
        .filter(2 * pl.col("trials") >= trials)
        .sort("step")
    )


def _draw_trials(
    figure: go.Figure, i: int, name: str, rows: pl.DataFrame, column: str, row: int
) -> None:
    colour, dash, _ = LINES[i % len(LINES)]
    kind = column.replace("_", " ")
    for (fold, seed), trial in rows.group_by("fold", "seed", maintain_order=True):
        figure.add_scatter(
            x=trial["step"].to_list(),
            y=trial[column].to_list(),
            name=f"{name}, fold {fold}, seed {seed}, {kind}",
            mode="lines",
            line={"color": faded(colour, 0.4), "dash": dash, "width": 1},
            legendgroup=name,
            showlegend=False,
            row=row,
            col=1,
        )
    median = median_curve(rows, column)
    figure.add_scatter(
        x=median["step"].to_list(),
        y=median[column].to_list(),
        name=f"{name}, median {kind}" if row > 1 else f"{name}, median",
        mode="lines",
        line={"color": colour, "dash": dash, "width": 3},
        legendgroup=name,
        showlegend=row == 1,
        row=row,
        col=1,
    )


def _mark_kept(
    figure: go.Figure,
    histories: pl.DataFrame,
    trials: Sequence[Mapping[str, Any]],
    labels: Mapping[str, str],
    column: str,
) -> None:
    """Mark where the weights that each trial kept were taken."""
    keys = ["model", "fold", "seed"]
    errors = {
        (*map(str, row[:3]), row[3]): row[4]
        for row in histories.select(*keys, "step", column).iter_rows()
    }
    for i, cell in enumerate(labels):
        of_cell = [trial for trial in trials if trial["model"] == cell]
        if not of_cell:
            continue
        steps = [trial["best_step"] for trial in of_cell]
        figure.add_scatter(
            x=steps,
            y=[errors.get((*(str(t[key]) for key in keys), t["best_step"])) for t in of_cell],
            name=f"{label(labels[cell])}, step kept",
            mode="markers",
            marker={
                "color": LINES[i % len(LINES)][0],
                "symbol": LINES[i % len(LINES)][2],
                "size": 8,
            },
            row=1,
            col=1,
        )


def cost_figure(
    cells: Sequence[Mapping[str, Any]],
    baseline: Mapping[str, Any] | None,
    labels: Mapping[str, str],
    *,
    cost: str,
    x_title: str,
    metric: str,
    y_title: str,
) -> go.Figure | None:
    """The error against one cost: a point with its interval a cell, the best baseline as a line.

    Args:
        cells, baseline: as ``result.json`` has them.
        labels: how each is shown, in the order of drawing.
        cost: the cells' entry that is the cost.
        x_title: what it is called.
        metric: the error's entry.
        y_title: what the error is called.

    Returns:
        None where no cell has that cost.
    """
    known = [cell for cell in cells if cell[cost] is not None and cell[metric] is not None]
    if not known:
        return None
    figure = go.Figure()
    places = [cell[cost] for cell in known]
    room = 0.25 * (max(places) - min(places)) or 0.25 * max(places) or 1.0
    span = (min(places) - room, max(places) + room)
    if baseline is not None and baseline[metric] is not None:
        at = list(labels).index(baseline["name"])
        mean = baseline[metric]["mean"]
        add_line(figure, at, label(labels[baseline["name"]]), list(span), [mean, mean])
        figure.data[-1].update(mode="lines", legendrank=2000)
    for cell in known:
        _add_point(figure, list(labels).index(cell["name"]), labels, cell, cost, metric)
    lay_out(figure, x_title, y_title, height=300)
    figure.update_layout(hovermode="closest", legend={"font": {"size": 11}, "tracegroupgap": 0})
    figure.update_xaxes(range=list(span), nticks=5)
    return figure


def _add_point(
    figure: go.Figure,
    i: int,
    labels: Mapping[str, str],
    cell: Mapping[str, Any],
    cost: str,
    metric: str,
) -> None:
    colour, _, symbol = LINES[i % len(LINES)]
    name, error, x = label(labels[cell["name"]]), cell[metric], cell[cost]
    if error["low"] is not None:
        figure.add_scatter(
            x=[x, x],
            y=[error["low"], error["high"]],
            name=f"{name}, interval",
            mode="lines",
            line={"color": faded(colour, 0.6), "width": 5},
            legendgroup=name,
            showlegend=False,
        )
    figure.add_scatter(
        x=[x],
        y=[error["mean"]],
        name=name,
        mode="markers",
        marker={"color": colour, "symbol": symbol, "size": 11},
        legendgroup=name,
    )


def breakdown_figure(breakdown: Breakdown, labels: Mapping[str, str]) -> go.Figure:
    """The error in each group: a line a model where the groups are in order, else points."""
    figure = go.Figure()
    groups = [label(group) for group in breakdown.groups]
    for i, name in enumerate(labels):
        add_line(figure, i, label(labels[name]), groups, breakdown.errors[name])
    lay_out(figure, breakdown.by, breakdown.error)
    if not breakdown.in_order:
        figure.update_traces(mode="markers", marker={"size": 10})
    figure.update_xaxes(type="category")
    figure.update_yaxes(rangemode="tozero")
    return figure


def scatter_figure(predictions: pl.DataFrame, name: str) -> go.Figure:
    """What one model told against the truth, a point a case; of very many, evenly chosen ones."""
    rows = predictions.gather_every(-(-len(predictions) // _MOST_POINTS))
    truth, predicted = rows["truth"].to_list(), rows["predicted"].to_list()
    ends = [min(truth + predicted), max(truth + predicted)]
    figure = go.Figure()
    figure.add_scatter(
        x=ends, y=ends, name="exact", mode="lines", line={"color": TRUTH_COLOUR, "width": 2}
    )
    figure.add_scatter(
        x=truth,
        y=predicted,
        name=label(name),
        mode="markers",
        marker={"color": faded(_ACCENT, 0.5), "size": 7},
    )
    lay_out(figure, "true", "told")
    figure.update_layout(hovermode="closest")
    return figure
