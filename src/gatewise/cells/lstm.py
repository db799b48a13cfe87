"""Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000).

Lecture notes and code, line by line::

    c̃⟨t⟩ = tanh(W_c [a⟨t−1⟩, x⟨t⟩] + b_c)     g = tanh(...)       candidate
    Γu   = σ(W_u [a⟨t−1⟩, x⟨t⟩] + b_u)        i = sigmoid(...)    update (input) gate
    Γf   = σ(W_f [a⟨t−1⟩, x⟨t⟩] + b_f)        f = sigmoid(...)    forget gate
    Γo   = σ(W_o [a⟨t−1⟩, x⟨t⟩] + b_o)        o = sigmoid(...)    output gate
    c⟨t⟩ = Γu ∗ c̃⟨t⟩ + Γf ∗ c⟨t−1⟩            c = i * g + f * c   memory cell
    a⟨t⟩ = Γo ∗ c⟨t⟩                          h = o * c           output_activation="identity"
    a⟨t⟩ = Γo ∗ tanh c⟨t⟩                     h = o * tanh(c)     output_activation="tanh"

Each W splits into a part for x and a part for a: the gate blocks of ``w_ih`` and ``w_hh``, in the
order i f g o.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class LSTMStep(NamedTuple):
    """One LSTM step: the new state first, then what made it; each (B, H), ``h`` maybe (B, P)."""

    h: Tensor
    c: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor


def lstm_step(
    xw: Tensor,
    h: Tensor,
    c: Tensor,
    w_hh: Tensor,
    b_hh: Tensor | None,
    *,
    output_activation: str = "tanh",
    w_hr: Tensor | None = None,
) -> LSTMStep:
    """Take one step of the LSTM.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, 4H), blocks i f g o.
        h: hidden state before the step, (B, H), or (B, P) with a projection.
        c: memory cell before the step, (B, H).
        w_hh: recurrent weights, (4H, H) or (4H, P).
        b_hh: recurrent bias, (4H,), or None.
        output_activation: what the cell passes on its way out, ``"tanh"`` or ``"identity"``.
        w_hr: projection of the output, (P, H), or None (Sak et al. 2014).

    Where f is exactly 1 and i exactly 0, c comes back unchanged to the bit.
    """
    i, f, g, o = (xw + F.linear(h, w_hh, b_hh)).chunk(4, dim=-1)  # (B, H) each
    i, f, g, o = torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)
    c = i * g + f * c  # (B, H)
    h = o * (torch.tanh(c) if output_activation == "tanh" else c)  # (B, H)
    if w_hr is not None:
        h = F.linear(h, w_hr)  # (B, P)
    return LSTMStep(h, c, i, f, g, o)
