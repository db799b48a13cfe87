"""The recurrent layers of the estimators' networks, by the cell's name; and their size."""

from collections.abc import Callable
from typing import Any

from torch import nn

from gatewise.nn import GRU, LSTM, RNN
from gatewise.nn.base import RecurrentLayer

CELLS: dict[str, Callable[..., RecurrentLayer]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}

OWN_OPTIONS = frozenset({"input_size", "hidden_size", "num_layers", "dropout", "batch_first"})
"""Arguments of the layer that an estimator gives itself."""


def make_recurrent(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    dropout: float = 0.0,
    cell_options: dict[str, Any] | None = None,
) -> RecurrentLayer:
    """Make a time-major layer of ``cell``, initialised in the standard way unless told otherwise.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        input_size, hidden_size, num_layers: as in torch.
        dropout: between the layers, when there are several.
        cell_options: further arguments of the layer.
    """
    return CELLS[cell](
        input_size,
        hidden_size,
        num_layers,
        dropout=dropout if num_layers > 1 else 0.0,
        **{"init": "standard", **(cell_options or {})},
    )


def output_size(layer: RecurrentLayer) -> int:
    """Give the width of what ``layer`` gives at each step: (projection or hidden size) · D."""
    directions = 2 if layer.bidirectional else 1
    return directions * (layer.proj_size or layer.hidden_size)


def count_parameters(module: nn.Module) -> int:
    """Count the trained parameters of a module."""
    return sum(p.numel() for p in module.parameters())
