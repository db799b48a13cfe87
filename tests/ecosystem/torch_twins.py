"""Our layers and torch's side by side, with the same weights."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gatewise
from gatewise.ops.cases import FORMS

LAYERS = ("LSTM", "GRU", "RNN")
CELLS = ("LSTMCell", "GRUCell", "RNNCell")
STEPS, BATCH, FEATURES, UNITS = 5, 3, 4, 6
every_layer = pytest.mark.parametrize("kind", LAYERS)
# With an option that torch lacks, one of each kind beside the plain layers.
EXTENDED = ("lstm-everything", "gru-everything", "rnn-zoneout")


def make(kind: str, *arguments: Any, **options: Any) -> Any:
    """Make our layer or cell, float64."""
    return getattr(gatewise, kind)(*arguments, **{"dtype": torch.float64} | options)


def make_twins(kind: str, *arguments: Any, **options: Any) -> tuple[Any, Any]:
    """Make ours and torch's, float64, with the same weights."""
    options = {"dtype": torch.float64} | options
    theirs = getattr(nn, kind)(*arguments, **options)
    mine = getattr(gatewise, kind)(*arguments, **options)
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def make_form(form: str, **options: Any) -> Any:
    """Make the layer of one of our forms, float64, with 4 features and 6 units."""
    cell, own = FORMS[form]
    return make(cell.upper(), FEATURES, UNITS, **own | options)


def draw(*shape: int) -> Tensor:
    """Draw a float64 tensor that wants a gradient."""
    return torch.randn(*shape, dtype=torch.float64).requires_grad_()


def flat(value: Any) -> tuple[Tensor, ...]:
    """Give all tensors of an output, of whatever form, one after the other."""
    if isinstance(value, nn.utils.rnn.PackedSequence):
        return (value.data,)
    return (value,) if isinstance(value, Tensor) else tuple(t for part in value for t in flat(part))


def gradients(output: Any, inputs: Iterable[Tensor]) -> tuple[Tensor, ...]:
    """Differentiate a sum of all outputs, each number with a weight of its own."""
    parts = flat(output)
    loss = sum((part * torch.linspace(1, 2, part.numel()).view_as(part)).sum() for part in parts)
    return torch.autograd.grad(loss, list(inputs), materialize_grads=True)


def assert_equal(got: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Compare results, tensors or nested tuples of them."""
    torch.testing.assert_close(flat(got), flat(expected), rtol=tolerance, atol=tolerance)
