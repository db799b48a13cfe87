"""Calls of the native core: its structures filled with addresses of tensors."""

from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.ops.call import Call
from gatewise.ops.masks import Masks

native: Any
try:
    native = import_module("gatewise.ops._native")
except ImportError:  # installed without a compiler
    native = None

TYPES = {torch.float32: "Float32", torch.float64: "Float64"}


class Inputs(NamedTuple):
    """The tensors of a call that may want gradients."""

    x: Tensor
    h_0: Tensor
    c_0: Tensor | None
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_hr: Tensor | None
    w_peephole: Tensor | None
    w_ln_ih: Tensor | None
    w_ln_hh: Tensor | None
    w_ln_c: Tensor | None
    b_ln_c: Tensor | None
    initial_h: Tensor | None
    initial_c: Tensor | None

    @classmethod
    def of(cls, call: Call) -> "Inputs":
        """Take them out of a call."""
        h_0, *c_0 = call.state
        weights = (call.w_ih, call.w_hh, call.b_ih, call.b_hh)
        return cls(call.x, h_0, c_0[0] if c_0 else None, *weights, *call.extras)


class Guides(NamedTuple):
    """The tensors of a call that never want gradients: where it goes, and its masks."""

    lengths: Tensor | None
    resets: Tensor | None
    recurrent_mask: Tensor | None
    keep_h: Tensor | None
    keep_c: Tensor | None


class Manner(NamedTuple):
    """How a call runs, without tensors; as the core names it."""

    cell: str
    reverse: bool
    identity: bool
    relu: bool
    zoneout_h: float
    zoneout_c: float


def describe(call: Call, masks: Masks) -> tuple[Manner, Guides]:
    """Say how a call runs, in the core's terms."""
    options, keep = call.options, (*masks.keep, None)[:2]
    shares = (k if isinstance(k, float) else 0.0 for k in keep)
    cell: str = call.cell
    if getattr(options, "coupled", False):
        cell = "lstm_coupled"
    if not getattr(options, "reset_after", True):
        cell = "gru_reset_before"
    identity = getattr(options, "output_activation", "tanh") == "identity"
    relu = getattr(options, "nonlinearity", "tanh") == "relu"
    guides = (k if isinstance(k, Tensor) else None for k in keep)
    return (
        Manner(cell, options.reverse, identity, relu, *shares),
        Guides(call.lengths, call.resets, masks.recurrent, *guides),
    )


class _Structure:
    """One of the core's structures, and what keeps alive the tensors that it points to."""

    def __init__(self, kind: str, dtype: torch.dtype) -> None:
        self.filled = getattr(native, kind + TYPES[dtype])()
        self.alive: list[Tensor] = []

    def point(self, **tensors: Tensor | None) -> None:
        """Point to dense copies of tensors, or to themselves where they are dense."""
        for name, tensor in tensors.items():
            if tensor is not None:
                self.alive.append(tensor.contiguous())
                setattr(self.filled, name, self.alive[-1].data_ptr())


def run_forward(
    manner: Manner, guides: Guides, inputs: Inputs, target: str, *, is_training: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the core forward.

    Returns:
        y, h_n, c_n (empty but for the LSTM), and what the backward needs (empty unless
        ``is_training``).
    """
    given, new = _fill(manner, guides, inputs), inputs.x.new_empty
    steps, batch = inputs.x.shape[:2]
    size = steps * batch * native.activations(given.filled, target) if is_training else 0
    y, h_n = new(steps, batch, inputs.h_0.shape[1]), new(inputs.h_0.shape)
    c_n = new(0) if inputs.c_0 is None else new(inputs.c_0.shape)
    activations = new(size)
    given.point(y=y, h_n=h_n, c_n=c_n, activations=activations if is_training else None)
    native.forward(given.filled, target, torch.get_num_threads())
    return y, h_n, c_n, activations


def run_backward(
    manner: Manner,
    guides: Guides,
    inputs: Inputs,
    activations: tuple[Tensor, Tensor],
    grads: tuple[Tensor | None, Tensor | None, Tensor | None],
    needs: tuple[bool, ...],
    target: str,
) -> list[Tensor | None]:
    """Give the gradients of the inputs.

    Args:
        manner: how the forward ran.
        guides: its other tensors.
        inputs: its tensors.
        activations: y, and what ``run_forward`` kept, which is overwritten.
        grads: dy, dh_n and dc_n.
        needs: which of the inputs want one.
        target: the instruction set.
    """
    given, wanted = _fill(manner, guides, inputs), _Structure("Gradients", inputs.x.dtype)
    y, kept = activations
    given.point(y=y, activations=kept)
    wanted.point(**dict(zip(("dy", "dh_n", "dc_n"), grads, strict=True)))
    found: dict[str, Tensor | None] = {}
    for (name, tensor), needed in zip(inputs._asdict().items(), needs, strict=True):
        is_wanted = tensor is not None and (needed or name in ("h_0", "c_0"))
        found[name] = tensor.new_empty(tensor.shape) if is_wanted else None  # type: ignore[union-attr]
    wanted.point(**{f"d{name}": gradient for name, gradient in found.items()})
    native.backward(given.filled, wanted.filled, target, torch.get_num_threads())
    return [found[name] if needed else None for name, needed in zip(found, needs, strict=True)]


def _fill(manner: Manner, guides: Guides, inputs: Inputs) -> _Structure:
    """Fill the core's structure with all that is given."""
    structure = _Structure("Call", inputs.x.dtype)
    filled = structure.filled
    for name, value in manner._asdict().items():
        setattr(filled, name, getattr(native.Cell, value) if name == "cell" else value)
    filled.steps, filled.batch, filled.inputs = inputs.x.shape
    filled.units = inputs.w_hh.shape[0] // _GATES[manner.cell]
    filled.outputs = inputs.w_hh.shape[1]
    structure.point(**inputs._asdict())
    structure.point(**guides._asdict())
    return structure


_GATES = {"lstm": 4, "lstm_coupled": 3, "gru": 3, "gru_reset_before": 3, "rnn": 1}
