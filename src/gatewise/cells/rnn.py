"""The simple recurrent network (Elman 1990), the control that has no gates.

Lecture notes and code::

    a⟨t⟩ = tanh(W_aa a⟨t−1⟩ + W_ax x⟨t⟩ + b_a)      h = tanh(xw + w_hh h + b_hh)
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


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
) -> RNNStep:
    """Take one step of the simple RNN.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, H).
        h: hidden state before the step, (B, H).
        w_hh: recurrent weights, (H, H).
        b_hh: recurrent bias, (H,), or None.
        nonlinearity: ``"tanh"`` or ``"relu"``.
    """
    activation = torch.tanh if nonlinearity == "tanh" else torch.relu
    return RNNStep(activation(xw + F.linear(h, w_hh, b_hh)))
