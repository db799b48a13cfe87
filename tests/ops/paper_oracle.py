"""Every option of the cells once more, straight from the papers: loops in float64 NumPy.

Complex numbers pass through, so that a step into the imaginary gives derivatives without loss of
digits (Squire & Trapp 1998).

Letters are those of torch; ``w`` holds the weights of one layer by name. Those that may be absent
(``b_*``, ``w_hr``, ``w_peephole``, ``w_ln_*``, ``initial_*``) then leave their part out.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
State = tuple[np.ndarray, ...]


def sigmoid(a: np.ndarray) -> np.ndarray:
    """Give 1 / (1 + exp(−a)) without overflow."""
    return (1 + np.tanh(a / 2)) / 2


def run_paper(
    cell: str,
    tensors: Arrays,
    *,
    options: Mapping[str, Any] | None = None,
    masks: Arrays | None = None,
    lengths: Any = None,
    resets: Any = None,
    reverse: bool = False,
) -> tuple[np.ndarray, ...]:
    """Run one layer in one direction.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        tensors: x (T, B, I), h_0 (B, H or P), c_0 (B, H), and the weights.
        options: those of the cell's step, and ``zoneout``: (p_h, p_c), or (p_h,) without a cell.
        masks: of training: ``recurrent`` (B, H or P) float, ``zoneout_h`` (T, B, H or P) and
            ``zoneout_c`` (T, B, H) bool; without the last two zoneout is that of evaluation.
        lengths: (B,).
        resets: (T, B), true where a new piece begins.
        reverse: walk from each row's own end to step 0.

    Returns:
        y (T, B, H or P), h_n, and c_n for the LSTM.
    """
    dtype = np.result_type(np.float64, *tensors.values())
    w = {name: np.asarray(value, dtype) for name, value in tensors.items()}
    steps, batch, _ = w["x"].shape
    y = np.zeros((steps, batch, w["h_0"].shape[1]), dtype)
    finals = tuple(w[f"{name}_0"].copy() for name in STATES[cell])
    for row in range(batch):
        end = steps if lengths is None else int(lengths[row])
        starts = [False] * steps if resets is None else [bool(flag) for flag in resets[:, row]]
        row_masks = {name: _of_row(name, mask, row) for name, mask in (masks or {}).items()}
        state = tuple(w[f"{name}_0"][row] for name in STATES[cell])
        for t in reversed(range(end)) if reverse else range(end):
            if _is_cut(starts[:end], t, reverse):
                state = tuple(_initial(w, name) for name in STATES[cell])
            state = _step(cell, w, w["x"][t, row], state, t, row_masks, **(options or {}))
            y[t, row] = state[0]
        for final, value in zip(finals, state, strict=True):
            final[row] = value
    return y, *finals


def _of_row(name: str, mask: np.ndarray, row: int) -> np.ndarray:
    """Give a row's mask: (H,) for the whole sequence, or (T, H)."""
    return mask[row] if name == "recurrent" else mask[:, row]


def _is_cut(starts: list[bool], t: int, reverse: bool) -> bool:
    """Say whether a piece ends between step t and the step walked before it."""
    if reverse:
        return t + 1 < len(starts) and starts[t + 1]
    return starts[t]


def _initial(w: Arrays, name: str) -> np.ndarray:
    """Give the state from which a piece after a cut begins."""
    return w.get(f"initial_{name}", np.zeros(w[f"{name}_0"].shape[1]))


def _step(
    cell: str,
    w: Arrays,
    x: np.ndarray,
    state: State,
    t: int,
    masks: Arrays,
    *,
    zoneout: tuple[float, ...] = (0.0, 0.0),
    **options: Any,
) -> State:
    """Take the cell's step, then zone each state out."""
    h_seen = state[0] * masks.get("recurrent", 1.0)
    proposed = STEPS[cell](w, x, h_seen, *state, **options)
    kept = [masks[f"zoneout_{name}"][t] if f"zoneout_{name}" in masks else None for name in "hc"]
    return tuple(map(zone, zoneout, kept, state, proposed))  # ends with the shortest


