"""Calls of the native core: its structures, and the tensors that they point to."""

import warnings
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.cells.parts import Keep
from gatewise.ops.call import Call, CellName, Extras
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

    def to_call(
        self, cell: CellName, lengths: Tensor | None, resets: Tensor | None, options: Any
    ) -> Call:
        """Put them back into a call, without a seed."""
        state = (self.h_0,) if self.c_0 is None else (self.h_0, self.c_0)
        weights = (self.w_ih, self.w_hh, self.b_ih, self.b_hh)
        extras = Extras(**{name: getattr(self, name) for name in Extras._fields})
        return Call(cell, self.x, state, *weights, extras, lengths, resets, None, options)


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
    options, cell, identity, relu = call.options, call.cell, False, False
    name: str = cell
    if cell == "lstm":
        name = "lstm_coupled" if options.coupled else cell
        identity = options.output_activation == "identity"
    elif cell == "gru":
        name = cell if options.reset_after else "gru_reset_before"
    else:
        relu = options.nonlinearity == "relu"
    keep_h, keep_c = masks.keep if len(masks.keep) == 2 else (*masks.keep, None)
    share_h, mask_h = _part(keep_h)
    share_c, mask_c = _part(keep_c)
    return (
        Manner(name, options.reverse, identity, relu, share_h, share_c),
        Guides(call.lengths, call.resets, masks.recurrent, mask_h, mask_c),
    )


def _part(keep: Keep | None) -> tuple[float, Tensor | None]:
    """Tell zoneout's share, 0 where there is none, from its mask."""
    return (0.0, keep) if keep is None or isinstance(keep, Tensor) else (keep, None)


def run_forward(
    manner: Manner, guides: Guides, inputs: Inputs, target: str, activations: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Run the core forward.

    Args:
        manner: how to run.
        guides: lengths, cuts and masks.
        inputs: the other tensors.
        target: the instruction set.
        activations: memory for what the backward needs, of ``count_activations`` elements; None:
            no backward follows.

    Returns:
        y, h_n, and c_n of the LSTM.
    """
    given, (steps, batch, _, units, outputs) = _fill(manner, guides, inputs)
    new_empty = inputs.x.new_empty
    y, h_n = new_empty(steps, batch, outputs), new_empty(batch, outputs)
    c_n = None if inputs.c_0 is None else new_empty(batch, units)
    given.give(y.data_ptr(), h_n.data_ptr(), _address(c_n), _address(activations))
    native.forward(given, target, torch.get_num_threads())
    return y, h_n, c_n


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
    given, _ = _fill(manner, guides, inputs)
    y, kept = activations
    given.give(y.data_ptr(), 0, 0, kept.data_ptr())
    found = [
        tensor.new_empty(*tensor.shape) if needed and tensor is not None else None
        for tensor, needed in zip(inputs, needs, strict=True)
    ]
    gradients = _GRADIENTS[inputs.x.dtype](grads, found)
    native.backward(given, gradients, target, torch.get_num_threads())
    return found


def _fill(manner: Manner, guides: Guides, inputs: Inputs) -> tuple[Any, tuple[int, ...]]:
    """Fill the core's structure with all that goes in, and give it with T, B, I, H and S.

    Raises:
        ValueError: if a tensor has another dtype than it must, is not on the CPU, or has not as
            many elements as the sizes of the input and of w_hh want; if lengths go beyond the
            input.
    """
    steps, batch, features = inputs.x.shape
    rows, outputs = inputs.w_hh.shape
    sizes = (steps, batch, features, rows // _GATES[manner.cell], outputs)
    dtype = inputs.x.dtype
    return _CALLS[dtype](*manner, sizes, (*inputs, *guides), _DTYPES[dtype]), sizes


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


# The core's structures, and the types of the tensors that a call is filled with, by that of x.
_CALLS: dict[torch.dtype, Any] = {
    dtype: getattr(native, f"Call{name}", None) for dtype, name in TYPES.items()
}
_GRADIENTS: dict[torch.dtype, Any] = {
    dtype: getattr(native, f"Gradients{name}", None) for dtype, name in TYPES.items()
}
_DTYPES = {
    dtype: (dtype,) * len(Inputs._fields)
    + (torch.int64, torch.bool, dtype, torch.bool, torch.bool)  # of Guides
    for dtype in TYPES
}

_GATES = {"lstm": 4, "lstm_coupled": 3, "gru": 3, "gru_reset_before": 3, "rnn": 1}


WANTED_TARGET = "GATEWISE_CPU"  # an environment variable


def target() -> str:
    """The instruction set that runs: the widest there is, or the one ``GATEWISE_CPU`` names.

    Raises:
        ValueError: if it names one that this machine does not have.
    """
    return _find_target(native.environment(WANTED_TARGET))


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
    """Count what the backward needs, in elements; the tensors may be fake."""
    steps, batch, _ = inputs.x.shape
    rows, outputs = map(int, inputs.w_hh.shape)
    has = (inputs.w_hr is not None, inputs.w_ln_hh is not None)
    return (
        steps * batch * native.activations(manner.cell, rows // _GATES[manner.cell], outputs, *has)
    )


def draw_stream(
    seed: Tensor, steps: int, batch: int, units: int, stream: int, p: float, device: torch.device
) -> Tensor:
    """Draw the bits that ``masks.draw_stream`` draws, by the core, which is on the CPU."""
    bits = torch.empty(steps, batch, units, dtype=torch.bool, device=device)
    native.draw_bits(
        seed.item(),
        (steps, batch, units),
        stream,
        round(p * 2**32),
        bits.data_ptr(),
        target(),
        torch.get_num_threads(),
    )
    return bits


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
    given, _ = _fill(*describe(call, make_masks(call)), Inputs.of(call))
    return getattr(native, f"Frozen{TYPES[call.x.dtype]}")(given, target())
