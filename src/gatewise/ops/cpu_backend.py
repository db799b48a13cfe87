"""The cpu backend: our own C++ recurrences (``native/``), for float32 and float64."""

import os
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from gatewise.ops import reference
from gatewise.ops.call import Call, Extras, Result
from gatewise.ops.masks import Masks, make_masks
from gatewise.ops.native_call import TYPES, Inputs, describe, native, run_backward, run_forward

DERIVATIVES = "derivatives of any order in reverse mode, the first by its own kernels"

WANTED_TARGET = "GATEWISE_CPU"  # an environment variable
_LEAST_ROWS = 16  # T·B, from which on packing the weights pays
_LEAST_BATCH = 8  # rows from which on training an LSTM is faster than torch's


def unsupported(call: Call) -> str | None:
    """Give the reason why the core cannot do the call, or None."""
    tests = (
        (native is None, "it was not built when the package was installed"),
        (call.x.device.type != "cpu", "the input is not on a CPU"),
        (call.x.dtype not in TYPES, "it has float32 and float64 only"),
        (torch.compiler.is_compiling(), "torch.compile cannot look into it"),
        (
            torch._C._functorch.peek_interpreter_stack() is not None,
            "the transforms of torch.func cannot look into it",
        ),
        (
            torch.autograd.forward_ad._current_level >= 0,
            "it has no forward-mode derivatives",
        ),
    )
    return next((reason for applies, reason in tests if applies), None)


def slower(call: Call) -> str | None:
    """Give the reason why ``auto`` passes the core over for torch's kernels, or None.

    BENCHMARKS.md has the measurements: of all that torch can do, only its plain float32 LSTM is
    one dense call, and as fast or faster where no gradients are wanted or the batch is small.
    """
    if call.x.shape[0] * call.x.shape[1] < _LEAST_ROWS:
        return "packing its weights costs more than so few steps of so few sequences"
    is_dense = call.cell == "lstm" and call.lengths is None and call.x.dtype == torch.float32
    if is_dense and (call.x.shape[1] < _LEAST_BATCH or not wants_gradients(Inputs.of(call))):
        return "torch's dense LSTM is faster for so small a batch or without gradients"
    return None


def target() -> str:
    """The instruction set that runs: the widest there is, or the one ``GATEWISE_CPU`` names.

    Raises:
        ValueError: if it names one that this machine does not have.
    """
    return _find_target(os.environ.get(WANTED_TARGET))


@cache
def _find_target(wanted: str | None) -> str:
    offered = native.available_targets()
    if wanted is None:
        return offered[0]
    if wanted not in offered:
        raise ValueError(
            f"{WANTED_TARGET}={wanted!r} is no instruction set that this machine and this build "
            f"have; choose one of {', '.join(offered)}, or leave the variable out."
        )
    return wanted


def run(call: Call) -> Result:
    """Do the call."""
    masks, inputs = make_masks(call), Inputs.of(call)
    if wants_gradients(inputs):
        y, *state = _Recurrence.apply(call, masks, *inputs)
    else:
        y, *state = _outputs(inputs, _forward(call, masks, inputs, is_training=False))
    return Result(y, tuple(state))


def wants_gradients(tensors: Iterable[Tensor | None]) -> bool:
    """Say whether autograd will ask for any of the tensors' gradients."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def _forward(call: Call, masks: Masks, inputs: Inputs, *, is_training: bool) -> Any:
    return run_forward(*describe(call, masks), inputs, target(), is_training=is_training)


def _outputs(inputs: Inputs, outputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Take y and the state, of one part or two, out of what the core gave."""
    return outputs[:2] if inputs.c_0 is None else outputs[:3]


class _Recurrence(torch.autograd.Function):
    """The recurrence with its own backward, whose derivative is again the reference's."""

    @staticmethod
    def forward(ctx: Any, call: Call, masks: Masks, *tensors: Any) -> Any:
        inputs = Inputs(*tensors)
        *outputs, kept = _forward(call, masks, inputs, is_training=True)
        ctx.call, ctx.masks = _without_tensors(call), masks
        ctx.save_for_backward(*tensors, outputs[0], kept)
        ctx.set_materialize_grads(False)
        return _outputs(inputs, tuple(outputs))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        *tensors, y, kept = ctx.saved_tensors
        inputs, needs = Inputs(*tensors), ctx.needs_input_grad[2:]
        if torch.is_grad_enabled():  # the gradients are to be differentiated in turn
            return None, None, *_reference_gradients(ctx.call, ctx.masks, inputs, grads, needs)
        if torch._C._autograd._get_current_graph_task_keep_graph():
            kept = kept.clone()  # another backward may follow, and this one overwrites it
        manner, guides = describe(ctx.call, ctx.masks)
        given = (*grads, None, None)[:3]
        found = run_backward(manner, guides, inputs, (y, kept), given, needs, target())
        return None, None, *found


def _without_tensors(call: Call) -> Call:
    """Drop the tensors that autograd keeps, so that it alone says how long they live."""
    none: Any = dict.fromkeys(("x", "w_ih", "w_hh", "b_ih", "b_hh", "seed"))
    return call._replace(state=(), extras=Extras(), **none)


def _reference_gradients(
    call: Call,
    masks: Masks,
    inputs: Inputs,
    grads: tuple[Tensor | None, ...],
    needs: tuple[bool, ...],
) -> list[Tensor | None]:
    """Give gradients that can be differentiated, from the reference run again."""
    again = call._replace(
        x=inputs.x,
        state=tuple(s for s in (inputs.h_0, inputs.c_0) if s is not None),
        extras=Extras(**{name: getattr(inputs, name) for name in Extras._fields}),
        **{name: getattr(inputs, name) for name in ("w_ih", "w_hh", "b_ih", "b_hh")},
    )
    result = reference.run(again, masks)
    pairs = [
        (out, grad)
        for out, grad in zip((result.y, *result.state), grads, strict=True)
        if grad is not None
    ]
    wanted: Any = [t for t, needed in zip(inputs, needs, strict=True) if needed]
    outs, given = zip(*pairs, strict=True)
    found = iter(
        torch.autograd.grad(outs, wanted, given, create_graph=True, materialize_grads=True)
    )
    return [next(found) if needed else None for needed in needs]
