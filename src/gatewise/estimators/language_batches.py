"""A text in parallel streams, read piece by piece with a state that is carried."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.data.corpus import Corpus
from gatewise.estimators.pieces import Carried, State

NOT_COUNTED = -100
_EVALUATION_STREAMS = 16  # side by side; a step of one costs three times as much
_EVALUATION_STEPS = 512  # a piece, whose activations are held at once


class Symbols:
    """A corpus as tensors, gathered a piece at a time."""

    def __init__(self, corpus: Corpus) -> None:
        small = torch.uint8 if corpus.boundary < 256 else torch.int32
        self.symbols = torch.from_numpy(corpus.symbols).to(small)
        self.starts = corpus.starts
        self.boundary = corpus.boundary
        self.have_ends = corpus.have_ends

    def gather(self, positions: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """Give what is read, what is to be told, and where documents begin.

        Args:
            positions: (B, T) int64; −1 is beyond a stream's end.

        Returns:
            inputs (T, B) int64; targets (T, B) int64, ``NOT_COUNTED`` where nothing is to be told;
            resets (T, B) bool, or None where no document begins.
        """
        positions = positions.t()
        beyond = positions < 0
        inputs = self.symbols[positions.clamp(min=0)].long().masked_fill(beyond, self.boundary)
        targets = self.symbols[positions + 1].long().masked_fill(beyond, NOT_COUNTED)
        if not self.have_ends:
            targets = targets.masked_fill(targets == self.boundary, NOT_COUNTED)
        resets = inputs == self.boundary
        return inputs, targets, resets if resets.any() else None

    def in_documents(self, streams: int = _EVALUATION_STREAMS) -> Tensor:
        """Deal the documents out to streams of like length: (B, L), −1 behind.

        A document is never cut, so that what its symbols are told from is the same in any stream.
        """
        spans = list(itertools.pairwise(self.starts.tolist()))
        rows: list[list[Tensor]] = [[] for _ in range(min(streams, len(spans)))]
        lengths = [0] * len(rows)
        for start, stop in sorted(spans, key=lambda span: span[0] - span[1]):
            row = lengths.index(min(lengths))
            rows[row].append(torch.arange(start, stop))
            lengths[row] += stop - start
        return _padded([torch.cat(row) for row in rows])

    @staticmethod
    def in_pieces(start: int, stop: int, streams: int = _EVALUATION_STREAMS) -> Tensor:
        """Cut ``start … stop − 1`` into streams of like length: (B, L), −1 behind."""
        length = math.ceil((stop - start) / streams)
        return _padded(list(torch.arange(start, stop).split(length)))


def _padded(rows: list[Tensor]) -> Tensor:
    return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


class Streams:
    """A text cut into B streams side by side, each read in pieces of the same number of steps.

    An epoch reads every symbol once, but for fewer than B + pieces that are read twice, so that
    all pieces are of one size. It begins at a random place of the text, as if this was a ring:
    no piece begins at the same symbol in every epoch. The carried state is cleared there.

    Args:
        symbols: N, of which each is told once an epoch.
        batch_size: B, streams at most; a short text has fewer, of ``steps`` symbols at least.
        steps: T, symbols a piece at most.
        generator: draws where epochs begin (CPU).
        carried: what is cleared when an epoch begins.
    """

    def __init__(
        self,
        symbols: int,
        batch_size: int,
        steps: int,
        generator: torch.Generator,
        carried: Carried,
    ) -> None:
        self.symbols = symbols
        self.streams = min(batch_size, max(1, symbols // steps))
        length = math.ceil(symbols / self.streams)
        self.pieces = math.ceil(length / steps)
        self.steps = math.ceil(length / self.pieces)
        self.examples = self.pieces * batch_size
        self.generator = generator
        self.carried = carried
        self._begin()

    def next(self) -> Tensor:
        """Give where each stream's next piece begins, (B,) int64."""
        if self._done == self.pieces:
            self._begin()
        if self._done == 0:
            self.carried.clear()
        first = self._offset + self._done * self.steps
        self._done += 1
        return (first + torch.arange(self.streams) * self.pieces * self.steps) % self.symbols

    def positions(self, begins: Tensor) -> Tensor:
        """Give the positions of the pieces that begin there, (B, T) int64."""
        return (begins[:, None] + torch.arange(self.steps)) % self.symbols

    def state_dict(self) -> dict[str, Any]:
        """Give the generator's state at the epoch's begin, and how many pieces were taken."""
        return {"generator": self._started, "done": self._done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draw the epoch's begin anew and skip the pieces that were taken."""
        self.generator.set_state(state["generator"])
        self._begin()
        self._done = state["done"]

    def _begin(self) -> None:
        self._started = self.generator.get_state()
        self._offset = int(torch.randint(self.symbols, (1,), generator=self.generator))
        self._done = 0


def piece_loss(
    symbols: Symbols, streams: Streams
) -> Callable[[nn.Module, Tensor], tuple[Tensor, Tensor]]:
    """Make the loss of a piece: the sum of nats, and how many symbols were told.

    It goes on from the streams' carried state and leaves the new one there.
    """
    carried = streams.carried

    def loss(module: nn.Module, begins: Tensor) -> tuple[Tensor, Tensor]:
        gathered = symbols.gather(streams.positions(begins))
        total, count, state = _told(module, *gathered, carried.state)
        carried.keep(state)
        return total.sum(), count

    return loss


@torch.no_grad()
def nats(
    module: nn.Module, symbols: Symbols, streams: Tensor, steps: int = _EVALUATION_STEPS
) -> float:
    """Sum the nats over streams of positions (B, L), the state carried from piece to piece."""
    return float(nats_each(module, symbols, streams, steps).sum())


@torch.no_grad()
def nats_each(
    module: nn.Module, symbols: Symbols, streams: Tensor, steps: int = _EVALUATION_STEPS
) -> Tensor:
    """Give the nats of the symbol behind each position of the streams (B, L), 0 where none counts.

    Returns:
        (N,) float64, by the position.
    """
    carried = Carried()
    each = torch.zeros(len(symbols.symbols) - 1, dtype=torch.float64)
    for positions in streams.split(steps, dim=1):
        losses, _, state = _told(module, *symbols.gather(positions), carried.state)
        carried.keep(state)
        told = positions.t().flatten()
        each[told[told >= 0]] = losses.double().cpu()[told >= 0]
    return each


def _told(
    module: nn.Module,
    inputs: Tensor,
    targets: Tensor,
    resets: Tensor | None,
    state: State | None,
) -> tuple[Tensor, Tensor, State]:
    """Give each symbol's nats (T·B,), 0 where it does not count; how many count; the state."""
    device = next(module.parameters()).device
    targets = targets.to(device).flatten()
    resets = None if resets is None else resets.to(device)
    logits, state = module(inputs.to(device), state, resets)
    losses = F.cross_entropy(
        logits.flatten(0, 1).float(), targets, ignore_index=NOT_COUNTED, reduction="none"
    )
    return losses, (targets != NOT_COUNTED).sum(), state
