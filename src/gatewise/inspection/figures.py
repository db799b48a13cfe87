"""The plots of a look inside, as Plotly figures over one time axis."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gatewise.inspection.measures import NEAR, Measures, Numbers
from gatewise.inspection.names import NAMES
from gatewise.inspection.stacking import SEQUENTIAL, Row, bins, stack, visible
from gatewise.inspection.view import Axis, Curve, View
from gatewise.report.figures import LINES, TRUTH_COLOUR, faded, label, lay_out

MOST_COLUMNS = 400
"""A heat map has so many columns at most: about what a screen shows apart."""

MOST_CURVES = 6
"""So many inputs are drawn, those that vary most."""

DIVERGING = [[0, "#0072B2"], [0.5, "#F7F7F7"], [1, "#D55E00"]]

_BAND = faded(LINES[1][0], 0.15)

_SHARED = {"coloraxis": "coloraxis"}  # from 0 to 1, with one colour bar for all

_MINUTE = re.compile(r"\d+-\d\d-\d\d \d\d:\d\d:00")


def gates_figure(view: View, measures: Measures, columns: int = MOST_COLUMNS) -> go.Figure:
    """Input and prediction, and under them a heat map of each gate and state, units × steps."""
    return stack([curves_row(view), *map_rows(view, measures, columns)], view.axis)


def memory_figure(view: View, measures: Measures, columns: int = MOST_COLUMNS) -> go.Figure:
    """How much of the first memory is left at each step: of each unit, and their distribution."""
    return stack(memory_rows(view, measures, columns), view.axis)


def influence_figure(view: View, columns: int = MOST_COLUMNS) -> go.Figure:
    """Which inputs each output leans on: as a heat map, and as a curve of one output."""
    return stack(influence_rows(view, columns), view.axis)


def whole_figure(view: View, measures: Measures, columns: int = MOST_COLUMNS) -> go.Figure:
    """All of these over one time axis, for a notebook."""
    rows = [
        curves_row(view),
        *map_rows(view, measures, columns),
        *memory_rows(view, measures, columns),
        *influence_rows(view, columns),
    ]
    return stack(rows, view.axis)


def curves_row(view: View) -> Row:
    """Lay out the input and the prediction over time."""
    shown = _shown(view.curves)
    texts = [label(visible(text)) for text in view.axis.labels or ()]
    traces, place = [], 0
    for curve in shown:
        line: dict[str, Any] = {"width": 1, "color": TRUTH_COLOUR, "dash": "dot"}
        if curve.role == "truth" or (curve.role == "input" and len(shown) == len(view.curves) == 1):
            line = {"width": 2, "color": TRUTH_COLOUR}
        elif curve.role in ("input", "prediction"):
            colour, dash, _ = LINES[place % len(LINES)]
            line, place = {"width": 1.5, "color": colour, "dash": dash}, place + 1
        traces.append(
            go.Scatter(
                x=list(curve.x),
                y=_line(curve.y),
                name=label(curve.name),
                mode="lines",
                line=line,
                text=texts if len(curve.x) == len(texts) else None,
                showlegend=curve.role != "high",
                fill="tonexty" if curve.role == "high" else None,
                fillcolor=_BAND,
            )
        )
    drawn = sum(curve.role == "input" for curve in shown)
    inputs = sum(curve.role == "input" for curve in view.curves)
    some = f": the {drawn} of {inputs} that vary most" if drawn < inputs else ""
    return Row(f"Input and prediction{some}", 200, traces)


def map_rows(view: View, measures: Measures, columns: int) -> list[Row]:
    """Lay out a heat map of each gate and state."""
    rows = []
    for name, numbers in measures.maps.items():
        title = NAMES[view.cell][name].title
        limit = 1.0 if name == "candidate" else _limit(numbers)
        colours = _SHARED if name in measures.gates else _signed(limit)
        rows.append(unit_map(view.axis, numbers, measures.order_of(name), title, columns, colours))
    return rows


def memory_rows(view: View, measures: Measures, columns: int) -> list[Row]:
    """Lay out what is left of the first memory; nothing for a cell without a memory line."""
    if measures.retention is None:
        return []
    places, left = bins(view.axis.steps, measures.retention, columns)
    quantiles = np.quantile(left, [0.1, 0.5, 0.9], axis=1) if left.size else np.zeros((3, 0))
    names = ("a tenth of the units keeps less", "median unit", "a tenth keeps more")
    looks = (("dot", 1.5), ("solid", 2.5), ("dash", 1.5))
    colour = LINES[0][0]
    lines = [
        go.Scatter(
            x=places,
            y=_line(values),
            name=name,
            mode="lines",
            line={"color": colour, "dash": dash, "width": width},
        )
        for name, values, (dash, width) in zip(names, quantiles, looks, strict=True)
    ]
    curve = Row("What is left of the first memory", 180, lines, {"range": [-0.02, 1.02]})
    order = measures.order
    return [
        curve,
        unit_map(view.axis, measures.retention, order, "The same, unit by unit", columns, _SHARED),
    ]


def influence_rows(view: View, columns: int) -> list[Row]:
    """Lay out which inputs the outputs lean on."""
    influence = view.influence
    places, leaning = bins(view.axis.inputs, influence.values.T, columns)  # (columns, R)
    top = float(np.quantile(leaning, 0.99)) if leaning.size else 0.0
    rows, numbers = output_names(view), leaning.T
    heat = go.Heatmap(
        x=places,
        y=rows,
        z=numbers.astype(np.float32),
        name="influence",
        colorscale=SEQUENTIAL,
        zmin=0,
        zmax=top or 1.0,
        colorbar={"thickness": 10, "title": {"text": ""}},
        hovertemplate=f"{label(influence.title)} %{{y}}<br>input at %{{x}}: %{{z:.3g}}"
        "<extra></extra>",
    )
    colour, dash, _ = LINES[1]
    last = len(rows) - 1
    curve = go.Scatter(
        x=places,
        y=_line(numbers[last]) if rows else [],
        name=f"{label(influence.title)} {rows[last]}" if rows else "",
        mode="lines",
        line={"color": colour, "dash": dash, "width": 2},
    )
    height = min(max(60, 12 * len(rows)), 260)
    category = {
        "type": "category",
        "autorange": "reversed",
        "nticks": 8,
        "tickfont": {"size": 10},
    }
    return [
        Row("One output", 160, [curve], {"rangemode": "tozero"}),
        Row("All outputs", height + 30, [heat], category),
    ]


def saturation_figure(measures: Measures) -> go.Figure:
    """For each gate of each unit, the share of steps near 1 against that near 0."""
    figure = go.Figure()
    for (colour, _, symbol), name in zip(LINES, measures.gates, strict=False):
        figure.add_scatter(
            x=_line(measures.near_one[name]),
            y=_line(measures.near_zero[name]),
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.7},
            text=[f"unit {unit}" for unit in range(len(measures.near_one[name]))],
            hovertemplate="%{text}: near 1 in %{x:.0%}, near 0 in %{y:.0%} of the steps",
        )
    lay_out(figure, f"share of steps above {1 - NEAR}", f"share of steps below {NEAR}", 380)
    share = {"range": [-0.03, 1.03], "tickformat": ".0%"}
    figure.update_xaxes(**share)
    figure.update_yaxes(**share)
    figure.update_layout(margin={"t": 40}, hovermode="closest")
    return figure


def unit_map(
    axis: Axis,
    numbers: Numbers,
    order: np.ndarray,
    title: str,
    columns: int,
    colours: dict[str, Any],
) -> Row:
    """Lay out a heat map of (T, H) numbers, a row a unit in ``order``, binned for the screen."""
    places, shown = bins(axis.steps, numbers, columns)
    heat = go.Heatmap(
        x=places,
        y=[str(unit) for unit in order],
        z=shown[:, order].T.astype(np.float32),
        name=label(title),
        hovertemplate="unit %{y}, %{x}: %{z:.3f}<extra></extra>",
        **colours,
    )
    height = int(min(max(70, 3 * len(order)), 220))
    return Row(title, height, [heat], {"type": "category", "autorange": "reversed", "nticks": 8})


def _shown(curves: Sequence[Curve]) -> list[Curve]:
    """Take the inputs that vary most, and all other curves, in their order."""
    inputs = [curve for curve in curves if curve.role == "input"]
    spread = [float(np.nanstd(c.y)) if np.isfinite(c.y).any() else 0.0 for c in inputs]
    most = {id(inputs[i]) for i in np.argsort(spread, kind="stable")[::-1][:MOST_CURVES]}
    return [curve for curve in curves if curve.role != "input" or id(curve) in most]


def _signed(limit: float) -> dict[str, Any]:
    return {"colorscale": DIVERGING, "zmin": -limit, "zmax": limit, "colorbar": {"thickness": 10}}


def _limit(numbers: Numbers) -> float:
    """The size that 99 % of the numbers stay within: a few large ones would pale all others."""
    return float(np.quantile(np.abs(numbers), 0.99) if numbers.size else 0) or 1.0


def _line(numbers: np.ndarray) -> list[float | None]:
    """Numbers as they are shown, with four digits; None where not known."""
    return [float(f"{n:.4g}") if np.isfinite(n) else None for n in numbers]


def output_names(view: View) -> list[str]:
    """Give what outputs are called, for a plot: each name once, with what stands there in text."""
    rows = view.influence.rows
    labels = dict(zip(view.axis.inputs, view.axis.labels or (), strict=False))
    texts = [label(str(row)) + _quoted(labels.get(row)) for row in rows]
    if texts and all(_MINUTE.fullmatch(text) for text in texts):
        return [text.removesuffix(":00") for text in texts]
    twice = {text for text, count in Counter(texts).items() if count > 1}
    return [f"{text} ({i})" if text in twice else text for i, text in enumerate(texts)]


def _quoted(text: str | None) -> str:
    return "" if text is None else f" {label(visible(text))}"
