"""Looking inside: gates, memory and how long it holds, step by step."""

import math
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatewise.nn.base import Batch, RecurrentLayer, check_layer
from gatewise.nn.checks import Lengths
from gatewise.ops import Call, reference
from gatewise.ops.walk import Walk, plan_walk

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from gatewise.inspection import Inspection

# What the fields of a step's record are called in a trace.
_GATES: dict[str, dict[str, str]] = {
    "lstm": {"input": "i", "forget": "f", "output": "o"},
    "gru": {"reset": "r", "update": "z"},
    "rnn": {},
}
_CANDIDATE: dict[str, str | None] = {"lstm": "g", "gru": "n", "rnn": None}


@dataclass(frozen=True)
class DirectionTrace:
    """What went on in one layer in one direction.

    Sequences are (T, B, H), the batch second also with ``batch_first``, B = 1 for unbatched input,
    and 0 beyond a sequence's length.

    Attributes:
        hidden: h after each step; (T, B, P) with a projection.
        cell: the LSTM's c after each step; None for GRU and RNN.
        candidate: what is written where a gate lets it, LSTM's g, GRU's n; None for an RNN.
        gates: by name, LSTM: ``"input"``, ``"forget"`` (1 − i when coupled), ``"output"``; GRU:
            ``"reset"`` and ``"update"``, which is torch's z: it *keeps* the old state, 1 − Γu in
            the lecture notes; RNN: none.
        retention: how much of the memory at the beginning of the walk is still there after step t,
            the running product of the forget gate (GRU: of z), begun again at each reset; with
            zoneout, of what it makes of that gate; None for an RNN. A reverse walk begins at the
            sequence's end.
        half_life: (H,), each unit's half-life in steps, ln 2 / −mean ln f over all steps of all
            sequences (z for f in a GRU, with zoneout as above); inf where nothing is ever
            forgotten, NaN where there is no step; None for an RNN.
    """

    hidden: Tensor
    cell: Tensor | None
    candidate: Tensor | None
    gates: dict[str, Tensor]
    retention: Tensor | None
    half_life: Tensor | None


@dataclass(frozen=True)
class LayerTrace:
    """One layer's directions; ``reverse`` is None when the layer goes one way."""

    forward: DirectionTrace
    reverse: DirectionTrace | None


@dataclass(frozen=True)
class Source:
    """What was traced: enough to run it again.

    Attributes:
        layer: the layer itself, not a copy.
        batch: what it was given, checked and time-major.
        versions: of its parameters, which tell when one has been changed in place.
    """

    layer: RecurrentLayer
    batch: Batch
    versions: list[int]

    def check_unchanged(self) -> None:
        """Raise ValueError if the weights are no longer those that were traced."""
        if self.versions != _versions(self.layer):
            raise ValueError(
                "the layer's weights have changed since this trace was made, and its page needs "
                "gradients through them: trace it again"
            )


@dataclass(frozen=True)
class Trace:
    """What went on in a layer object.

    Attributes:
        output: as the layer's own forward gives it, in the input's form.
        h_n: as the layer's own forward gives it.
        c_n: as the layer's own forward gives it; None for GRU and RNN.
        layers: one item a layer.
        source: the layer and what it was given.
    """

    output: Tensor | PackedSequence
    h_n: Tensor
    c_n: Tensor | None
    layers: list[LayerTrace]
    source: Source = field(repr=False)

    def inspect(self, sequence: int = 0) -> "Inspection":
        """Look at one sequence: its gates in plain sentences, as a page or as a figure.

        Raises:
            ValueError: if there is no such sequence, or the layer's weights have changed since.
        """
        from gatewise.inspection import Inspection
        from gatewise.inspection.layer_view import view_of_trace

        return Inspection([view_of_trace(self, sequence)])

    def to_html(self, path: str | os.PathLike[str] | None = None, *, sequence: int = 0) -> str:
        """Give all of one sequence as a page that opens offline, and write it to ``path``.

        Raises:
            ValueError: as :meth:`inspect`.
        """
        return self.inspect(sequence).to_html(path)

    def plot(
        self, layer: int = -1, direction: str = "forward", *, sequence: int = 0
    ) -> "go.Figure":
        """Draw one sequence in one layer as a Plotly figure, which a notebook displays.

        Args:
            layer: which, from 0; −1 is the last.
            direction: ``"forward"`` or ``"reverse"``.
            sequence: which of the batch.

        Raises:
            ValueError: as :meth:`inspect`, and if there is no such layer or direction.
        """
        return self.inspect(sequence).plot(layer, direction)