def zone(p: float, keep: np.ndarray | None, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Krueger et al. 2017, section 3: d⊙old + (1 − d)⊙new; in evaluation d is its mean p.

    Both new values are made from the cell before its zoneout, as the paper's h_t is.
    """
    d = p if keep is None else keep.astype(np.float64)
    return d * old + (1 - d) * new


def layer_norm(v: np.ndarray, scale: np.ndarray, shift: np.ndarray | float) -> np.ndarray:
    """Ba et al. 2016, equation 3, then gain and bias: one vector (N,) to (N,)."""
    mean = v.sum() / v.size
    variance = ((v - mean) ** 2).sum() / v.size
    return scale * (v - mean) / np.sqrt(variance + 1e-5) + shift


def affine(w: Arrays, side: str, v: np.ndarray, part: slice = slice(None)) -> np.ndarray:
    """W v + b, or, Ba et al. 2016, equation 20, LN(W v; scale, b), of the gate rows ``part``."""
    product = w[f"w_{side}"][part] @ v
    shift = w[f"b_{side}"][part] if f"b_{side}" in w else 0.0
    if f"w_ln_{side}" not in w:
        return product + shift
    return layer_norm(product, w[f"w_ln_{side}"][part], shift)


def lstm_step(
    w: Arrays,
    x: np.ndarray,
    h_seen: np.ndarray,
    _h: np.ndarray,
    c: np.ndarray,
    *,
    output_activation: str = "tanh",
    coupled: bool = False,
) -> State:
    """Greff et al. 2017, section II-A (Gers & Schmidhuber 2000 for the peepholes).

    f = 1 − i: Greff et al., section III, CIFG. LN: Ba et al. 2016, equations 20 to 22.
    Projection: Sak et al. 2014, r = W_rm m. ``h_seen``: Gal & Ghahramani 2016, section 4.1, h∘z_h.
    """
    names, looks = ("igo", "io") if coupled else ("ifgo", "ifo")
    sums = affine(w, "ih", x) + affine(w, "hh", h_seen)
    a = dict(zip(names, sums.reshape(len(names), -1), strict=True))
    peepholes = w.get("w_peephole", np.zeros(len(looks) * c.size)).reshape(len(looks), -1)
    p = dict(zip(looks, peepholes, strict=True))

    i = sigmoid(a["i"] + p["i"] * c)
    f = 1 - i if coupled else sigmoid(a["f"] + p["f"] * c)
    g = np.tanh(a["g"])
    c_new = i * g + f * c
    o = sigmoid(a["o"] + p["o"] * c_new)
    c_seen = layer_norm(c_new, w["w_ln_c"], w.get("b_ln_c", 0.0)) if "w_ln_c" in w else c_new
    m = o * OUTPUT_ACTIVATIONS[output_activation](c_seen)
    return w["w_hr"] @ m if "w_hr" in w else m, c_new


def gru_step(
    w: Arrays, x: np.ndarray, h_seen: np.ndarray, h: np.ndarray, *, reset_after: bool = True
) -> State:
    """Cho et al. 2014, equations 5 to 8, or with r after the product as in torch and cuDNN.

    LN: Ba et al. 2016, equation 20 for each product; a part of U that has its own factor apart.
    """
    rz, last = slice(0, 2 * h.size), slice(2 * h.size, None)
    from_x = affine(w, "ih", x)
    if reset_after:
        from_h = affine(w, "hh", h_seen)
        r, z = sigmoid(from_x[rz] + from_h[rz]).reshape(2, -1)
        n = np.tanh(from_x[last] + r * from_h[last])
    else:
        r, z = sigmoid(from_x[rz] + affine(w, "hh", h_seen, rz)).reshape(2, -1)
        n = np.tanh(from_x[last] + affine(w, "hh", r * h_seen, last))
    return (z * h + (1 - z) * n,)


def rnn_step(
    w: Arrays, x: np.ndarray, h_seen: np.ndarray, _h: np.ndarray, *, nonlinearity: str = "tanh"
) -> State:
    """Elman 1990: h' = φ(W x + U h + b)."""
    return (NONLINEARITIES[nonlinearity](affine(w, "ih", x) + affine(w, "hh", h_seen)),)


STATES = {"lstm": "hc", "gru": "h", "rnn": "h"}
STEPS: dict[str, Callable[..., State]] = {"lstm": lstm_step, "gru": gru_step, "rnn": rnn_step}
OUTPUT_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "identity": lambda c: c,
}
NONLINEARITIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0.0),
}
