"""Calls of the native core: its structures filled with addresses, its gradients brought home."""

from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from gatewise.ops.call import Call
from gatewise.ops.masks import Masks
from gatewise.ops.walk import plan_walk
from gatewise.ops.weights import GATES

native: Any
try:
    native = import_module("gatewise.ops._native")
except ImportError:  # installed without a compiler
    native = None

TYPES = {torch.float32: "Float32", torch.float64: "Float64"}

# Where the blocks of the GRU's input weights, r z n, stand among the gradients' n r z u.
_GRU_INPUT_BLOCKS = (1, 2, 0)

# Saved activations, (T, B, blocks, Hp), and c after each step, (T, B, Hp), LSTM.
Activations = tuple[Tensor | None, Tensor | None]


class Inputs(NamedTuple):
    """The tensors of a call that may want gradients."""

    x: Tensor
    h_0: Tensor
    c_0: Tensor | None
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_peephole: Tensor | None
    initial_h: Tensor | None
    initial_c: Tensor | None

    @classmethod
    def of(cls, call: Call) -> "Inputs":
        """Take them out of a call."""
        h_0, *c_0 = call.state
        weights = (call.w_ih, call.w_hh, call.b_ih, call.b_hh)
        learned = (call.extras.initial_h, call.extras.initial_c)
        return cls(call.x, h_0, c_0[0] if c_0 else None, *weights, call.extras.w_peephole, *learned)

    def detach(self) -> "Inputs":
        """Give the same without history."""
        bare: Any = (t if t is None else t.detach() for t in self)
        return Inputs(*bare)


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
    call: Call, masks: Masks, inputs: Inputs, target: str, is_training: bool
) -> tuple[tuple[Tensor, ...], Activations]:
    """Run the core forward.

    Returns:
        (y, h_n) or (y, h_n, c_n), and what the backward needs, if ``is_training``.
    """
    given = _fill(call, masks, inputs)
    steps, batch, _ = inputs.x.shape
    units, is_lstm = inputs.w_hh.shape[1], call.cell == "lstm"
    wide = native.padded(units)
    blocks = native.saved_blocks(given.filled.cell, given.filled.coupled)
    new = inputs.x.new_empty
    y, h_n = new(steps, batch, units), new(batch, units)
    c_n = new(batch, units) if is_lstm else None
    saved = new(steps, batch, blocks, wide) if is_training else None
    cells = new(steps, batch, wide) if is_training and is_lstm else None
    given.point(y=y, h_n=h_n, c_n=c_n, saved=saved, cells=cells)
    native.forward(given.filled, target, torch.get_num_threads())
    return (y, h_n) if c_n is None else (y, h_n, c_n), (saved, cells)


def run_backward(
    call: Call,
    masks: Masks,
    inputs: Inputs,
    activations: tuple[Tensor, Tensor, Tensor | None],
    grads: tuple[Tensor | None, ...],
    needs: Any,
    target: str,
) -> list[Tensor | None]:
    """Give the gradients of the inputs.

    Args:
        call: the call.
        masks: those of the forward.
        inputs: its tensors.
        activations: y, and what ``run_forward`` saved.
        grads: dy, dh_n and dc_n.
        needs: an ``Inputs`` of bools.
        target: the instruction set.
    """
    y, saved, cells = activations
    given, wanted = _fill(call, masks, inputs), _Structure("Gradients", inputs.x.dtype)
    given.point(y=y, saved=saved, cells=cells)
    wanted.point(**dict(zip(("dy", "dh_n", "dc_n"), grads, strict=False)))
    small = ("h_0", "c_0", "w_peephole", "initial_h", "initial_c")
    found = {
        name: None if like is None else like.new_empty(like.shape)
        for name in small
        for like in (getattr(inputs, name),)
    }
    dgates = torch.empty_like(saved)
    wanted.point(dgates=dgates, **{f"d{name}": gradient for name, gradient in found.items()})
    native.backward(given.filled, wanted.filled, target, torch.get_num_threads())
    found |= _weight_gradients(call, masks, inputs, y, dgates, needs)
    return [found[name] if needed else None for name, needed in needs._asdict().items()]


