"""Gated recurrent unit (Cho et al. 2014).

Lecture notes and code, line by line (torch's z keeps the old state, the notes' Γu writes the new
one: z = 1 − Γu)::

    Γr   = σ(W_r [c⟨t−1⟩, x⟨t⟩] + b_r)              r = sigmoid(...)   relevance (reset) gate
    1−Γu = σ(−(W_u [c⟨t−1⟩, x⟨t⟩] + b_u))           z = sigmoid(...)   update gate
    c̃⟨t⟩ = tanh(W_c [Γr ∗ c⟨t−1⟩, x⟨t⟩] + b_c)      n = tanh(...)      candidate
    c⟨t⟩ = Γu ∗ c̃⟨t⟩ + (1 − Γu) ∗ c⟨t−1⟩            h = (1 − z) * n + z * h

The candidate has two forms. The notes' and the paper's, ``reset_after=False``, resets the state,
then multiplies by the weights: U (r ∗ h) + b. Torch's, ``reset_after=True``, resets after that:
r ∗ (U h + b). Gate blocks stand in the order r z n.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class GRUStep(NamedTuple):
    """One GRU step: the new state first, then what made it; each (B, H)."""

    h: Tensor
    r: Tensor
    z: Tensor
    n: Tensor


def gru_step(
    xw: Tensor,
    h: Tensor,
    w_hh: Tensor,
    b_hh: Tensor | None,
    *,
    reset_after: bool = True,
) -> GRUStep:
    """Take one step of the GRU.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, 3H), blocks r z n.
        h: hidden state before the step, (B, H).
        w_hh: recurrent weights, (3H, H).
        b_hh: recurrent bias, (3H,), or None.
        reset_after: whether r acts on U h + b (True) or on h itself (False).

    Where z is exactly 1, h comes back unchanged.
    """
    x_rz, x_n = _split(xw, dim=-1)  # (B, 2H), (B, H)
    w_rz, w_n = _split(w_hh, dim=0)  # (2H, H), (H, H)
    b_rz, b_n = (None, None) if b_hh is None else _split(b_hh, dim=0)

    r, z = torch.sigmoid(x_rz + F.linear(h, w_rz, b_rz)).chunk(2, dim=-1)  # (B, H) each
    if reset_after:
        n = torch.tanh(x_n + r * F.linear(h, w_n, b_n))  # (B, H)
    else:
        n = torch.tanh(x_n + F.linear(r * h, w_n, b_n))  # (B, H)
    return GRUStep((1 - z) * n + z * h, r, z, n)


def _split(blocks: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Part the blocks of the two gates, r z, from that of the candidate, n."""
    hidden = blocks.shape[dim] // 3
    gates, candidate = blocks.split([2 * hidden, hidden], dim=dim)
    return gates, candidate
