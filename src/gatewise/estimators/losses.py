"""What a forecast's error costs, in units that all series share."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.estimators.forecast_windows import Windows

LOSSES = ("absolute", "squared", "huber", "relative")
"""Of the point forecast: the mean absolute or squared error, or Huber's, in units of each series'
spread; or the absolute difference of the logarithms, which is about the error over the truth."""


def forecast_loss(
    module: nn.Module,
    windows: Windows,
    origins: np.ndarray,
    loss: str,
    quantiles: tuple[float, ...] = (),
) -> tuple[Tensor, Tensor]:
    """Sum the point forecasts' losses, and the quantiles' if there are any, over what was seen.

    Args:
        module: the network.
        windows: its data.
        origins: (B,) flat indices.
        loss: one of :data:`LOSSES`.
        quantiles: those that the network gives; their pinball losses (Koenker & Bassett 1978), in
            scaled units, are averaged and added.

    Returns:
        The sum, and over how many steps.
    """
    device = next(module.parameters()).device
    point, bounds = module(*windows.inputs(origins).to(device))  # (B, h), (B, h, Q)
    z, seen = windows.truth(origins)
    z = z.masked_fill(~seen, 0.0)
    std = windows.scales(origins)[:, 1:2].to(device)  # (B, 1)
    weight = windows.weight(origins, z).to(device)
    z, seen = z.to(device), seen.to(device)
    off = point - z
    if windows.log and loss != "relative":
        off = _unlogged(off, std)
    off = off * (std if loss == "relative" else weight)
    total = (seen * _cost(off, loss)).sum()
    if quantiles:
        total = total + (seen * pinball(z[..., None] - bounds, quantiles).mean(-1)).sum()
    return total, seen.sum()


def pinball(under: Tensor, quantiles: tuple[float, ...]) -> Tensor:
    """Give max(q u, (q − 1) u) of ``under`` (…, Q), the truth minus each quantile's forecast."""
    q = torch.tensor(quantiles, dtype=under.dtype, device=under.device)
    return torch.maximum(q * under, (q - 1.0) * under)


def _cost(off: Tensor, loss: str) -> Tensor:
    if loss == "squared":
        return off.square()
    if loss == "huber":
        return F.huber_loss(off, torch.zeros_like(off), reduction="none")
    return off.abs()


def _unlogged(off: Tensor, std: Tensor) -> Tensor:
    """Turn errors in z (B, h) into what they come to in the target's unit, over dy/dz at the truth.

    Under the logarithm an error d is worth (exp(s d) − 1) / s with the scaler's std s: a forecast
    that is too high by a factor costs more than one too low by it. From a factor of e on the
    tangent goes on, so that one wild forecast does not swamp the batch.
    """
    x = off * std
    return (torch.expm1(x.clamp(max=1.0)) + (x - 1.0).clamp(min=0.0) * math.e) / std
