"""The simple recurrent network (Elman 1990), the control that has no gates.

Lecture notes and code::

    a⟨t⟩ = tanh(W_aa a⟨t−1⟩ + W_ax x⟨t⟩ + b_a)      h = tanh(xw + w_hh h + b_hh)
"""

from typing import NamedTuple

import torch
from torch import Tensor

from gatewise.cells.parts import Keep, linear, zone


class RNNStep(NamedTuple):
    """One RNN step: the new state, (B, H)."""

    h: Tensor


def rnn_step(
    xw: Tensor,
    h: Tensor,
    w_hh: Tensor,
    b_hh: Tensor | None,
    *,
    nonlinearity: str = "tanh",
    recurrent_mask: Tensor | None = None,
    keep_h: Keep | None = None,
) -> RNNStep:
    """Take one step of the simple RNN.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, H).
        h: hidden state before the step, (B, H).
        w_hh: recurrent weights, (H, H).
        b_hh: recurrent bias, (H,), or None.
        nonlinearity: ``"tanh"`` or ``"relu"``.
        recurrent_mask: multiplies h on its way into W_hh, (B, H), or None.
        keep_h: zoneout of h, as :func:`gatewise.cells.parts.zone` takes it, or None.
    """
    activation = torch.tanh if nonlinearity == "tanh" else torch.relu
    seen = h if recurrent_mask is None else recurrent_mask * h
    return RNNStep(zone(h, activation(xw + linear(seen, w_hh, b_hh)), keep_h))
