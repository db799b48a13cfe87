"""What the cells share: a product that may be normalised, and zoneout."""

import torch
from torch import Tensor
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-5

# How a unit keeps its old state: a bool mask (True keeps), or the share that is kept.
Keep = Tensor | float


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, gain: Tensor | None = None) -> Tensor:
    """Give W x + b, or with a gain LN(W x) * gain + b (Ba et al. 2016, equations 15 and 20).

    Args:
        x: (..., I).
        weight: (O, I).
        bias: (O,), or None.
        gain: the scale of layer norm over all O outputs, (O,); None: no layer norm.
    """
    if gain is None:
        return F.linear(x, weight, bias)
    return layer_norm(F.linear(x, weight), gain, bias)


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor | None) -> Tensor:
    """Bring (..., O) to mean 0 and variance 1 over its last dimension, then scale and shift."""
    return F.layer_norm(x, gain.shape, gain, bias, LAYER_NORM_EPS)


def zone(old: Tensor, new: Tensor, keep: Keep | None) -> Tensor:
    """Let units keep their old state (zoneout, Krueger et al. 2017, equations 3 to 5).

    Args:
        old: the state before the step, (B, ·).
        new: the state that the step made, (B, ·).
        keep: a bool mask, (B, ·), True where the old state stays (training); or its probability,
            and the expectation is taken (evaluation); None: the new state.
    """
    if keep is None:
        return new
    if isinstance(keep, Tensor):
        return torch.where(keep, old, new)
    return keep * old + (1 - keep) * new
