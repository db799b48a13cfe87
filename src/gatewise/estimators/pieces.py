"""Long sequences read piece by piece, with a recurrent state that is carried."""

from typing import Any

import torch
from torch import Tensor

from gatewise.training import Shuffled

State = Tensor | tuple[Tensor, ...]
"""A layer's final states: h_n, or (h_n, c_n)."""


class Carried:
    """The recurrent state that goes from one piece to the next."""

    def __init__(self) -> None:
        self.state: State | None = None

    def keep(self, state: State) -> None:
        """Keep a state; no gradient goes back through it."""
        if isinstance(state, Tensor):
            self.state = state.detach()
        else:
            self.state = tuple(part.detach() for part in state)

    def clear(self) -> None:
        """Begin anew."""
        self.state = None

    def state_dict(self) -> dict[str, Any]:
        """Give the state's tensors."""
        if self.state is None:
            return {"state": None}
        parts = (self.state,) if isinstance(self.state, Tensor) else self.state
        return {"state": [part.clone() for part in parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with a state that was kept."""
        parts = state["state"]
        if parts is None or len(parts) > 1:
            self.state = None if parts is None else tuple(parts)
        else:
            self.state = parts[0]


class Pieces:
    """Batches of sequences, each read in pieces of ``steps`` steps: a piece a training step.

    The same sequences come again until the longest of them is read. The carried state is cleared
    where a batch begins, so that truncated backpropagation (Williams & Peng 1990) goes through
    ``steps`` steps and memory is bounded by them.

    Args:
        batches: of sequences.
        lengths: (N,) of the sequences that ``batches`` numbers.
        steps: of a piece, at least 1.
        carried: the state, cleared here.

    Attributes:
        examples: pieces of all sequences together.
        start: the step at which the last piece given begins.
    """

    def __init__(self, batches: Shuffled, lengths: Tensor, steps: int, carried: Carried) -> None:
        self.examples = int((-(-lengths // steps)).sum())
        self.start = 0
        self._batches = batches
        self._lengths = lengths
        self._steps = steps
        self._carried = carried
        self._batch = torch.zeros(0, dtype=torch.int64)
        self._next = 0

    def next(self) -> Tensor:
        """Give the sequences of the next piece (batch,)."""
        if not len(self._batch) or self._next >= int(self._lengths[self._batch].max()):
            self._batch = self._batches.next()
            self._next = 0
            self._carried.clear()
        self.start = self._next
        self._next += self._steps
        return self._batch

    def state_dict(self) -> dict[str, Any]:
        """Give where the order stands, and the sequences that are being read."""
        return {"batches": self._batches.state_dict(), "batch": self._batch, "next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on behind the last piece given."""
        self._batches.load_state_dict(state["batches"])
        self._batch, self._next = state["batch"], state["next"]
