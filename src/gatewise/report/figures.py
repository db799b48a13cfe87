"""What the plots of all pages share: colours, names and layout of Plotly figures.

Text and grid take the page's colours (light, dark or print) from its style sheet; lines keep
theirs, which stand out on white and on black and for colour-blind eyes (after Okabe & Ito 2008),
and differ in dash and marker too.
"""

from collections.abc import Sequence
from html import escape
from typing import Any

import plotly.graph_objects as go

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
    return escape(short(text), quote=False)


def short(text: str, longest: int = LONGEST_LABEL) -> str:
    """Cut a text that is longer than ``longest`` characters, and say so by its last, "…"."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def add_line(
    figure: go.Figure, i: int, name: str, x: Sequence[Any], y: Sequence[float | None]
) -> None:
    """Draw the line of the ``i``-th model."""
    colour, dash, symbol = LINES[i % len(LINES)]
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers" if len(x) <= MARKED_STEPS else "lines",
        line={"color": colour, "dash": dash, "width": 2},
        marker={"symbol": symbol, "size": 6},
    )


def lay_out(figure: go.Figure, x_title: str | None, y_title: str | None, height: int = 360) -> None:
    """Give a figure the look that all have."""
    figure.update_layout(
        template="none",
        height=height,
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


def faded(colour: str, opacity: float) -> str:
    """Give a colour ``#rrggbb`` that lets through what lies behind it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity})"
