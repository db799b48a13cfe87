"""How weights start."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import init

from gatewise.ops.call import CellName, check_choice

SCHEMES = ("torch", "standard", "chrono")


class Weights(NamedTuple):
    """The weights of one layer in one direction, in torch's order.

    Attributes:
        w_ih: (G·H, I).
        w_hh: (G·H, H), or (G·H, P) with a projection.
        b_ih: (G·H,), or None.
        b_hh: (G·H,), or None.
        w_hr: the projection, (P, H), or None.
    """

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    w_hr: Tensor | None = None


def check_scheme(scheme: str, cell: CellName, bias: bool, max_period: float | None) -> None:
    """Raise ValueError unless the cell can be initialised in this way."""
    check_choice("init", scheme, SCHEMES)
    if scheme != "chrono":
        if max_period is not None:
            raise ValueError(
                f"max_period={max_period} belongs to init='chrono', but init={scheme!r}: "
                "leave it out, or ask for init='chrono'."
            )
        return
    if cell == "rnn":
        raise ValueError(
            "init='chrono' sets the biases of gates, and an RNN has none: "
            "take init='standard', or an LSTM or GRU."
        )
    if not bias:
        raise ValueError("init='chrono' sets biases, but bias=False: take bias=True.")
    if max_period is None or not max_period >= 2:
        raise ValueError(
            f"init='chrono' needs max_period, the longest span in steps to remember, of at least "
            f"2; got {max_period}."
        )


@torch.no_grad()
def initialise(
    cell: CellName,
    scheme: str,
    weights: Iterable[Weights],
    hidden_size: int,
    max_period: float | None = None,
) -> None:
    """Fill weights in place.

    Args:
        cell: whose weights these are.
        scheme: ``"torch"``: all from U(−1/√H, 1/√H), drawn in torch's order. ``"standard"``:
            each gate block of w_ih Xavier-uniform (Glorot & Bengio 2010), each of w_hh orthogonal
            (Saxe et al. 2014), biases 0 but for the LSTM's forget gate 1 (Jozefowicz et al.
            2015), on b_ih only. ``"chrono"``: the same with gate biases that spread the units'
            memory over 1 to ``max_period`` steps (Tallec & Ollivier 2018).
        weights: one item a layer and direction.
        hidden_size: H.
        max_period: the longest span in steps to remember, for ``"chrono"``.
    """
    for one in weights:
        if scheme == "torch":
            _uniform(one, hidden_size)
        else:
            _standard(cell, one, hidden_size)
        if scheme == "chrono":
            assert one.b_ih is not None  # check_scheme has seen to it
            assert max_period is not None
            _chrono(cell, one.b_ih, hidden_size, max_period)


def _uniform(weights: Weights, hidden_size: int) -> None:
    bound = 1 / math.sqrt(hidden_size)
    for weight in weights:
        if weight is not None:
            init.uniform_(weight, -bound, bound)


def _standard(cell: CellName, weights: Weights, hidden_size: int) -> None:
    for block in weights.w_ih.split(hidden_size):  # (H, I)
        init.xavier_uniform_(block)
    for block in weights.w_hh.split(hidden_size):  # (H, H or P)
        # The decomposition behind it does not exist for half precision.
        exact = torch.promote_types(block.dtype, torch.float32)
        block.copy_(init.orthogonal_(block.to(exact)))
    for bias in (weights.b_ih, weights.b_hh):
        if bias is not None:
            init.zeros_(bias)
    if cell == "lstm" and weights.b_ih is not None:
        init.ones_(weights.b_ih.split(hidden_size)[1])
    if weights.w_hr is not None:
        init.xavier_uniform_(weights.w_hr)


def _chrono(cell: CellName, b_ih: Tensor, hidden_size: int, max_period: float) -> None:
    """Set gate biases to log(U[1, max_period − 1]), so that σ(b) = 1 − 1/(span + 1)."""
    log_span = torch.empty_like(b_ih[:hidden_size]).uniform_(1, max_period - 1).log()  # (H,)
    blocks = b_ih.split(hidden_size)
    if cell == "lstm":
        blocks[0].copy_(-log_span)  # i
        blocks[1].copy_(log_span)  # f
    else:
        blocks[1].copy_(log_span)  # z, which keeps
