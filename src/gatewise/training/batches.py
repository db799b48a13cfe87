"""Which examples each step of the training takes, in an order that can be gone on with."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor


class Batches(Protocol):
    """The endless order of the batches: where it stands can be kept, and set again.

    Attributes:
        examples: number of training examples, of which an epoch sees each once.
    """

    examples: int

    def next(self) -> Tensor:
        """Give the next batch's examples, (batch,) int64 in ``0 … examples − 1``."""

    def state_dict(self) -> dict[str, Any]:
        """Give where the order stands, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state`` stands."""


class Shuffled:
    """All examples in a new random order each epoch; a batch never spans two epochs.

    Args:
        examples: number of examples, at least 1.
        batch_size: examples a batch; the last of an epoch may have fewer.
        generator: draws the orders (CPU).
        lengths: (examples,) of each example's sequence; batches then hold sequences of like
            length, so that little is spent on padding, and come in random order.
    """

    def __init__(
        self,
        examples: int,
        batch_size: int,
        generator: torch.Generator,
        lengths: Sequence[int] | None = None,
    ) -> None:
        if examples < 1:
            raise ValueError(f"there must be at least one example, got {examples}")
        self.examples = examples
        self.batch_size = batch_size
        self.generator = generator
        self.lengths = None if lengths is None else torch.as_tensor(lengths)
        self._begin()

    def next(self) -> Tensor:
        """Give the next batch's examples (batch,)."""
        if self._done == len(self._epoch):
            self._begin()
        self._done += 1
        return self._epoch[self._done - 1]

    def state_dict(self) -> dict[str, Any]:
        """Give the generator's state at the epoch's begin, and how many batches were taken."""
        return {"generator": self._started, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draw the epoch anew from its begin, and skip the batches that were taken."""
        self.generator.set_state(state["generator"])
        self._begin()
        self._done = state["done"]

    def _begin(self) -> None:
        self._started = self.generator.get_state()
        self._epoch = self._draw()
        self._done = 0

    def _draw(self) -> Sequence[Tensor]:
        order = torch.randperm(self.examples, generator=self.generator)
        if self.lengths is None:
            return order.split(self.batch_size)
        # Pools of some batches are sorted by length: alike, yet not the same in every epoch.
        pools = order.split(self.batch_size * 16)
        batches = [
            batch
            for pool in pools
            for batch in pool[self.lengths[pool].argsort(stable=True)].split(self.batch_size)
        ]
        turns = torch.randperm(len(batches), generator=self.generator)
        return [batches[turn] for turn in turns]
