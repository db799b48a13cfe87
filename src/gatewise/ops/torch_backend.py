"""The torch backend: torch's own kernels, one layer and one direction a call."""

from typing import Any

import torch
from torch import _VF, Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatewise.ops.call import Call, CellName, Result
from gatewise.ops.derivatives import DERIVATIVES, kernels_fall_short, reference_gradients
from gatewise.ops.masks import make_masks
from gatewise.ops.native_call import Inputs
from gatewise.ops.surroundings import is_traced, to_save, transform, values_of, wants_gradients
from gatewise.ops.walk import plan_walk

__all__ = ["DERIVATIVES", "run", "unsupported"]


def unsupported(call: Call) -> str | None:
    """Give the reason why torch's kernels cannot do the call, or None."""
    options, extras, looking = call.options, call.extras, transform()
    tests = (
        (looking is not None, f"{looking} cannot look into each of torch's kernels"),
        (
            call.lengths is not None and values_of(call.lengths) is None,
            "torch's packing looks at lengths, and here they have no values",
        ),
        (_is_lost_in_a_graph(call), "torch cannot differentiate its LSTM in a compiled graph"),
        (call.resets is not None, "torch cannot reset the state inside a sequence"),
        (call.x.shape[0] == 0, "torch takes no sequence of no steps (T = 0)"),
        (call.x.shape[1] == 0, "torch does not take an empty batch (B = 0) in every case"),
        (
            getattr(options, "output_activation", "tanh") != "tanh",
            "torch's LSTM has no output_activation but 'tanh'",
        ),
        (extras.w_peephole is not None, "torch's LSTM has no peepholes"),
        (getattr(options, "coupled", False), "torch's LSTM has no coupled gates"),
        (
            getattr(options, "reset_after", True) is False,
            "torch's GRU has only the form reset_after=True",
        ),
        (extras.w_ln_hh is not None, "torch has no layer norm in its cells"),
        (any(options.zoneout), "torch has no zoneout"),
        (
            call.seed is not None and options.recurrent_dropout > 0,
            "torch has no recurrent dropout",
        ),
    )
    return next((reason for applies, reason in tests if applies), None)


def _is_lost_in_a_graph(call: Call) -> bool:
    """Say whether it is oneDNN's LSTM in training, on which the compiler fails."""
    is_by_onednn = call.cell == "lstm" and call.x.is_cpu and call.x.dtype != torch.float64
    return torch.compiler.is_compiling() and is_by_onednn and wants_gradients(Inputs.of(call))


def run(call: Call) -> Result:
    """Do the call."""
    result, inputs = _run(call), Inputs.of(call)
    if not wants_gradients(inputs) or is_traced(call.x, call.w_ih):
        return result
    y, *state = _Outputs.apply(call.cell, call.lengths, call.options, *result.flat(), *inputs)
    return Result(y, tuple(state))


class _Outputs(torch.autograd.Function):
    """What the kernels gave; gradients go on to the kernels.

    Gradients that are to be differentiated in turn go past them to the inputs, through the
    reference: cuDNN has no second derivatives.
    """

    @staticmethod
    def forward(ctx: Any, cell: CellName, lengths: Tensor | None, options: Any, *given: Any) -> Any:
        count = len(given) - len(Inputs._fields)
        outputs, inputs = given[:count], given[count:]
        ctx.cell, ctx.options, ctx.count = cell, options, count
        ctx.save_for_backward(to_save(lengths), *inputs)
        ctx.set_materialize_grads(False)
        return tuple(output.detach() for output in outputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        first = 3 + ctx.count
        if not kernels_fall_short(grads):
            return None, None, None, *grads, *(None for _ in Inputs._fields)
        lengths, *inputs = ctx.saved_tensors
        call = Inputs(*inputs).to_call(ctx.cell, lengths, None, ctx.options)
        found = reference_gradients(call, make_masks(call), grads, ctx.needs_input_grad[first:])
        return *(None for _ in range(first)), *found


def _run(call: Call) -> Result:
    """Run the kernels; a reverse walk is a forward one over sequences turned round."""
    x = plan_walk(len(call.x), call.lengths, None).clear(call.x)
    if not call.options.reverse:
        return _run_forward(call._replace(x=x))
    y, state = _run_forward(call._replace(x=_turn_round(x, call.lengths)))
    return Result(_turn_round(y, call.lengths), state)


def _run_forward(call: Call) -> Result:
    if call.lengths is None:
        y, *state = _kernel(call, call.x, None, call.state)
        return Result(y, tuple(s.squeeze(0) for s in state))
    return _run_packed(call, call.lengths)


def _run_packed(call: Call, lengths: Tensor) -> Result:
    """Run sequences of different lengths.

    A packed sequence has at least one step, so that empty ones are given one and what comes of it
    is thrown away.
    """
    steps = len(call.x)
    packed = pack_padded_sequence(call.x, lengths.clamp(min=1).cpu(), enforce_sorted=False)
    state = tuple(s[packed.sorted_indices] for s in call.state)
    data, *state_n = _kernel(call, packed.data, packed.batch_sizes, state)
    y, _ = pad_packed_sequence(packed._replace(data=data), total_length=steps)  # (T, B, H)
    is_empty = (lengths == 0).unsqueeze(1)  # (B, 1)
    final = (
        torch.where(is_empty, given, s.squeeze(0)[packed.unsorted_indices])
        for given, s in zip(call.state, state_n, strict=True)
    )
    return Result(plan_walk(steps, lengths, None).clear(y), tuple(final))


def _kernel(
    call: Call, x: Tensor, batch_sizes: Tensor | None, state: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Call torch's kernel: (T, B, I) when ``batch_sizes`` is None, else packed data (ΣT, I)."""
    name = f"rnn_{call.options.nonlinearity}" if call.cell == "rnn" else call.cell
    states = [s.unsqueeze(0).contiguous() for s in state]  # (1, B, H)
    has_biases = call.b_ih is not None
    optional = (call.b_ih, call.b_hh, call.extras.w_hr)
    weights = [call.w_ih, call.w_hh, *(w for w in optional if w is not None)]
    hx = states if call.cell == "lstm" else states[0]
    # One layer, no dropout, training as far as gradients are wanted, one direction.
    settings = (has_biases, 1, 0.0, torch.is_grad_enabled(), False)
    kernel = getattr(_VF, name)
    if batch_sizes is None:
        return kernel(x, hx, weights, *settings, False)
    return kernel(x, batch_sizes, hx, weights, *settings)


def _turn_round(sequence: Tensor, lengths: Tensor | None) -> Tensor:
    """Turn (T, B, ·) round in time, each sequence within its own length."""
    if lengths is None:
        return sequence.flip(0)
    steps = torch.arange(len(sequence), device=sequence.device).unsqueeze(1)  # (T, 1)
    index = torch.where(steps < lengths, lengths - 1 - steps, steps)  # (T, B)
    return sequence.take_along_dim(index.unsqueeze(-1), dim=0)
