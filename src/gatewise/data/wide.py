"""A wide table: several target columns, each of which becomes a series of one panel."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gatewise.data.errors import DataError
from gatewise.data.panel import Panel, make_panel
from gatewise.data.tables import Table


def make_wide_panel(table: Table, targets: Sequence[str], **parts: Any) -> Panel:
    """Puts each of `targets` on the table's times: one series each, named like its column.

    The series share times and feature columns; none is a feature of another.

    Args:
        table: from `read_table`.
        targets: the columns to forecast.
        parts: the others of `make_panel`'s.

    Raises:
        DataError: as `make_panel`; or the table holds several series already.
    """
    names = list(targets)
    if not names or len(set(names)) < len(names):
        raise DataError(f"target must name different columns, got {names}", name=table.name)
    panels: list[Panel] = []
    for name in names:
        others = [c for c in names if c != name and c in table.frame.columns]
        alone = replace(table, frame=table.frame.drop(others))
        panels.append(make_panel(alone, target=name, **parts))
        parts = {**parts, "frequency": panels[0].frequency}
    first = panels[0]
    if first.columns.series is not None:
        raise DataError(
            f"several targets ({', '.join(names)}) and an id column ({first.columns.series}): "
            "give one target, or a table with one row for each time, id and target",
            name=table.name,
        )
    notes = [
        *first.notes,
        *(note for panel in panels[1:] for note in panel.notes if note not in first.notes),
        f"{len(names):,} target columns, each a series of its own: {', '.join(names)}",
    ]
    return replace(
        first,
        series=names,
        times=first.times * len(names),
        target=[panel.target[0] for panel in panels],
        values={name: arrays * len(names) for name, arrays in first.values.items()},
        static={name: values * len(names) for name, values in first.static.items()},
        notes=notes,
    )
