"""Which inputs an output leans on: gradients of outputs with respect to what was read."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from gatewise.inspection.capture import set_aside
from gatewise.inspection.view import Influence, Place
from gatewise.nn.base import RecurrentLayer, check_layer

MOST_ROWS = 200
"""Of so many outputs the gradients are taken at most."""

_EXACT_WIDTH = 8
_LEAST_ROWS = 25
_MOST_PROBES = 16
_LEAST_PROBES = 2
_WORK = 1.6e11  # multiplications, a few seconds of one core
_STEP_WORK = 20_000  # what a step costs beside its multiplications


def evenly_chosen(count: int, most: int = MOST_ROWS) -> np.ndarray:
    """Choose at most ``most`` of ``count`` things, evenly spread, both ends among them."""
    if count <= most:
        return np.arange(count)
    return np.linspace(0, count - 1, most).astype(np.int64)


def passes(layer: RecurrentLayer, steps: int) -> int:
    """Say how often it is worth the time to go back through a layer over so many steps."""
    weights = sum(weight.numel() for weight in layer.parameters())
    return int(_WORK / max(steps * (weights + _STEP_WORK), 1))


def rows_worth(layer: RecurrentLayer, steps: int, count: int) -> np.ndarray:
    """Choose of ``count`` outputs those that gradients are taken of: fewer for a large layer."""
    return evenly_chosen(count, min(MOST_ROWS, max(passes(layer, steps), _LEAST_ROWS)))


def gradient_rows(scores: Tensor, read: Tensor) -> np.ndarray:
    """Give the norm of each score's gradient with respect to what was read at each step.

    Args:
        scores: (R,), computed from ``read``.
        read: (S, …), the steps first.

    Returns:
        (R, S) Euclidean norms over all but the steps, float64.
    """
    rows = np.zeros((len(scores), len(read)))
    for row, score in enumerate(scores):
        (gradient,) = torch.autograd.grad(score, read, retain_graph=True)
        rows[row] = gradient.flatten(1).double().norm(dim=1).cpu().numpy()
    return rows


@torch.enable_grad()
def layer_influence(
    layer: RecurrentLayer,
    input: Any,
    hx: Any = None,
    *,
    lengths: Any = None,
    resets: Any = None,
    places: Sequence[Place] | None = None,
    most: int = MOST_ROWS,
) -> Influence:
    """Tell which inputs the output of a layer object leans on at each step.

    A value is the Frobenius norm of the Jacobian ∂y_t/∂x_s. It is exact where the output has at
    most 8 numbers, and else estimated from random signs v, for which the mean of ‖Jᵀv‖² is ‖J‖²
    (Hutchinson 1990); the signs are the same every time. The layer is run in evaluation mode.

    Args:
        layer: an LSTM, GRU or RNN.
        input: one sequence, as for the layer's ``forward``, and so are ``hx``, ``lengths`` and
            ``resets``.
        hx: initial state.
        lengths: where the sequence ends.
        resets: where the sequence is cut.
        places: (T,) how the steps are called; None numbers them from 1.
        most: rows at most, evenly chosen among the steps; fewer where the layer is so large that
            they would take long.

    Raises:
        ValueError: if there is not one sequence, and as the layer's ``forward``.
    """
    check_layer("layer_influence", layer)
    layer = set_aside(layer)
    batch = layer.prepare(input, hx, lengths, resets)
    steps, sequences, _ = batch.x.shape
    if sequences != 1:
        raise ValueError(f"layer_influence takes one sequence, got a batch of {sequences}")
    end = steps if batch.lengths is None else int(batch.lengths[0])
    read = batch.x.detach().requires_grad_()
    unchanged = batch.layout._replace(restore_output=lambda y: y, restore_state=lambda s: s)
    output, _ = layer.run_with(layer.operator, batch._replace(x=read, layout=unchanged))
    y = cast(Tensor, output)  # (T, 1, W)
    afford = passes(layer, steps)
    chosen = evenly_chosen(end, min(most, max(afford // _LEAST_PROBES, _LEAST_ROWS)))
    count = min(max(afford // max(len(chosen), 1), _LEAST_PROBES), _MOST_PROBES)
    probes, exact = _probes(y.shape[-1], count)
    squares = np.zeros((len(chosen), steps))
    for probe in probes.to(y):
        scores = (y[torch.from_numpy(chosen).to(y.device), 0] * probe).sum(-1)  # (R,)
        squares += gradient_rows(scores, read) ** 2
    how = (
        "exact"
        if exact
        else f"estimated from {len(probes)} random combinations of its {y.shape[-1]} numbers"
    )
    names = range(1, steps + 1) if places is None else places
    return Influence(
        values=np.sqrt(squares if exact else squares / len(probes)),
        rows=[names[step] for step in chosen],
        title="output at step",
        about="Norm of the Jacobian of the output at a step with respect to the input at a step, "
        f"{how}.",
    )


def _probes(width: int, count: int) -> tuple[Tensor, bool]:
    """Give the combinations of an output's numbers, (P, width), and whether they tell all."""
    if width <= _EXACT_WIDTH:
        return torch.eye(width), True
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(2, (count, width), generator=generator)
    return (2 * signs - 1).float(), False
