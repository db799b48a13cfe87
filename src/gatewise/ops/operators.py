"""The three operators: one layer, one direction, a whole sequence.

They take tensors as they are given; the layers in ``gatewise.nn`` check what a user passes.
"""

from torch import Tensor

from gatewise.ops.call import Call, Extras, GRUOptions, LSTMOptions, RNNOptions
from gatewise.ops.dispatch import execute


def lstm(
    x: Tensor,
    h_0: Tensor,
    c_0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    extras: Extras,
    lengths: Tensor | None,
    resets: Tensor | None,
    seed: Tensor | None,
    options: LSTMOptions,
) -> tuple[Tensor, Tensor, Tensor]:
    """Run a sequence through an LSTM.

    Args:
        x: input, (T, B, I).
        h_0: initial hidden state, (B, H), or (B, P) with a projection.
        c_0: initial memory cell, (B, H).
        w_ih: input weights, (4H, I), blocks i f g o; coupled (3H, I), i g o.
        w_hh: recurrent weights, (4H, H), or (4H, P) with a projection.
        b_ih: input bias, (4H,), or None.
        b_hh: recurrent bias, (4H,), or None.
        extras: the optional tensors.
        lengths: (B,) int64, where each sequence ends, 0 to T; None: all at T.
        resets: (T, B) bool, where a sequence is cut before the step; None: nowhere.
        seed: () int64, which the random masks follow from (training); None: none are drawn.
        options: how to run.

    Returns:
        y (T, B, H or P), 0 beyond a length; h_n (B, H or P) and c_n (B, H), the state at the end
        of each sequence's own walk.

    Raises:
        BackendError: if the backend is unknown or cannot do this call.
        ValueError: if a seed is given and no option draws random numbers.
    """
    weights = (w_ih, w_hh, b_ih, b_hh, extras)
    call = Call("lstm", x, (h_0, c_0), *weights, lengths, resets, seed, options)
    y, (h_n, c_n) = execute(call)
    return y, h_n, c_n


def gru(
    x: Tensor,
    h_0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    extras: Extras,
    lengths: Tensor | None,
    resets: Tensor | None,
    seed: Tensor | None,
    options: GRUOptions,
) -> tuple[Tensor, Tensor]:
    """Run a sequence through a GRU.

    Arguments and errors are those of :func:`lstm`, without ``c_0`` and with gate blocks r z n:
    w_ih (3H, I), w_hh (3H, H), biases (3H,).

    Returns:
        y (T, B, H), 0 beyond a length, and h_n (B, H).
    """
    weights = (w_ih, w_hh, b_ih, b_hh, extras)
    call = Call("gru", x, (h_0,), *weights, lengths, resets, seed, options)
    y, (h_n,) = execute(call)
    return y, h_n


def rnn(
    x: Tensor,
    h_0: Tensor,
    w_ih: Tensor,
    w_hh: Tensor,
    b_ih: Tensor | None,
    b_hh: Tensor | None,
    extras: Extras,
    lengths: Tensor | None,
    resets: Tensor | None,
    seed: Tensor | None,
    options: RNNOptions,
) -> tuple[Tensor, Tensor]:
    """Run a sequence through a simple RNN.

    Arguments and errors are those of :func:`lstm`, without ``c_0`` and with a single block:
    w_ih (H, I), w_hh (H, H), biases (H,).

    Returns:
        y (T, B, H), 0 beyond a length, and h_n (B, H).
    """
    weights = (w_ih, w_hh, b_ih, b_hh, extras)
    call = Call("rnn", x, (h_0,), *weights, lengths, resets, seed, options)
    y, (h_n,) = execute(call)
    return y, h_n
