"""Plots under each other over one time axis, and heat maps averaged for the screen."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from gatewise.inspection.measures import Numbers
from gatewise.inspection.view import Axis, Place
from gatewise.report.figures import LINES, label, lay_out

SEQUENTIAL = "Cividis"  # made for colour-blind eyes (Nuñez et al. 2018)

_MOST_LABELS = 80
"""So many characters or words stand under the plots; of more, those that the mouse is over."""


@dataclass(frozen=True)
class Row:
    """One plot in a stack: its traces, how high it is in pixels, and how its y axis is drawn."""

    title: str
    height: int
    traces: Sequence[Any]
    yaxis: dict[str, Any] = field(default_factory=dict)


def stack(rows: Sequence[Row], axis: Axis) -> go.Figure:
    """Draw plots under each other over one time axis."""
    gap, top, bottom = 34, 70, 50
    heights = [row.height for row in rows]
    inner = sum(heights) + gap * (len(rows) - 1)
    figure = make_subplots(
        rows=max(len(rows), 1),
        cols=1,
        shared_xaxes=True,
        row_heights=heights or None,
        vertical_spacing=gap / max(inner, 1) if len(rows) > 1 else 0,
        subplot_titles=[label(row.title) for row in rows],
    )
    for number, row in enumerate(rows, start=1):
        for trace in row.traces:
            figure.add_trace(trace, row=number, col=1)
            _place_bar(figure.data[-1], figure, number)
        figure.update_yaxes(**row.yaxis, row=number, col=1)
    lay_out(figure, None, None, inner + top + bottom)
    figure.update_layout(
        margin={"t": top, "b": bottom},
        hovermode="closest",
        meta={"lines": LINES},
        legend={"traceorder": "normal", "y": 1 + 22 / max(inner, 1)},  # above the first title
        coloraxis={
            "colorscale": SEQUENTIAL,
            "cmin": 0,
            "cmax": 1,
            "colorbar": {"thickness": 10, "lenmode": "fraction", **_beside_shared(figure)},
        },
    )
    figure.update_annotations(x=0, xanchor="left", font={"size": 13})
    figure.update_xaxes(title_text=axis.title, row=len(rows) or 1, col=1)
    _mark_steps(figure, axis)
    return figure


def bins(places: Sequence[Place], numbers: Numbers, columns: int) -> tuple[list[Place], Numbers]:
    """Average (T, N) numbers over at most ``columns`` runs of neighbouring steps.

    Returns:
        For each run the place of its middle step, and its averages (C, N).
    """
    steps = len(numbers)
    if steps <= columns:
        return list(places), numbers
    edges = np.linspace(0, steps, columns + 1).round().astype(int)
    sums = np.add.reduceat(numbers, edges[:-1], axis=0)
    middle = (edges[:-1] + edges[1:] - 1) // 2
    return [places[m] for m in middle], sums / np.diff(edges)[:, None]


def visible(text: str) -> str:
    """Show spaces and line ends, which would not be seen."""
    return text.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥")


def _place_bar(trace: Any, figure: go.Figure, row: int) -> None:
    """Put a heat map's own colour bar beside it."""
    if trace.type != "heatmap" or trace.coloraxis:
        return
    low, high = figure.get_subplot(row, 1).yaxis.domain
    trace.colorbar.update(y=(low + high) / 2, len=high - low, lenmode="fraction", thickness=10)


def _beside_shared(figure: go.Figure) -> dict[str, float]:
    """Give the height and middle of what shares one colour bar."""
    shared = [t.yaxis for t in figure.data if t.type == "heatmap" and t.coloraxis]
    domains = [figure.layout["yaxis" + name[1:]].domain for name in shared] or [(0, 1)]
    low, high = min(d[0] for d in domains), max(d[1] for d in domains)
    return {"y": (low + high) / 2, "len": high - low}


def _mark_steps(figure: go.Figure, axis: Axis) -> None:
    """Write under the last plot what stands at each step, where there is room for it."""
    if axis.labels and len(axis.labels) <= _MOST_LABELS:
        texts = [label(visible(text)) for text in axis.labels]
        longest = max(len(text) for text in texts)
        figure.update_xaxes(
            tickmode="array",
            tickvals=list(axis.inputs),
            ticktext=texts,
            tickangle=0 if longest == 1 else -60,
            tickfont={"size": 10},
        )
