"""The equations, alive: a page on which a learner turns every knob of an LSTM and of a GRU."""

import os
from pathlib import Path

from gatewise.files import write_atomic
from gatewise.report.rendering import render

CELLS = ("lstm", "gru")


def write_explanation(path: str | os.PathLike[str], cell: str = "lstm") -> Path:
    """Write the page that explains the cells: one HTML file that loads nothing.

    The cell is drawn as in the lecture notes, with the numbers of one step on its wires, and beside
    it stand its equations; a short sequence runs through it.

    Args:
        path: the file to write; one that is there is replaced.
        cell: what is shown first, ``"lstm"`` or ``"gru"``.

    Returns:
        The path.

    Raises:
        ValueError: there is no such cell on the page.
    """
    if cell not in CELLS:
        raise ValueError(f"cell must be one of {', '.join(CELLS)}, got {cell!r}")
    path = Path(path)
    write_atomic(path, render("explain.html.j2", cell=cell))
    return path
