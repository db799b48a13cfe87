"""Calls of the native core: its structures, and the tensors that they point to."""

import os
import warnings
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.ops.buffers import buffers
from gatewise.ops.call import Call
from gatewise.ops.masks import Masks, make_masks

native: Any
try:
    native = import_module("gatewise.ops._native")
except ModuleNotFoundError:
    native = None
    warnings.warn(
        "gatewise was installed without its C++ core: layers are slower, most options run step by "
        "step, and freeze() is missing. Install a C++20 compiler, then gatewise again; with "
        "GATEWISE_NATIVE=required in the environment, pip shows what fails.",
        RuntimeWarning,
        stacklevel=2,
    )

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


def run_forward(
    manner: Manner,
    guides: Guides,
    inputs: Inputs,
    target: str,
    *,
    is_training: bool,
    zeroed: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run the core forward.

    Args:
        manner: how to run.
        guides: lengths, cuts and masks.
        inputs: the other tensors.
        target: the instruction set.
        is_training: whether a backward may follow.
        zeroed: whether what the backward needs is 0 in places that are never read, rather than
            anything.

    Returns:
        y, h_n, c_n (empty but for the LSTM), and what the backward needs (empty unless
        ``is_training``).
    """
    x, h_0, c_0 = inputs[:3]
    given, alive = _fill(manner, guides, inputs)
    steps, batch = x.shape[:2]
    size = steps * batch * count_activations(manner, inputs) if is_training else 0
    y, h_n = x.new_empty(steps, batch, h_0.shape[1]), x.new_empty(h_0.shape)
    c_n = x.new_empty(0) if c_0 is None else x.new_empty(c_0.shape)
    activations = x.new_zeros(size) if zeroed else buffers.take(size, x)
    given.give(y.data_ptr(), h_n.data_ptr(), c_n.data_ptr(), activations.data_ptr())
    native.forward(given, target, torch.get_num_threads())
    del alive
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
    given, alive = _fill(manner, guides, inputs)
    y, kept = activations
    given.give(y.data_ptr(), 0, 0, kept.data_ptr())
    dense = [None if grad is None else _dense(grad) for grad in grads]
    found: list[Tensor | None] = []
    for name, tensor, needed in zip(Inputs._fields, inputs, needs, strict=True):
        is_wanted = tensor is not None and (needed or name in ("h_0", "c_0"))
        found.append(tensor.new_empty(tensor.shape) if is_wanted else None)  # type: ignore[union-attr]
    wanted = getattr(native, f"Gradients{TYPES[inputs.x.dtype]}")(
        _addresses(dense), _addresses(found)
    )
    native.backward(given, wanted, target, torch.get_num_threads())
    del alive
    return [gradient if needed else None for gradient, needed in zip(found, needs, strict=True)]


def _fill(manner: Manner, guides: Guides, inputs: Inputs) -> tuple[Any, list[Tensor | None]]:
    """Fill the core's structure with all that goes in.

    Returns:
        The structure, and the tensors that it points to, which must outlive its use.

    Raises:
        ValueError: if a tensor has another dtype than it must, is not on the CPU, or has not as
            many elements as the sizes of the input and of w_hh want; if lengths go beyond the
            input.
    """
    dtype, (steps, batch, features) = inputs.x.dtype, inputs.x.shape
    rows, outputs = inputs.w_hh.shape
    units = rows // _GATES[manner.cell]
    cell, *rest = manner
    structure = getattr(native, f"Call{TYPES[dtype]}")(
        getattr(native.Cell, cell), *rest, (steps, batch, features, units, outputs)
    )
    for name, tensor in zip(Inputs._fields, inputs, strict=True):
        if tensor is not None and tensor.dtype != dtype:
            raise ValueError(f"x has dtype {dtype}, so {name} must have too; got {tensor.dtype}.")
    for name, wanted in (("lengths", torch.int64), ("resets", torch.bool)):
        guide = getattr(guides, name)
        if guide is not None and guide.dtype != wanted:
            raise ValueError(f"{name} must have dtype {wanted}; got {guide.dtype}.")
    for name, tensor in zip(inputs._fields + guides._fields, (*inputs, *guides), strict=True):
        if tensor is not None and not tensor.is_cpu:
            raise ValueError(f"x is on the CPU, so {name} must be too; it is on {tensor.device}.")
    alive = [None if tensor is None else _dense(tensor) for tensor in (*inputs, *guides)]
    structure.take(_addresses(alive), [-1 if t is None else t.numel() for t in alive])
    return structure, alive


def _dense(tensor: Tensor) -> Tensor:
    """Give the tensor itself, or a copy where its memory is not just its numbers in order."""
    return (tensor.resolve_neg() if tensor.is_neg() else tensor).contiguous()


def _addresses(tensors: Iterable[Tensor | None]) -> list[int]:
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


_GATES = {"lstm": 4, "lstm_coupled": 3, "gru": 3, "gru_reset_before": 3, "rnn": 1}


WANTED_TARGET = "GATEWISE_CPU"  # an environment variable


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


def count_activations(manner: Manner, inputs: Inputs) -> int:
    """Count what the backward needs, in elements a row and step; the tensors may be fake."""
    rows, outputs = map(int, inputs.w_hh.shape)
    has = (inputs.w_hr is not None, inputs.w_ln_hh is not None)
    cell = getattr(native.Cell, manner.cell)
    size: int = native.activations(cell, rows // _GATES[manner.cell], outputs, *has)
    return size


def freeze(call: Call) -> Any:
    """Give the core's object that keeps a call's weights, packed, and a state; zero at first.

    Raises:
        RuntimeError: if the core was not built.
    """
    if native is None:
        raise RuntimeError(
            "freeze() needs the C++ core, which was not built when gatewise was installed; "
            "install a C++20 compiler and gatewise again."
        )
    structure, _ = _fill(*describe(call, make_masks(call)), Inputs.of(call))
    return getattr(native, f"Frozen{TYPES[call.x.dtype]}")(structure, target())
