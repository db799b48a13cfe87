"""The plots of a report, as Plotly figures that hold their data.

Text and grid take the page's colours (light, dark or print) from its style sheet; lines keep
theirs, which stand out on white and on black and for colour-blind eyes (after Okabe & Ito 2008),
and differ in dash and marker too.
"""

from collections.abc import Mapping, Sequence
from html import escape

import plotly.graph_objects as go
import polars as pl

TRUTH_COLOUR = "#808080"
LINES = (
    ("#0072B2", "solid", "circle"),
    ("#D55E00", "dash", "square"),
    ("#009E73", "dashdot", "diamond"),
    ("#AA4499", "dot", "x"),
)
MARKED_STEPS = 60
"""Lines of more steps than this are drawn without markers."""

LONGEST_LABEL = 40


def label(text: str) -> str:
    """Text for a plot: short, and without the tags that Plotly would obey."""
    short = text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
    return escape(short, quote=False)


def window_figure(window: pl.DataFrame, labels: Mapping[str, str], target: str) -> go.Figure:
    """Forecasts against the truth over one window.

    Args:
        window: columns model, time, truth, forecast; the rows of one origin, sorted by time.
        labels: how each model is shown, in the order of drawing.
        target: name of the forecast column.
    """
    truth = window.unique("time", keep="first", maintain_order=True)
    figure = go.Figure()
    figure.add_scatter(
        x=_times(truth),
        y=truth["truth"].to_list(),
        name="truth",
        mode="lines",
        line={"color": TRUTH_COLOUR, "width": 4},
    )
    for i, name in enumerate(labels):
        rows = window.filter(pl.col("model") == name)
        _add_line(figure, i, label(labels[name]), _times(rows), rows["forecast"].to_list())
    _lay_out(figure, x_title=None, y_title=label(target))
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
        _add_line(figure, i, label(labels[name]), list(range(1, len(errors) + 1)), errors)
    _lay_out(figure, x_title="step of the horizon", y_title=y_title)
    figure.update_yaxes(rangemode="tozero")
    return figure


def _times(rows: pl.DataFrame) -> list[str]:
    return rows["time"].dt.strftime("%Y-%m-%d %H:%M:%S").to_list()


def _add_line(
    figure: go.Figure, i: int, name: str, x: Sequence[object], y: Sequence[float | None]
) -> None:
    colour, dash, symbol = LINES[i % len(LINES)]
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) <= MARKED_STEPS else "lines",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "size": 6},
    )


def _lay_out(figure: go.Figure, x_title: str | None, y_title: str) -> None:
    figure.update_layout(
        template="none",
        height=360,
        margin={"l": 60, "r": 10, "t": 10, "b": 50},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="x",
        hoverlabel={"font": {"color": "white"}},
    )
    figure.update_xaxes(title_text=x_title, automargin=True)
    figure.update_yaxes(title_text=y_title, automargin=True)
