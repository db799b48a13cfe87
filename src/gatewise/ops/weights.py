"""The weights of one layer in one direction, and their shapes."""

from typing import NamedTuple

from torch import Tensor

from gatewise.ops.call import CellName, Extras

GATES: dict[CellName, int] = {"lstm": 4, "gru": 3, "rnn": 1}  # blocks of the weights


class Weights(NamedTuple):
    """The weights of one layer in one direction, in torch's order and then those it lacks.

    Attributes:
        w_ih: (G·H, I).
        w_hh: (G·H, H), or (G·H, P) with a projection.
        b_ih: (G·H,), or None.
        b_hh: (G·H,), or None.
        w_hr: the projection, (P, H), or None.
        w_peephole: the LSTM's peepholes, (3H,), blocks i f o; coupled (2H,), i o; or None.
        w_ln_ih: gain of the layer norm of W_ih x, (G·H,), or None.
        w_ln_hh: gain of the layer norm of W_hh h, (G·H,), or None.
        w_ln_c: gain of the layer norm of the LSTM's c, (H,), or None.
        b_ln_c: shift of that layer norm, (H,), or None.
        initial_h: the learned h before the first step, (H,) or (P,), or None.
        initial_c: the learned c before the first step, (H,), or None.
    """

    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None = None
    b_hh: Tensor | None = None
    w_hr: Tensor | None = None
    w_peephole: Tensor | None = None
    w_ln_ih: Tensor | None = None
    w_ln_hh: Tensor | None = None
    w_ln_c: Tensor | None = None
    b_ln_c: Tensor | None = None
    initial_h: Tensor | None = None
    initial_c: Tensor | None = None

    @property
    def extras(self) -> Extras:
        """The weights that only some calls have: all behind the first four, in the same order."""
        return Extras._make(self[4:])


def weight_shapes(
    cell: CellName,
    inputs: int,
    hidden: int,
    *,
    bias: bool = True,
    proj: int = 0,
    coupled: bool = False,
    peephole: bool = False,
    layer_norm: bool = False,
    learn_initial_state: bool = False,
) -> dict[str, tuple[int, ...]]:
    """Give the shapes of the weights that exist, by the fields of ``Weights`` and in their order.

    Args:
        cell: whose weights these are.
        inputs: width of the input to this layer.
        hidden: H.
        bias: whether there are biases.
        proj: P, 0 for none.
        coupled: one gate less.
        peephole: whether there are peepholes.
        layer_norm: whether there are gains.
        learn_initial_state: whether the initial state is a weight.
    """
    gates, width, is_lstm = GATES[cell] - coupled, proj or hidden, cell == "lstm"
    rows = gates * hidden
    exists = {
        "b_ih": bias,
        "b_hh": bias,
        "w_hr": proj > 0,
        "w_peephole": peephole,
        "w_ln_ih": layer_norm,
        "w_ln_hh": layer_norm,
        "w_ln_c": layer_norm and is_lstm,
        "b_ln_c": layer_norm and is_lstm and bias,
        "initial_h": learn_initial_state,
        "initial_c": learn_initial_state and is_lstm,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "w_ih": (rows, inputs),
        "w_hh": (rows, width),
        "b_ih": (rows,),
        "b_hh": (rows,),
        "w_hr": (proj, hidden),
        "w_peephole": ((gates - 1) * hidden,),
        "w_ln_ih": (rows,),
        "w_ln_hh": (rows,),
        "w_ln_c": (hidden,),
        "b_ln_c": (hidden,),
        "initial_h": (width,),
        "initial_c": (hidden,),
    }
    return {field: shape for field, shape in shapes.items() if exists.get(field, True)}
