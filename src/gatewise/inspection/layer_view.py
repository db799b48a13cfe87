"""A trace as a view: one sequence of what went on in a layer object."""

import torch

from gatewise.inspection.capture import first_steps, named
from gatewise.inspection.influence import layer_influence
from gatewise.inspection.view import Axis, Curve, View
from gatewise.tracing import Trace


def view_of_trace(trace: Trace, sequence: int = 0) -> View:
    """Look at one sequence of a trace, up to its own end.

    Raises:
        ValueError: if there is no such sequence, or the layer's weights have changed since.
    """
    layer, batch = trace.source.layer, trace.source.batch
    trace.source.check_unchanged()
    sequences = batch.x.shape[1]
    if not 0 <= sequence < sequences:
        raise ValueError(
            f"the trace has {sequences} sequences, counted from 0; got sequence={sequence}"
        )
    length = len(batch.x) if batch.lengths is None else int(batch.lengths[sequence])
    x = batch.x[:length, sequence].detach()
    resets = None if batch.resets is None else batch.resets[:length, sequence]
    steps = list(range(length))
    state = [torch.stack(list(part))[:, sequence].detach() for part in batch.state]
    influence = layer_influence(
        layer, x, tuple(state) if len(state) > 1 else state[0], resets=resets, places=steps
    )
    of = "" if sequences == 1 else f"Sequence {sequence} of {sequences}: "
    return View(
        name=named(layer),
        cell=layer.cell,
        about=f"{of}{length:,} steps of {x.shape[1]:,} numbers.",
        axis=Axis("step", steps),
        curves=[
            Curve(f"x[{feature}]", "input", steps, x[:, feature].double().cpu().numpy())
            for feature in range(x.shape[1])
        ],
        layers=first_steps(trace.layers, length, sequence),
        influence=influence,
    )
