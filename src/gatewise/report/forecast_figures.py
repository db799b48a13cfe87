"""The plots of forecasts: against the truth, and their error at each step of the horizon."""

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go
import polars as pl

from gatewise.report.figures import LINES, TRUTH_COLOUR, add_line, faded, label, lay_out


def window_figure(
    window: pl.DataFrame,
    labels: Mapping[str, str],
    target: str,
    *,
    band: float | None = None,
    banded: Sequence[str] = (),
) -> go.Figure:
    """Forecasts against the truth over one window.

    Args:
        window: columns model, time, truth, forecast; the rows of one origin, sorted by time.
        labels: how each model is shown, in the order of drawing.
        target: name of the forecast column.
        band: the share that the bands ask for, whose ends are the columns low and high; None
            draws none.
        banded: the models that have one; the first one's is seen, the others' wait in the legend.
    """
    truth = window.unique("time", keep="first", maintain_order=True)
    figure = go.Figure()
    if band is not None:
        for name in banded:
            rows = window.filter(pl.col("model") == name)
            words = f"{label(labels[name])} {100 * band:g} % band"
            _add_band(figure, list(labels).index(name), words, rows, seen=name == banded[0])
    figure.add_scatter(
        x=_times(truth),
        y=truth["truth"].to_list(),
        name="truth",
        mode="lines",
        line={"color": TRUTH_COLOUR, "width": 4},
    )
    for i, name in enumerate(labels):
        rows = window.filter(pl.col("model") == name)
        add_line(figure, i, label(labels[name]), _times(rows), rows["forecast"].to_list())
    lay_out(figure, x_title=None, y_title=label(target), height=400)
    return figure


def horizon_figure(
    by_horizon: Mapping[str, Sequence[float | None]], labels: Mapping[str, str], y_title: str
) -> go.Figure:
    """The error at each step of the horizon, a line a model.

    Args:
        by_horizon: for each model the error of step 1, 2, ….
        labels: how each model is shown, in the order of drawing.
        y_title: what the error is called.
    """
    figure = go.Figure()
    for i, name in enumerate(labels):
        errors = list(by_horizon[name])
        add_line(figure, i, label(labels[name]), list(range(1, len(errors) + 1)), errors)
    lay_out(figure, x_title="step of the horizon", y_title=y_title)
    steps = max((len(by_horizon[name]) for name in labels), default=1)
    figure.update_xaxes(range=[0.5, steps + 0.5])
    figure.update_yaxes(rangemode="tozero")
    return figure


def _add_band(figure: go.Figure, i: int, name: str, rows: pl.DataFrame, *, seen: bool) -> None:
    """Draw a band as one outline: along its upper end, and back along its lower one."""
    times = _times(rows)
    colour = LINES[i % len(LINES)][0]
    figure.add_scatter(
        x=times + times[::-1],
        y=rows["high"].to_list() + rows["low"].to_list()[::-1],
        name=name,
        mode="lines",
        fill="toself",
        fillcolor=faded(colour, 0.22),
        line={"color": faded(colour, 0.5), "width": 1},
        hoverinfo="skip",
        visible=True if seen else "legendonly",
        legendrank=2000,  # behind the lines
    )


def _times(rows: pl.DataFrame) -> list[str]:
    return list(rows["time"].dt.strftime("%Y-%m-%d %H:%M:%S"))
