"""The operators of ``torch.library``: one node each in a traced graph, whatever T is.

``gatewise::recurrence`` takes the fields of ``Manner``, ``Guides`` and ``Inputs``, one after the
other, and gives what the core's ``run_forward`` gives; ``gatewise::recurrence_backward`` gives the
gradients; ``gatewise::draw_bits`` draws the bits of masks.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.ops.derivatives import Gradients, as_call, kernels_fall_short, reference_gradients
from gatewise.ops.masks import draw_stream
from gatewise.ops.native_call import (
    Guides,
    Inputs,
    Manner,
    count_activations,
    run_backward,
    run_forward,
    target,
)

_TYPES = {Tensor: "Tensor", Tensor | None: "Tensor?", str: "str", bool: "bool", float: "float"}

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]  # y, h_n, c_n, activations


class Recurrence(NamedTuple):
    """One recurrence, all that the core is told of it."""

    manner: Manner
    guides: Guides
    inputs: Inputs

    @classmethod
    def parse(cls, arguments: Sequence[Any]) -> tuple["Recurrence", tuple[Any, ...]]:
        """Take it from an operator's arguments; give also those that follow."""
        rest, parts = tuple(arguments), []
        for kind in (Manner, Guides, Inputs):
            size = len(kind._fields)
            parts.append(kind(*rest[:size]))
            rest = rest[size:]
        return cls(*parts), rest  # type: ignore[arg-type]


def recurrence(manner: Manner, guides: Guides, inputs: Inputs, *, is_training: bool) -> Outputs:
    """Do as ``run_forward`` does, so that tracing sees it and autograd goes through it."""
    return torch.ops.gatewise.recurrence(*manner, *guides, *inputs, is_training)


def _schema_of(*kinds: type) -> str:
    fields = [field for kind in kinds for field in kind.__annotations__.items()]
    return ", ".join(f"{_TYPES[kind]} {name}" for name, kind in fields)


def _forward(*arguments: Any) -> Outputs:
    call, (is_training,) = Recurrence.parse(arguments)
    new_zeros, size = call.inputs.x.new_zeros, count_activations(call.manner, call.inputs)
    # What an operator gives is a function of its arguments, also where nobody reads it.
    activations = new_zeros(size if is_training else 0)
    y, h_n, c_n = run_forward(*call, target(), activations if is_training else None)
    return y, h_n, new_zeros(0) if c_n is None else c_n, activations


def _fake_forward(*arguments: Any) -> Outputs:
    (manner, _, inputs), (is_training,) = Recurrence.parse(arguments)
    steps, batch = inputs.x.shape[:2]
    new, size = inputs.x.new_empty, count_activations(manner, inputs) if is_training else 0
    y, h_n = new(steps, batch, inputs.h_0.shape[1]), new(inputs.h_0.shape)
    c_n = new(0) if inputs.c_0 is None else new(inputs.c_0.shape)
    return y, h_n, c_n, new(size)


def _backward(*arguments: Any) -> list[Tensor]:
    call, (y, activations, dy, dh_n, dc_n, needs) = Recurrence.parse(arguments)
    # An operator leaves its arguments as they are, and the core does not.
    kept = (y.contiguous(), activations.clone())
    found = run_backward(*call, kept, (dy, dh_n, dc_n), tuple(needs), target())
    return [gradient for gradient in found if gradient is not None]


def _fake_backward(*arguments: Any) -> list[Tensor]:
    (_, _, inputs), (*_, needs) = Recurrence.parse(arguments)
    wanted = (t for t, needed in zip(inputs, needs, strict=True) if needed)
    return [t.new_empty(t.shape) for t in wanted if t is not None]


def _keep(ctx: Any, inputs: tuple[Any, ...], output: Outputs) -> None:
    (manner, *tensors), (is_training,) = Recurrence.parse(inputs)
    y, *_, activations = output
    ctx.manner, ctx.is_training = manner, is_training
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(activations)
    ctx.save_for_backward(*(t for part in tensors for t in part), y, activations)


def _differentiate(ctx: Any, *grads: Tensor | None) -> Gradients:
    if not ctx.is_training:
        raise RuntimeError("gatewise::recurrence was run without is_training: no gradients.")
    *tensors, y, activations = ctx.saved_tensors
    call, _ = Recurrence.parse((*ctx.manner, *tensors))
    first = len(call.manner) + len(call.guides)
    needs = tuple(ctx.needs_input_grad[first : first + len(call.inputs)])
    if kernels_fall_short(grads[:3]):
        found = reference_gradients(*as_call(*call), grads[:3], needs)
    else:
        operator = torch.ops.gatewise.recurrence_backward
        given = iter(operator(*ctx.manner, *tensors, y, activations, *grads[:3], needs))
        found = [next(given) if needed else None for needed in needs]
    return (*(None for _ in range(first)), *found, None)


def _fake_draw(seed: Tensor, *sizes: Any) -> Tensor:
    *shape, _, _, device = sizes
    return seed.new_empty(shape, dtype=torch.bool, device=device)


_CALL = _schema_of(Manner, Guides, Inputs)
_LIBRARY = torch.library.Library("gatewise", "DEF")


def _define(name: str, schema: str, key: str, run: Callable[..., Any], fake: Any) -> None:
    _LIBRARY.define(name + schema, tags=(torch.Tag.pt2_compliant_tag,))
    _LIBRARY.impl(name, run, key)
    torch.library.register_fake(f"gatewise::{name}", fake, lib=_LIBRARY)


_define(
    "recurrence",
    f"({_CALL}, bool is_training) -> (Tensor y, Tensor h_n, Tensor c_n, Tensor activations)",
    "CPU",
    _forward,
    _fake_forward,
)
_define(
    "recurrence_backward",
    f"({_CALL}, Tensor y, Tensor activations, Tensor? dy, Tensor? dh_n, Tensor? dc_n, "
    "bool[] needs) -> Tensor[]",
    "CPU",
    _backward,
    _fake_backward,
)
_define(
    "draw_bits",
    "(Tensor seed, SymInt steps, SymInt batch, SymInt units, int stream, float p, Device device)"
    " -> Tensor",
    "CompositeExplicitAutograd",
    draw_stream,
    _fake_draw,
)
torch.library.register_autograd(
    "gatewise::recurrence", _differentiate, setup_context=_keep, lib=_LIBRARY
)
