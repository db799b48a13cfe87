"""How weights start."""

import math
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn import init

from gatewise.ops.call import CellName, check_choice
from gatewise.ops.weights import Weights

SCHEMES = ("torch", "standard", "chrono")


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
    weights: list[Weights],
    hidden_size: int,
    *,
    coupled: bool = False,
    max_period: float | None = None,
) -> None:
    """Fill weights in place.

    Gains start at 1, the shift of c's layer norm and learned initial states at 0, peepholes at 0
    but for ``"torch"``, which draws them too, after all that torch itself draws.

    Args:
        cell: whose weights these are.
        scheme: ``"torch"``: all from U(−1/√H, 1/√H), drawn in torch's order. ``"standard"``:
            each gate block of w_ih Xavier-uniform (Glorot & Bengio 2010), each of w_hh orthogonal
            (Saxe et al. 2014), biases 0 but for the LSTM's forget gate 1 (Jozefowicz et al.
            2015), on b_ih only; when coupled, f = 1 − i, that is −1 for the input gate.
            ``"chrono"``: the same with gate biases that spread the units' memory over 1 to
            ``max_period`` steps (Tallec & Ollivier 2018).
        weights: one item a layer and direction.
        hidden_size: H.
        coupled: whether the LSTM's blocks are i g o.
        max_period: the longest span in steps to remember, for ``"chrono"``.
    """
    for one in weights:
        if scheme == "torch":
            _uniform(one[:5], hidden_size)
        else:
            _standard(cell, one, hidden_size, coupled)
        if scheme == "chrono":
            assert one.b_ih is not None  # check_scheme has seen to it
            assert max_period is not None
            _chrono(cell, one.b_ih, hidden_size, coupled, max_period)
    for one in weights:
        _fill(one.w_peephole, 0)
        if scheme == "torch":
            _uniform((one.w_peephole,), hidden_size)
        for gain in (one.w_ln_ih, one.w_ln_hh, one.w_ln_c):
            _fill(gain, 1)
        for zero in (one.b_ln_c, one.initial_h, one.initial_c):
            _fill(zero, 0)


def _fill(weight: Tensor | None, value: float) -> None:
    if weight is not None:
        init.constant_(weight, value)


def _uniform(weights: Iterable[Tensor | None], hidden_size: int) -> None:
    bound = 1 / math.sqrt(hidden_size)
    for weight in weights:
        if weight is not None:
            init.uniform_(weight, -bound, bound)


def _standard(cell: CellName, weights: Weights, hidden_size: int, coupled: bool) -> None:
    for block in weights.w_ih.split(hidden_size):  # (H, I)
        init.xavier_uniform_(block)
    for block in weights.w_hh.split(hidden_size):  # (H, H or P)
        # The decomposition behind it does not exist for half precision.
        exact = torch.promote_types(block.dtype, torch.float32)
        block.copy_(init.orthogonal_(block.to(exact)))
    for bias in (weights.b_ih, weights.b_hh):
        _fill(bias, 0)
    if cell == "lstm" and weights.b_ih is not None:
        blocks = weights.b_ih.split(hidden_size)
        init.constant_(blocks[0 if coupled else 1], -1 if coupled else 1)
    if weights.w_hr is not None:
        init.xavier_uniform_(weights.w_hr)


def _chrono(
    cell: CellName, b_ih: Tensor, hidden_size: int, coupled: bool, max_period: float
) -> None:
    """Set gate biases to log(U[1, max_period − 1]), so that σ(b) = 1 − 1/(span + 1)."""
    log_span = torch.empty_like(b_ih[:hidden_size]).uniform_(1, max_period - 1).log()  # (H,)
    blocks = b_ih.split(hidden_size)
    if cell == "lstm":
        blocks[0].copy_(-log_span)  # i
    if not coupled:
        blocks[1].copy_(log_span)  # f, or the GRU's z, which keeps
