"""Gradients of the kernels' calls that can be differentiated in turn: the reference's."""

from typing import Any

import torch
from torch import Tensor

from gatewise.ops import reference
from gatewise.ops.call import OPTIONS, Call, CellName
from gatewise.ops.masks import Masks
from gatewise.ops.native_call import Guides, Inputs, Manner
from gatewise.ops.surroundings import is_batched

Gradients = tuple[Tensor | None, ...]

DERIVATIVES = (
    "the first by its own kernels, higher ones by the reference; for forward mode and torch.func "
    "'auto' takes the reference"
)


def kernels_fall_short(grads: Gradients) -> bool:
    """Say whether a backward must be the reference's.

    It must where gradients are to be differentiated in turn, and where ``grads`` are many at once,
    as ``torch.autograd.grad(is_grads_batched=True)`` gives them.
    """
    return torch.is_grad_enabled() or any(is_batched(grad) for grad in grads)


def reference_gradients(
    call: Call, masks: Masks, grads: Gradients, needs: tuple[bool, ...]
) -> list[Tensor | None]:
    """Give gradients from the reference run again; they can be differentiated, where wanted.

    Args:
        call: what was done.
        masks: its masks.
        grads: dy, dh_n and, for the LSTM, dc_n.
        needs: which of the call's ``Inputs`` want a gradient.
    """
    with torch.enable_grad():
        result = reference.run(call, masks)
    wanted: Any = [t for t, needed in zip(Inputs.of(call), needs, strict=True) if needed]
    pairs = [
        (out, grad)
        for out, grad in zip(result.flat(), grads, strict=False)
        if grad is not None and out.requires_grad  # no step: h_n is h_0
    ]
    if not pairs:
        return [torch.zeros_like(wanted.pop(0)) if needed else None for needed in needs]
    outs, given = zip(*pairs, strict=True)
    settings = {"create_graph": torch.is_grad_enabled(), "materialize_grads": True}
    found = iter(torch.autograd.grad(outs, wanted, given, **settings))
    return [next(found) if needed else None for needed in needs]


def as_call(manner: Manner, guides: Guides, inputs: Inputs) -> tuple[Call, Masks]:
    """Give the call, and its masks, that ``native_call.describe`` put into the core's terms."""
    cell: Any = manner.cell.split("_")[0]
    call = inputs.to_call(cell, guides.lengths, guides.resets, _options(cell, manner))
    drawn, shares = (guides.keep_h, guides.keep_c), (manner.zoneout_h, manner.zoneout_c)
    keep = tuple(share or None if k is None else k for k, share in zip(drawn, shares, strict=True))
    return call, Masks(guides.recurrent_mask, keep[: len(call.state)])


def _options(cell: CellName, manner: Manner) -> Any:
    own: dict[CellName, dict[str, Any]] = {
        "lstm": {
            "output_activation": "identity" if manner.identity else "tanh",
            "coupled": manner.cell == "lstm_coupled",
        },
        "gru": {"reset_after": manner.cell != "gru_reset_before"},
        "rnn": {"nonlinearity": "relu" if manner.relu else "tanh"},
    }
    return OPTIONS[cell](reverse=manner.reverse, **own[cell])
