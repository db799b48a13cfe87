"""The cpu backend: our own C++ recurrences (``native/``), for float32 and float64."""

from typing import Any

import torch
from torch import Tensor

from gatewise.ops import library
from gatewise.ops.buffers import buffers, saved_tensors_are_ours
from gatewise.ops.call import Call, Result
from gatewise.ops.derivatives import (
    DERIVATIVES,
    as_call,
    kernels_fall_short,
    reference_gradients,
)
from gatewise.ops.masks import make_masks
from gatewise.ops.native_call import (
    TYPES,
    WANTED_TARGET,
    Guides,
    Inputs,
    Manner,
    count_activations,
    describe,
    draw_stream,
    native,
    run_backward,
    run_forward,
    target,
)
from gatewise.ops.surroundings import is_traced, to_save, transform, wants_gradients

__all__ = ["DERIVATIVES", "WANTED_TARGET", "run", "slower", "target", "unsupported"]

_FEW_ROWS = 4  # T·B, below which packing large weights does not pay
_LARGE = 2**18  # elements of w_hh


def unsupported(call: Call) -> str | None:
    """Give the reason why the core cannot do the call, or None."""
    if native is None:
        return "it was not built when the package was installed"
    if not call.x.is_cpu:
        return "the input is not on a CPU"
    if call.x.dtype not in TYPES:
        return "it has float32 and float64 only"
    if looking := transform():
        return f"{looking} cannot look into it"
    return None


def slower(call: Call) -> str | None:
    """Give the reason why ``auto`` passes the core over for torch's kernels, or None.

    The core packs its weights in every call, and only loses where a GRU or RNN of many units takes
    a step or two of one sequence (torch packs an LSTM's, too): the grid in BENCHMARKS.md shows it.
    A traced graph is to be right for all sizes, so that those of one example decide nothing, and
    the core is a single node of it, where most of torch's kernels are unrolled.
    """
    if torch.compiler.is_compiling() or call.cell == "lstm":
        return None
    steps, batch = call.x.shape[:2]
    if steps * batch < _FEW_ROWS and call.w_hh.numel() >= _LARGE:
        return "packing so many weights costs more than so few steps"
    return None


def run(call: Call) -> Result:
    """Do the call."""
    outputs: tuple[Any, ...]
    inputs, is_seen = Inputs.of(call), is_traced(call.x, call.w_ih)
    manner, guides = describe(call, make_masks(call, None if is_seen else draw_stream))
    is_training = wants_gradients(inputs)
    if is_seen:
        outputs = library.recurrence(manner, guides, inputs, is_training=is_training)
    elif is_training:
        outputs = _Recurrence.apply(manner, guides, *inputs)
    else:
        outputs = run_forward(manner, guides, inputs, target())
    y, h_n, c_n, *_ = outputs
    return Result(y, (h_n,) if inputs.c_0 is None else (h_n, c_n))


class _Recurrence(torch.autograd.Function):
    """What ``library.recurrence`` does, at less cost a call."""

    @staticmethod
    def forward(ctx: Any, manner: Manner, guides: Guides, *tensors: Any) -> Any:
        inputs = Inputs(*tensors)
        kept = buffers.take(count_activations(manner, inputs), inputs.x)
        outputs = run_forward(manner, guides, inputs, target(), kept)
        ctx.manner, ctx.gives_back = manner, saved_tensors_are_ours()
        ctx.save_for_backward(*map(to_save, guides), *tensors, outputs[0], kept)
        ctx.set_materialize_grads(False)
        return outputs

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, dh_n: Tensor | None, dc_n: Tensor | None) -> Any:
        *tensors, y, kept = ctx.saved_tensors
        count = len(Guides._fields)
        call = ctx.manner, Guides(*tensors[:count]), Inputs(*tensors[count:])
        grads, needs = (dy, dh_n, dc_n), ctx.needs_input_grad[2:]
        if kernels_fall_short(grads):
            return None, None, *reference_gradients(*as_call(*call), grads, needs)
        is_last = not torch._C._autograd._get_current_graph_task_keep_graph()
        if not is_last:
            kept = kept.clone()  # another backward will follow, and this one overwrites it
        found = run_backward(*call, (y, kept), grads, needs, target())
        if is_last and ctx.gives_back:
            buffers.give(kept)
        return None, None, *found
