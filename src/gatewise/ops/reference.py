"""The reference backend: a Python loop over the cells' own equations.

It does every call, on any device and dtype, can be differentiated to any order, and is the oracle
for every faster backend.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gatewise.cells import gru_step, lstm_step, rnn_step
from gatewise.ops.call import Call, Result
from gatewise.ops.walk import Walk, plan_walk

Record = tuple[Tensor, ...]  # a step's NamedTuple: the new state's tensors first
Step = Callable[..., Record]  # (xw_t, *state) -> Record

DERIVATIVES = "derivatives of any order, reverse and forward mode"


def unsupported(call: Call) -> str | None:  # noqa: ARG001 - every backend is asked the same way
    """Give None: the reference does every call."""
    return None


def run(call: Call) -> Result:
    """Do the call, step by step."""
    return _run(call, None)


def run_recorded(call: Call) -> tuple[Result, list[Any]]:
    """Do the call and also hand back every step's record (LSTMStep, GRUStep, RNNStep), by time.

    What a record holds beyond a sequence's length has no meaning.
    """
    records: list[Any] = []
    result = _run(call, records)
    return result, records


def _run(call: Call, records: list[Any] | None) -> Result:
    options = call.options
    walk = plan_walk(len(call.x), call.lengths, call.resets, reverse=options.reverse)
    xw = F.linear(walk.clear(call.x), call.w_ih, call.b_ih)  # (T, B, GH)
    return scan(_step_of(call), xw, call.state, walk, records)


def _step_of(call: Call) -> Step:
    """Bind a cell's step to the call's weights and options."""
    options = call.options
    weights: dict[str, Any] = {"w_hh": call.w_hh, "b_hh": call.b_hh}
    if call.cell == "lstm":
        return partial(
            lstm_step,
            **weights,
            output_activation=options.output_activation,
            w_hr=call.extras.w_hr,
        )
    if call.cell == "gru":
        return partial(gru_step, **weights, reset_after=options.reset_after)
    return partial(rnn_step, **weights, nonlinearity=options.nonlinearity)


def scan(
    step: Step,
    xw: Tensor,
    state: tuple[Tensor, ...],
    walk: Walk,
    records: list[Any] | None = None,
) -> Result:
    """Carry a state through a sequence.

    Args:
        step: ``step(xw[t], *state)`` gives a record that begins with the new state.
        xw: the input's share of the pre-activations, (T, B, GH).
        state: the initial state, (B, ·) each.
        walk: the way through time.
        records: a list to which every step's record is added, in the end sorted by time.
    """
    outputs = []
    steps = xw.unbind(0)  # whose backward is one stack; that of T times xw[t] would be T² work
    for t in walk.order:
        if walk.cuts is not None:
            state = tuple(s.masked_fill(walk.cuts[t], 0) for s in state)
        record = step(steps[t], *state)
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
