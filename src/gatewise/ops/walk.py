"""The order of the steps: which exist, where sequences are cut, and in which direction to go."""

from typing import NamedTuple

import torch
from torch import Tensor


class Walk(NamedTuple):
    """One direction's way through a batch of sequences.

    Attributes:
        order: the time steps in the order in which they are taken.
        valid: (T, B, 1) bool, False beyond a sequence's length; None: all are valid.
        cuts: (T, B, 1) bool, True where the state is cleared before taking step t; None: nowhere.
    """

    order: range
    valid: Tensor | None
    cuts: Tensor | None

    def clear(self, sequence: Tensor) -> Tensor:
        """Set (T, B, ·) to 0 beyond the lengths; NaN there does not survive, nor do gradients."""
        return sequence if self.valid is None else sequence.masked_fill(~self.valid, 0)


def plan_walk(
    steps: int, lengths: Tensor | None, resets: Tensor | None, *, reverse: bool = False
) -> Walk:
    """Plan the way through ``steps`` time steps.

    A flag in ``resets`` parts step t from step t − 1. Forward, that clears the state before taking
    t; in reverse, before taking t − 1, so that a flag at step 0 means nothing there. Flags beyond
    a length are ignored.

    Args:
        steps: T.
        lengths: (B,) int64, or None.
        resets: (T, B) bool, or None.
        reverse: go from the end to the start.
    """
    order = range(steps - 1, -1, -1) if reverse else range(steps)
    valid = None if lengths is None else valid_steps(steps, lengths)
    if resets is None:
        return Walk(order, valid, None)
    cuts = resets.unsqueeze(-1)  # (T, B, 1)
    if valid is not None:
        cuts = cuts & valid
    if reverse:
        cuts = torch.cat([cuts[1:], torch.zeros_like(cuts[:1])])
    return Walk(order, valid, cuts)


def valid_steps(steps: int, lengths: Tensor) -> Tensor:
    """Mark the steps that exist: (T, B, 1) bool, True where t < length."""
    return (torch.arange(steps, device=lengths.device).unsqueeze(1) < lengths).unsqueeze(-1)