def _gates(call: Call) -> int:
    return GATES[call.cell] - getattr(call.options, "coupled", False)


def _fill(call: Call, masks: Masks, inputs: Inputs) -> _Structure:
    """Fill the core's structure with all that is given."""
    options, structure = call.options, _Structure("Call", inputs.x.dtype)
    filled = structure.filled
    filled.cell = getattr(native.Cell, call.cell)
    filled.reverse = options.reverse
    filled.coupled = getattr(options, "coupled", False)
    filled.identity = getattr(options, "output_activation", "tanh") == "identity"
    filled.relu = getattr(options, "nonlinearity", "tanh") == "relu"
    filled.steps, filled.batch, filled.inputs = inputs.x.shape
    filled.units = inputs.w_hh.shape[1]
    structure.point(**inputs._asdict())
    structure.point(lengths=call.lengths, resets=call.resets, recurrent_mask=masks.recurrent)
    for part, keep in zip("hc", masks.keep, strict=False):
        if isinstance(keep, Tensor):
            structure.point(**{f"keep_{part}": keep})
        elif keep is not None:
            setattr(filled, f"zoneout_{part}", keep)
    return structure


def _weight_gradients(
    call: Call, masks: Masks, inputs: Inputs, y: Tensor, dgates: Tensor, needs: Any
) -> dict[str, Tensor | None]:
    """Give dx, dw_ih, dw_hh, db_ih and db_hh from the gradients of the pre-activations."""
    gates, wide, units = _gates(call), dgates.shape[-1], inputs.w_hh.shape[1]
    order = _GRU_INPUT_BLOCKS if call.cell == "gru" else tuple(range(gates))
    flat = dgates.flatten(0, 1).flatten(1)  # (T·B, blocks·Hp)
    of_input, of_state = flat[:, : gates * wide], flat[:, -gates * wide :]

    def trim(rows: Tensor) -> Tensor:
        """Cut the padding off (G·Hp, ...)."""
        return rows.unflatten(0, (gates, wide))[:, :units]

    def in_order(rows: Tensor) -> Tensor:
        """Bring the input's rows, without padding, into torch's order."""
        return torch.cat([trim(rows)[block] for block in order])

    found: dict[str, Tensor | None] = dict.fromkeys(("x", "w_ih", "w_hh", "b_ih", "b_hh"))
    if needs.x:
        blocks = inputs.w_ih.unflatten(0, (gates, units))
        blocks = torch.stack([blocks[order.index(block)] for block in range(gates)])
        weight = F.pad(blocks, (0, 0, 0, wide - units)).flatten(0, 1)  # (G·Hp, I)
        found["x"] = (of_input @ weight).view_as(inputs.x)
    if needs.w_ih:
        found["w_ih"] = in_order(of_input.t() @ inputs.x.flatten(0, 1))
    if needs.w_hh:
        seen = _seen_by_w_hh(call, masks, inputs, y)
        found["w_hh"] = trim(of_state.t() @ seen.flatten(0, 1)).flatten(0, 1)
    if needs.b_ih:
        found["b_ih"] = in_order(of_input.sum(0))
    if needs.b_hh:
        found["b_hh"] = trim(of_state.sum(0)).flatten(0, 1)
    return found


def _seen_by_w_hh(call: Call, masks: Masks, inputs: Inputs, y: Tensor) -> Tensor:
    """Give the hidden state that W_hh saw at each step, (T, B, H)."""
    steps, h_0 = len(y), inputs.h_0.unsqueeze(0)  # (1, B, H)
    walk = plan_walk(steps, call.lengths, call.resets, reverse=call.options.reverse)
    if steps == 0:
        return y
    seen = torch.cat([y[1:], h_0] if call.options.reverse else [h_0, y[:-1]])
    if call.options.reverse and call.lengths is not None:
        is_last = torch.arange(steps).unsqueeze(1) == call.lengths - 1  # (T, B)
        seen = torch.where(is_last.unsqueeze(-1), h_0, seen)
    if walk.cuts is not None:
        fresh = seen.new_zeros(()) if inputs.initial_h is None else inputs.initial_h
        seen = torch.where(walk.cuts, fresh, seen)
    return seen if masks.recurrent is None else seen * masks.recurrent
