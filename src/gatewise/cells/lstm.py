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
order i f g o. Coupled gates (f = 1 − i) have three blocks, i g o.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gatewise.cells.parts import Keep, layer_norm, linear, zone


class LSTMStep(NamedTuple):
    """One LSTM step: the new state first, then what made it; each (B, H), ``h`` maybe (B, P).

    ``kept`` is the share of the old c that is in the new one: f, and with zoneout what it makes
    of f.
    """

    h: Tensor
    c: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    kept: Tensor


def lstm_step(
    xw: Tensor,
    h: Tensor,
    c: Tensor,
    w_hh: Tensor,
    b_hh: Tensor | None,
    *,
    output_activation: str = "tanh",
    coupled: bool = False,
    w_hr: Tensor | None = None,
    w_peephole: Tensor | None = None,
    w_ln_hh: Tensor | None = None,
    w_ln_c: Tensor | None = None,
    b_ln_c: Tensor | None = None,
    recurrent_mask: Tensor | None = None,
    keep_h: Keep | None = None,
    keep_c: Keep | None = None,
) -> LSTMStep:
    """Take one step of the LSTM.

    Args:
        xw: the input's share of the pre-activations, W_ih x_t + b_ih, (B, 4H), blocks i f g o.
        h: hidden state before the step, (B, H), or (B, P) with a projection.
        c: memory cell before the step, (B, H).
        w_hh: recurrent weights, (4H, H) or (4H, P).
        b_hh: recurrent bias, (4H,), or None.
        output_activation: what the cell passes on its way out, ``"tanh"`` or ``"identity"``.
        coupled: f = 1 − i (Greff et al. 2017), and blocks i g o, 3H in place of 4H.
        w_hr: projection of the output, (P, H), or None (Sak et al. 2014).
        w_peephole: lets i and f see c and o the new c, (3H,), blocks i f o, coupled (2H,), i o; or
            None (Gers & Schmidhuber 2000).
        w_ln_hh: gain of the layer norm of W_hh h, (4H,), or None (Ba et al. 2016, equation 20).
        w_ln_c: gain of the layer norm of c on its way out, (H,), or None (there, equation 22).
        b_ln_c: shift of that layer norm, (H,), or None.
        recurrent_mask: multiplies h on its way into W_hh, (B, H or P), or None.
        keep_h: zoneout of h, as :func:`gatewise.cells.parts.zone` takes it, or None.
        keep_c: zoneout of c, or None.

    Where f is exactly 1 and i exactly 0, c comes back unchanged to the bit.
    """
    seen_h = h if recurrent_mask is None else recurrent_mask * h  # (B, H or P)
    gates = "igo" if coupled else "ifgo"
    before = _by_gate(gates, xw + linear(seen_h, w_hh, b_hh, w_ln_hh))  # (B, H) each
    peepholes = {} if w_peephole is None else _by_gate(gates.replace("g", ""), w_peephole)

    def gate(name: str, seen_c: Tensor) -> Tensor:
        looks = name in peepholes
        return torch.sigmoid(before[name] + peepholes[name] * seen_c if looks else before[name])

    i = gate("i", c)
    f = 1 - i if coupled else gate("f", c)
    g = torch.tanh(before["g"])
    new_c = i * g + f * c  # (B, H)
    o = gate("o", new_c)
    out = new_c if w_ln_c is None else layer_norm(new_c, w_ln_c, b_ln_c)
    new_h = o * (torch.tanh(out) if output_activation == "tanh" else out)  # (B, H)
    if w_hr is not None:
        new_h = F.linear(new_h, w_hr)  # (B, P)
    kept = f if keep_c is None else zone(torch.ones_like(f), f, keep_c)
    return LSTMStep(zone(h, new_h, keep_h), zone(c, new_c, keep_c), i, f, g, o, kept)


def _by_gate(gates: str, blocks: Tensor) -> dict[str, Tensor]:
    """Name the blocks of the last dimension after their gates."""
    return dict(zip(gates, blocks.chunk(len(gates), dim=-1), strict=True))
