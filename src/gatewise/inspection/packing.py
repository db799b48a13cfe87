"""Figures small enough for a page: heat maps as 16-bit integers, which ``plots.js`` unpacks."""

import base64
from typing import Any

import numpy as np
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.io.json import to_json_plotly

_NONE = -32_768
_MOST = 32_767

BYTES_A_NUMBER = 8 / 3
"""What a number of a heat map takes in the page: two bytes, in base64."""


def packed(figure: go.Figure) -> Markup:
    """Give a figure as JSON that can stand inside a script element, its heat maps packed."""
    whole = figure.to_plotly_json()
    for shown, trace in zip(whole["data"], figure.data, strict=True):
        if trace.type == "heatmap":
            shown["packed"] = _pack(np.asarray(trace.z, dtype=np.float64))
            del shown["z"]
    return Markup(to_json_plotly(whole))  # it writes "<" as an escape


def _pack(numbers: np.ndarray) -> dict[str, Any]:
    known = np.isfinite(numbers)
    scale = float(np.abs(numbers[known]).max(initial=0)) / _MOST or 1.0
    integers = np.where(known, np.rint(np.where(known, numbers, 0) / scale), _NONE).astype("<i2")
    return {
        "bytes": base64.b64encode(integers.tobytes()).decode(),
        "shape": list(numbers.shape),
        "scale": scale,
    }
