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

from gatewise.cells.parts import Keep, linear, zone


class GRUStep(NamedTuple):
    """One GRU step: the new state first, then what made it; each (B, H).

    ``kept`` is the share of the old h that is in the new one: z, and with zoneout what it makes
    of z.
    """

    h: Tensor
    r: Tensor
    z: Tensor
    n: Tensor
    kept: Tensor


def gru_step(
    xw: Tensor,
    h: Tensor,
    w_hh: Tensor,
    b_hh: Tensor | None,
    *,
    reset_after: bool = True,
    w_ln_hh: Tensor | None = None,
    recurrent_mask: Tensor | None = None,
    keep_h: Keep | None = None,
) -> GRUStep:
    """Take one step of the GRU.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, 3H), blocks r z n.
        h: hidden state before the step, (B, H).
        w_hh: recurrent weights, (3H, H).
        b_hh: recurrent bias, (3H,), or None.
        reset_after: whether r acts on U h + b (True) or on h itself (False).
        w_ln_hh: gain of the layer norm of the recurrent products, (3H,), or None (Ba et al. 2016).
            With ``reset_after=False`` there are two, normalised apart: (B, 2H) and (B, H).
        recurrent_mask: multiplies h on its way into W_hh, (B, H), or None; z keeps h as it is.
        keep_h: zoneout of h, as :func:`gatewise.cells.parts.zone` takes it, or None.

    Where z is exactly 1, h comes back unchanged.
    """
    x_rz, x_n = _split(xw, dim=-1)  # (B, 2H), (B, H)
    seen = h if recurrent_mask is None else recurrent_mask * h  # (B, H)
    if reset_after:
        u_rz, u_n = _split(linear(seen, w_hh, b_hh, w_ln_hh), dim=-1)  # (B, 2H), (B, H)
        r, z = torch.sigmoid(x_rz + u_rz).chunk(2, dim=-1)  # (B, H) each
        n = torch.tanh(x_n + r * u_n)  # (B, H)
    else:
        rz, candidate = zip(*(_split_weight(w) for w in (w_hh, b_hh, w_ln_hh)), strict=True)
        r, z = torch.sigmoid(x_rz + linear(seen, *rz)).chunk(2, dim=-1)  # (B, H) each
        n = torch.tanh(x_n + linear(r * seen, *candidate))  # (B, H)
    kept = z if keep_h is None else zone(torch.ones_like(z), z, keep_h)
    return GRUStep(zone(h, (1 - z) * n + z * h, keep_h), r, z, n, kept)


def _split(blocks: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Part the blocks of the two gates, r z, from that of the candidate, n."""
    hidden = blocks.shape[dim] // 3
    gates, candidate = blocks.split([2 * hidden, hidden], dim=dim)
    return gates, candidate


def _split_weight(weight: Tensor | None) -> tuple[Tensor, Tensor] | tuple[None, None]:
    return (None, None) if weight is None else _split(weight, dim=0)