def trace(
    layer: RecurrentLayer,
    input: Tensor | PackedSequence,
    hx: Any = None,
    *,
    lengths: Lengths | None = None,
    resets: Tensor | None = None,
) -> Trace:
    """Run a layer and keep all that happens inside.

    It runs on the reference backend, whatever the layer's own, in the layer's own mode (in training
    mode, dropout and zoneout act), and everything in it can be differentiated when gradients are
    on. All that happens in every step stays in memory.

    Args:
        layer: an LSTM, GRU or RNN.
        input: as for the layer's ``forward``, and so are ``hx``, ``lengths`` and ``resets``.
        hx: initial state.
        lengths: where each sequence ends.
        resets: where sequences are cut.

    Raises:
        ValueError: if ``layer`` is not one of ours, and as the layer's ``forward``.
    """
    check_layer("trace", layer)
    runs: list[tuple[Call, list[Any]]] = []

    def record(*arguments: Any) -> tuple[Tensor, ...]:
        call = Call.from_arguments(layer.cell, *arguments)
        result, records = reference.run_recorded(call)
        runs.append((call, records))
        return result.y, *result.state

    batch = layer.prepare(input, hx, lengths, resets)
    output, state = layer.run_with(record, batch)
    traces = [_trace_direction(*run) for run in runs]
    step = layer.num_directions
    layers = [
        LayerTrace(traces[k], traces[k + 1] if step == 2 else None)
        for k in range(0, len(traces), step)
    ]
    source = Source(layer, batch, _versions(layer))
    return Trace(output, state[0], state[1] if len(state) == 2 else None, layers, source)


def _versions(layer: RecurrentLayer) -> list[int]:
    return [parameter._version for parameter in layer.parameters()]


def _trace_direction(call: Call, records: list[Any]) -> DirectionTrace:
    """Collect the records of one run, 0 beyond the lengths."""
    walk = plan_walk(len(call.x), call.lengths, call.resets, reverse=call.options.reverse)

    def collect(field: str, like: Tensor) -> Tensor:
        steps = [getattr(record, field) for record in records]
        return walk.clear(torch.stack(steps) if steps else like.new_zeros(0, *like.shape))

    memory = call.state[-1]  # (B, H), the LSTM's c and the others' h
    candidate = _CANDIDATE[call.cell]
    kept = None if call.cell == "rnn" else collect("kept", memory)
    return DirectionTrace(
        hidden=collect("h", call.state[0]),
        cell=collect("c", memory) if call.cell == "lstm" else None,
        candidate=None if candidate is None else collect(candidate, memory),
        gates={name: collect(field, memory) for name, field in _GATES[call.cell].items()},
        retention=None if kept is None else _retention(kept, walk),
        half_life=None if kept is None else _half_life(kept, walk),
    )


def _retention(keep: Tensor, walk: Walk) -> Tensor:
    """Multiply up what the steps keep, (T, B, H), along the walk, from 1 and again after a cut."""
    keep = _fill_invalid(keep, walk)
    product = torch.ones_like(keep[0]) if len(keep) else keep  # (B, H)
    products = list(keep)
    for t in walk.order:
        if walk.cuts is not None:
            product = product.masked_fill(walk.cuts[t], 1)
        product = product * keep[t]
        products[t] = product
    return walk.clear(torch.stack(products)) if products else keep


def _half_life(keep: Tensor, walk: Walk) -> Tensor:
    """Give ln 2 / −mean ln f over the valid steps of what each keeps, (T, B, H), a unit."""
    logs = _fill_invalid(keep, walk).log().sum(dim=(0, 1))  # (H,)
    count = keep[..., 0].numel() if walk.valid is None else walk.valid.sum()
    # abs turns the −0 of a gate that is always 1 into 0, so that the half-life is +inf.
    return math.log(2) / (logs / count).abs()


def _fill_invalid(keep: Tensor, walk: Walk) -> Tensor:
    return keep if walk.valid is None else keep.masked_fill(~walk.valid, 1)
