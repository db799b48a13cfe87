"""Sequences of different lengths, laid end to end and gathered a batch at a time."""

from collections.abc import Iterator

import torch
from torch import Tensor

_MOST_STEPS = 2**16  # of a batch without gradients, padding counted
_MOST_SEQUENCES = 512


class Ragged:
    """N sequences, one behind the other in one tensor.

    Args:
        steps: (S, …) all steps of all sequences.
        lengths: (N,) int64, the steps of each, at least 1; their sum is S.
    """

    def __init__(self, steps: Tensor, lengths: Tensor) -> None:
        self.steps = steps
        self.lengths = lengths
        self.starts = lengths.cumsum(0) - lengths

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(
        self, chosen: Tensor, start: int = 0, most: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Gather the sequences ``chosen`` (B,): padded steps (T, B, …), and lengths (B,).

        What stands behind a sequence's end is another step of the data: never to be looked at.

        Args:
            chosen: numbers of sequences.
            start, most: from which step on, and how many steps at most; a length may then be 0.
        """
        lengths = (self.lengths[chosen] - start).clamp(min=0, max=most)
        ahead = start + torch.arange(int(lengths.max()))[:, None]  # (T, 1)
        places = (self.starts[chosen] + ahead).clamp(max=len(self.steps) - 1)  # (T, B)
        return self.steps[places], lengths

    def batches(self) -> Iterator[Tensor]:
        """Give all sequences' numbers in batches of like length, each of bounded size."""
        order = self.lengths.argsort(stable=True)
        first = 0
        while first < len(order):
            last = first + 1
            while (
                last < len(order)
                and last - first < _MOST_SEQUENCES
                and int(self.lengths[order[last]]) * (last - first + 1) <= _MOST_STEPS
            ):
                last += 1
            yield order[first:last]
            first = last


def is_inside(lengths: Tensor, steps: int) -> Tensor:
    """Say which of ``steps`` padded steps stand within ``lengths`` (B,): (T, B) bool."""
    return torch.arange(steps, device=lengths.device)[:, None] < lengths
