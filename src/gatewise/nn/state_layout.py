"""Which layer a state_dict belongs to, by names and shapes; what to say when it is another's."""

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Size

from gatewise.ops.call import CellName
from gatewise.ops.weights import Weights, weight_shapes

# Parameter names by the fields of Weights: b_ih is bias_ih, to which a layer adds _l0, ...
NAMES = {f: f.replace("w_", "weight_").replace("b_", "bias_") for f in Weights._fields}

# What the constructors take and the weights show, and what a cell's constructor does not take.
_DEFAULTS: dict[str, Any] = {
    "num_layers": 1,
    "bias": True,
    "bidirectional": False,
    "proj_size": 0,
    "peephole": False,
    "coupled": False,
    "layer_norm": False,
    "learn_initial_state": False,
}
_LACKS: dict[CellName, tuple[str, ...]] = {
    "lstm": (),
    "gru": ("proj_size", "peephole", "coupled"),
    "rnn": ("proj_size", "peephole", "coupled", "layer_norm"),
}
_SHOWN = 3  # names of each kind in a message


def describe(entries: Mapping[str, Size]) -> str | None:
    """Name the layer whose parameters these are, as one would make it, or None.

    Args:
        entries: shape by parameter name, the names without a module's prefix.

    Returns:
        Such as ``"LSTM(3, 5, peephole=True)"``; two with an "or" where both have these weights.
    """
    return " or ".join(_fitting(entries)) or None


def mismatch(owner: str, own: Mapping[str, Size], given: Mapping[str, Size]) -> str | None:
    """Say why weights cannot be loaded and what would fit, or give None where they can.

    Args:
        owner: the layer, as it shows itself.
        own: the layer's entries, as for :func:`describe`.
        given: the entries of the weights.
    """
    if dict(own) == dict(given):
        return None
    if fitting := _fitting(given):
        made = " or ".join(f"gatewise.{call}" for call in fitting)
        return (
            f"these weights are those of {' or '.join(fitting)}, but this layer is {owner}: make "
            f"it {made}, its other arguments as they are, or load weights of this layer's layout."
        )
    differences = {
        "missing": [name for name in own if name not in given],
        "unexpected": [name for name in given if name not in own],
        "of another shape": [
            f"{name} {tuple(given[name])} instead of {tuple(own[name])}"
            for name in own
            if name in given and given[name] != own[name]
        ],
    }
    shown = (f"{what}: {_shorten(names)}" for what, names in differences.items() if names)
    return f"these weights do not fit {owner}; {'; '.join(shown)}."


def _shorten(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _fitting(entries: Mapping[str, Size]) -> list[str]:
    """Give the call that makes each layer, or ``*Cell``, that has exactly these entries."""
    is_cell = "weight_ih" in entries
    suffix = "" if is_cell else "_l0"
    w_ih, w_hh = (entries.get(name + suffix, ()) for name in ("weight_ih", "weight_hh"))
    w_hr = entries.get("weight_hr_l0", (0, *w_hh[1:]))  # (P, H)
    if not len(w_ih) == len(w_hh) == len(w_hr) == 2 or w_hr[0] >= w_hr[1]:
        return []
    layers = [name for name in entries if name.startswith("weight_ih_l")]
    found = {
        "num_layers": sum(not name.endswith("_reverse") for name in layers) or 1,
        "bias": "bias_ih" + suffix in entries,
        "bidirectional": "weight_ih_l0_reverse" in entries,
        "proj_size": w_hr[0],
        "peephole": "weight_peephole" + suffix in entries,
        "layer_norm": "weight_ln_ih" + suffix in entries,
        "learn_initial_state": "initial_h" + suffix in entries,
    }
    sizes, calls = (w_ih[1], w_hr[1]), []
    for coupled, cell in itertools.product((False, True), _LACKS):
        options = _DEFAULTS | found | {"coupled": coupled}
        is_possible = not any(options[name] for name in _LACKS[cell])
        if is_possible and _layout(cell, is_cell, *sizes, **options) == dict(entries):
            calls.append(_show(cell, is_cell, sizes, options))
    return calls


def _show(cell: CellName, is_cell: bool, sizes: tuple[int, int], options: dict[str, Any]) -> str:
    words = [f"{name}={value}" for name, value in options.items() if value != _DEFAULTS[name]]
    name = cell.upper() + ("Cell" if is_cell else "")
    return f"{name}({', '.join((*map(str, sizes), *words))})"


def _layout(
    cell: CellName,
    is_cell: bool,
    inputs: int,
    hidden: int,
    *,
    num_layers: int,
    bidirectional: bool,
    proj_size: int,
    **options: bool,
) -> dict[str, tuple[int, ...]]:
    """Give the entries of a layer or a ``*Cell``."""
    entries: dict[str, tuple[int, ...]] = {}
    directions = ("", "_reverse") if bidirectional else ("",)
    for layer in range(num_layers):
        shapes = weight_shapes(cell, inputs, hidden, proj=proj_size, **options)
        for direction in directions:
            suffix = "" if is_cell else f"_l{layer}{direction}"
            entries |= {NAMES[field] + suffix: shape for field, shape in shapes.items()}
        inputs = len(directions) * (proj_size or hidden)
    return entries
