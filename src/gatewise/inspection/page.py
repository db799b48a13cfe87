"""A look inside one model, or two side by side: one HTML page, or a figure in a notebook."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go

from gatewise.files import write_atomic
from gatewise.inspection import figures
from gatewise.inspection.findings import findings, half_life_text
from gatewise.inspection.measures import NEAR, Measures, measure
from gatewise.inspection.names import NAMES
from gatewise.inspection.packing import BYTES_A_NUMBER, packed
from gatewise.inspection.view import View
from gatewise.report.rendering import render

_HEAT_MAP_BYTES = 2_600_000
"""What all heat maps of a page take: with Plotly, 4.8 MB, it stays under 8 MB."""

_LEAST_COLUMNS = 40

DIRECTIONS = ("forward", "reverse")


@dataclass(frozen=True)
class Sight:
    """One layer of a view in one direction, measured."""

    view: View
    layer: int
    direction: str
    measures: Measures

    @property
    def findings(self) -> list[str]:
        """What there is to see, a sentence each."""
        return findings(self.view, self.measures, reverse=self.direction == "reverse")


class Inspection:
    """A look inside one model on one sequence, or inside two side by side.

    Args:
        views: one or two of them.

    Attributes:
        views: the same.
        sights: for each view, each layer's directions, measured.
    """

    def __init__(self, views: Sequence[View]) -> None:
        self.views = list(views)
        self.sights = [_sights(view) for view in self.views]

    def findings(self, layer: int = -1, direction: str = "forward", view: int = 0) -> list[str]:
        """Say what there is to see in a layer, the last unless told, in plain sentences."""
        return self._sight(layer, direction, view).findings

    def plot(self, layer: int = -1, direction: str = "forward", view: int = 0) -> go.Figure:
        """Draw all that the page shows over time, as a figure that a notebook displays.

        Args:
            layer: which, from 0; −1 is the last.
            direction: ``"forward"`` or ``"reverse"``.
            view: which model, where there are two.

        Raises:
            ValueError: if there is no such layer, direction or view.
        """
        sight = self._sight(layer, direction, view)
        return figures.whole_figure(sight.view, sight.measures)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Make a page that opens offline, and write it to ``path`` if there is one.

        Returns:
            The page, under 8 MB: heat maps of very many units and layers are binned coarser.
        """
        blocks = sorted({(s.layer, DIRECTIONS.index(s.direction)) for v in self.sights for s in v})
        columns = self._columns()
        page = render(
            "inspect.html.j2",
            views=self.views,
            blocks=[self._block(layer, DIRECTIONS[way], columns) for layer, way in blocks],
            near=NEAR,
        )
        if path is not None:
            write_atomic(Path(path), page)
        return page

    def _block(self, layer: int, direction: str, columns: int) -> dict[str, Any]:
        """What the page shows of a layer and direction: an entry a view, None where it has none."""
        found = [
            next((s for s in v if (s.layer, s.direction) == (layer, direction)), None)
            for v in self.sights
        ]
        shown = [None if sight is None else _shown(sight, columns) for sight in found]
        return {"layer": layer, "direction": direction, "sights": shown}

    def _columns(self) -> int:
        """Choose how many columns a heat map has, so that the whole page stays small."""
        a_column = 0
        for sights in self.sights:
            for sight in sights:
                maps = list(sight.measures.maps.values())
                if sight.measures.retention is not None:
                    maps.append(sight.measures.retention)
                a_column += sum(numbers.shape[1] for numbers in maps)
                a_column += len(sight.view.influence.rows)
        columns = int(_HEAT_MAP_BYTES / BYTES_A_NUMBER / max(a_column, 1))
        return min(max(columns, _LEAST_COLUMNS), figures.MOST_COLUMNS)

    def _sight(self, layer: int, direction: str, view: int) -> Sight:
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is 'forward' or 'reverse'; got {direction!r}")
        if not 0 <= view < len(self.views):
            raise ValueError(f"there are {len(self.views)} views, counted from 0; got view={view}")
        layers = len(self.views[view].layers)
        if not -layers <= layer < layers:
            raise ValueError(f"there are {layers} layers, counted from 0; got layer={layer}")
        for sight in self.sights[view]:
            if (sight.layer, sight.direction) == (layer % layers, direction):
                return sight
        raise ValueError("the layer goes one way: it has no reverse direction")


def _sights(view: View) -> list[Sight]:
    return [
        Sight(view, number, direction, measure(found))
        for number, layer in enumerate(view.layers)
        for direction, found in zip(DIRECTIONS, (layer.forward, layer.reverse), strict=True)
        if found is not None
    ]


def _shown(sight: Sight, columns: int) -> dict[str, Any]:
    """What the page shows of a sight, in heat maps of so many columns."""
    view, measures = sight.view, sight.measures
    steps = len(view.axis.steps)
    charts = {"gates": figures.gates_figure(view, measures, columns)}
    if measures.retention is not None:
        charts["memory"] = figures.memory_figure(view, measures, columns)
    charts["influence"] = figures.influence_figure(view, columns)
    if measures.gates:
        charts["saturation"] = figures.saturation_figure(measures)
    return {
        "view": view,
        "findings": sight.findings,
        "charts": {name: packed(figure) for name, figure in charts.items()},
        "units": [str(unit) for unit in measures.order_of("hidden")],
        "outputs": len(view.influence.rows),
        "binned": -(-steps // columns) if steps > columns else 1,
        "gates": measures.gates,
        "maps": [NAMES[view.cell][name] for name in measures.maps],
        "table": _unit_table(view, measures),
    }


def _unit_table(view: View, measures: Measures) -> list[dict[str, Any]]:
    """A row a unit, in the order of the maps: its half-life, its gates, its largest state."""
    hidden = measures.maps["hidden"]
    largest = np.abs(hidden).max(0) if len(hidden) else np.zeros(hidden.shape[1])
    half_lives = np.full(hidden.shape[1], np.nan)
    if measures.half_life is not None and len(measures.half_life) == len(half_lives):
        half_lives = measures.half_life
    return [
        {
            "unit": unit,
            "half_life": half_life_text(view, float(half_lives[unit])),
            "near": [
                (float(measures.near_zero[gate][unit]), float(measures.near_one[gate][unit]))
                for gate in measures.gates
            ],
            "largest": float(largest[unit]),
            "dead": unit in measures.dead,
        }
        for unit in measures.order_of("hidden").tolist()
    ]
