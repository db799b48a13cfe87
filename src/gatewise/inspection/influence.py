"""Which inputs the outputs lean on: gradients of outputs with respect to inputs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.inspection.view import Influence, Place
from gatewise.nn.base import RecurrentLayer

MOST_ROWS = 200
"""So many outputs are looked at, evenly chosen when there are more."""

_EXACT_WIDTH = 8  # outputs of so many numbers get their whole Jacobian
_PROBES = 16
_BUDGET = 1_000_000  # steps that gradients go back through, times probes


def gradient_rows(scores: Tensor, leaves: Tensor | tuple[Tensor, ...], dim: int = 0) -> np.ndarray:
    """Give the norm of each score's gradient with respect to each step of what was read.

    Args:
        scores: (R,) numbers with a graph.
        leaves: one tensor, or several whose gradients count together; all but ``dim`` are normed
            over.
        dim: the dimension of the S steps.

    Returns:
        (R, S), float64.
    """
    leaves = (leaves,) if isinstance(leaves, Tensor) else leaves
    steps = leaves[0].shape[dim]
    rows = np.zeros((len(scores), steps))
    for number, score in enumerate(scores):
        found = torch.autograd.grad(score, leaves, retain_graph=True, allow_unused=True)
        squares = torch.zeros(steps, dtype=torch.float64)
        for gradient in found:
            if gradient is not None and gradient.numel():
                moved = gradient.detach().double().cpu().movedim(dim, 0)
                squares += moved.reshape(steps, -1).square().sum(1)
        rows[number] = squares.sqrt().numpy()
    return rows


def some_steps(steps: int) -> np.ndarray:
    """Choose at most ``MOST_ROWS`` of so many steps, evenly, the last one always."""
    count = min(steps, MOST_ROWS)
    return np.linspace(0, steps - 1, count).round().astype(int) if count else np.zeros(0, int)


def layer_influence(
    layer: RecurrentLayer,
    x: Tensor,
    hx: Any,
    resets: Tensor | None,
    places: list[Place],
) -> Influence:
    """Give the Frobenius norm of ∂y_t/∂x_s, of a layer's outputs at some steps, in evaluation.

    Outputs of more than 8 numbers are estimated: for random signs v, E‖Jᵀv‖² = ‖J‖²
    (Hutchinson 1990). The signs are the same in every call.

    Args:
        layer: the layer; its mode is as before afterwards.
        x: (T, I) one sequence.
        hx: the state before it, as the layer takes it unbatched, or None.
        resets: (T,) where it is cut, or None.
        places: (T,) where the steps stand.
    """
    rows = some_steps(len(x))
    about = "How strongly each output y⟨t⟩ changes with each input x⟨s⟩: the norm of ∂y⟨t⟩/∂x⟨s⟩"
    if not len(rows):
        return Influence(np.zeros((0, 0)), [], "output at", f"{about}.")
    was_training = layer.training
    layer.eval()
    try:
        with torch.enable_grad():
            leaf = x.detach().clone().requires_grad_()
            y, _ = layer(leaf, hx, resets=resets)  # (T, P)
            probes = _probes(y, len(rows) * len(x))
            squares = np.zeros((len(rows), len(x)))
            for probe in probes:
                squares += gradient_rows(y[rows] @ probe, leaf) ** 2
    finally:
        layer.train(was_training)
    if y.shape[-1] > _EXACT_WIDTH:
        squares /= len(probes)
        about += f", estimated from {len(probes)} random directions"
    return Influence(np.sqrt(squares), [places[r] for r in rows], "output at", f"{about}.")


def _probes(y: Tensor, cost: int) -> Tensor:
    """Give directions (K, P) that the outputs are looked at along."""
    width = y.shape[-1]
    if width <= _EXACT_WIDTH:
        return torch.eye(width, dtype=y.dtype, device=y.device)
    count = min(max(_BUDGET // cost, 2), _PROBES)
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (count, width), generator=generator) * 2 - 1
    return signs.to(y)
