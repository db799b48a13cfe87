"""The reference backend: a Python loop over the cells' own equations.

It does every call, on any device and dtype, can be differentiated to any order, and is the oracle
for every faster backend.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gatewise.cells import gru_step, lstm_step, rnn_step
from gatewise.cells.parts import linear
from gatewise.ops.call import Call, Result
from gatewise.ops.masks import Masks, make_masks
from gatewise.ops.walk import Walk, plan_walk

Record = tuple[Tensor, ...]  # a step's NamedTuple: the new state's tensors first
Step = Callable[..., Record]  # (xw_t, *state, keep_h=..., keep_c=...) -> Record

DERIVATIVES = "of any order, in reverse and forward mode, and under torch.func"


def unsupported(call: Call) -> str | None:  # noqa: ARG001 - every backend is asked the same way
    """Give None: the reference does every call."""
    return None


def run(call: Call, masks: Masks | None = None) -> Result:
    """Do the call, step by step, with its own masks or those that are handed over."""
    return _run(call, masks, None)


def run_recorded(call: Call) -> tuple[Result, list[Any]]:
    """Do the call and also hand back every step's record (LSTMStep, GRUStep, RNNStep), by time.

    What a record holds beyond a sequence's length has no meaning.
    """
    records: list[Any] = []
    result = _run(call, None, records)
    return result, records


def _run(call: Call, masks: Masks | None, records: list[Any] | None) -> Result:
    walk = plan_walk(len(call.x), call.lengths, call.resets, reverse=call.options.reverse)
    masks = make_masks(call) if masks is None else masks
    x = walk.clear(call.x)
    xw = linear(x, call.w_ih, call.b_ih, call.extras.w_ln_ih)  # (T, B, GH)
    return scan(_step_of(call, masks.recurrent), xw, call.state, walk, masks, _fresh(call), records)


def _step_of(call: Call, recurrent_mask: Tensor | None) -> Step:
    """Bind a cell's step to the call's weights and options."""
    options, extras = call.options, call.extras
    bound: dict[str, Any] = {
        "w_hh": call.w_hh,
        "b_hh": call.b_hh,
        "recurrent_mask": recurrent_mask,
    }
    if call.cell == "lstm":
        return partial(
            lstm_step,
            **bound,
            output_activation=options.output_activation,
            coupled=options.coupled,
            w_hr=extras.w_hr,
            w_peephole=extras.w_peephole,
            w_ln_hh=extras.w_ln_hh,
            w_ln_c=extras.w_ln_c,
            b_ln_c=extras.b_ln_c,
        )
    if call.cell == "gru":
        return partial(gru_step, **bound, reset_after=options.reset_after, w_ln_hh=extras.w_ln_hh)
    return partial(rnn_step, **bound, nonlinearity=options.nonlinearity)


def _fresh(call: Call) -> tuple[Tensor, ...]:
    """Give the state from which a piece begins after a cut, each broadcasting to (B, ·)."""
    given = (call.extras.initial_h, call.extras.initial_c)
    return tuple(
        state.new_zeros(()) if initial is None else initial
        for state, initial in zip(call.state, given, strict=False)
    )


def scan(
    step: Step,
    xw: Tensor,
    state: tuple[Tensor, ...],
    walk: Walk,
    masks: Masks,
    fresh: tuple[Tensor, ...],
    records: list[Any] | None = None,
) -> Result:
    """Carry a state through a sequence.

    Args:
        step: ``step(xw[t], *state, keep_h=..., keep_c=...)``, the latter only where there is
            zoneout, gives a record that begins with the new state.
        xw: the input's share of the pre-activations, (T, B, GH).
        state: the initial state, (B, ·) each.
        walk: the way through time.
        masks: which units keep their old state at each step.
        fresh: the state from which a piece begins after a cut.
        records: a list to which every step's record is added, in the end sorted by time.
    """
    outputs = []
    steps = xw.unbind(0)  # whose backward is one stack; that of T times xw[t] would be T² work
    keeps = {n: k for n, k in zip(("keep_h", "keep_c"), masks.keep, strict=False) if k is not None}
    for t in walk.order:
        if walk.cuts is not None:
            cut = walk.cuts[t]
            state = tuple(torch.where(cut, f, s) for f, s in zip(fresh, state, strict=True))
        keep = {n: k[t] if isinstance(k, Tensor) else k for n, k in keeps.items()}
        record = step(steps[t], *state, **keep)
        state = _advance(state, record, None if walk.valid is None else walk.valid[t])
        outputs.append(state[0])
        if records is not None:
            records.append(record)
    if walk.order.step < 0:
        outputs.reverse()
        if records is not None:
            records.reverse()
    y = torch.stack(outputs) if outputs else _empty_output(xw, state[0])
    return Result(walk.clear(y), state)


def _advance(
    state: tuple[Tensor, ...], record: Sequence[Tensor], valid: Tensor | None
) -> tuple[Tensor, ...]:
    """Take the new state from a record; rows whose sequence has ended keep the old one."""
    new = tuple(record[: len(state)])
    if valid is None:
        return new
    return tuple(torch.where(valid, n, old) for n, old in zip(new, state, strict=True))


def _empty_output(xw: Tensor, h: Tensor) -> Tensor:
    """Give y for T = 0: a slice of ``xw``, so that it still belongs to the graph."""
    return xw[..., : h.shape[-1]]  # (0, B, H)
