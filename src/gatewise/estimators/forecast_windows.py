"""Windows over encoded series as tensors, gathered a batch at a time, and the order of batches."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gatewise.data.encoding import Encoded
from gatewise.data.windows import series_of
from gatewise.training import Batches, Shuffled

_ORDERED_AT_ONCE = 1 << 18  # windows whose order is drawn as a whole


class Inputs(NamedTuple):
    """What the network reads of B windows.

    Attributes:
        z: (B, L) the scaled target.
        past: (B, L, P) known up to the present.
        known: (B, L, K) the columns that are known in the future too.
        calendar: (B, S, C) the calendar at the last step of each of the S segments.
        ahead: (B, h, C + K) the calendar and the known columns over the horizon.
    """

    z: Tensor
    past: Tensor
    known: Tensor
    calendar: Tensor
    ahead: Tensor

    def to(self, device: torch.device) -> "Inputs":
        """Move all of them."""
        return Inputs(*(tensor.to(device) for tensor in self))


class Windows:
    """Windows of ``lookback`` steps and the ``horizon`` behind them; the encoded arrays are shared.

    Args:
        encoded: the series.
        lookback, horizon, segment: in steps.
        calendar: whether the calendar is read.
    """

    def __init__(
        self,
        encoded: Encoded,
        lookback: int,
        horizon: int,
        segment: int = 1,
        *,
        calendar: bool = True,
    ) -> None:
        self.encoded = encoded
        self.calendar = encoded.calendar if calendar else None
        self.lookback = lookback
        self.horizon = horizon
        self.z = torch.from_numpy(encoded.z)
        self.past = torch.from_numpy(encoded.past)
        self.known = torch.from_numpy(encoded.known)
        self.seen = torch.from_numpy(encoded.seen)
        self._back = np.arange(-lookback, 0)
        self._ahead = np.arange(horizon)
        self._ends = np.arange(-((lookback - 1) // segment) * segment - 1, 0, segment)
        self._scales = np.array(
            [(s.mean, s.std, s.offset or 0.0, s.spread) for s in encoded.scalers], dtype=np.float64
        ).reshape(-1, 4)
        self.log = any(scaler.offset is not None for scaler in encoded.scalers)

    def window(self, origins: np.ndarray) -> Tensor:
        """Gather the scaled target before ``origins`` (B,): (B, L)."""
        return self.z[torch.from_numpy(origins[:, None] + self._back)]

    def inputs(self, origins: np.ndarray) -> Inputs:
        """Gather the network's inputs for ``origins`` (B,)."""
        back = torch.from_numpy(origins[:, None] + self._back)  # (B, L)
        ahead = origins[:, None] + self._ahead  # (B, h)
        known = self.known[torch.from_numpy(ahead)]
        past = self.past[back]
        if self.encoded.gaps:
            past = torch.cat([~self.seen[back][..., None], past], dim=-1)
        return Inputs(
            self.z[back],
            past,
            self.known[back],
            self._calendar(origins[:, None] + self._ends),
            torch.cat([self._calendar(ahead), known], dim=-1),
        )

    def _calendar(self, rows: np.ndarray) -> Tensor:
        """Look up the calendar at ``rows`` (B, …): (B, …, C); C = 0 where it is not read."""
        if self.calendar is None:
            return torch.zeros(*rows.shape, 0)
        return torch.from_numpy(self.calendar.at(rows))

    def truth(self, origins: np.ndarray) -> tuple[Tensor, Tensor]:
        """Gather the scaled truth and where it was seen, both (B, h)."""
        ahead = torch.from_numpy(origins[:, None] + self._ahead)
        return self.z[ahead], self.seen[ahead]

    def scales(self, origins: np.ndarray) -> Tensor:
        """Give each window's scaler: (B, 4) with mean, std, offset and spread."""
        rows = self._scales[series_of(origins, self.encoded.offsets)]
        return torch.from_numpy(rows.astype(np.float32))

    def weight(self, origins: np.ndarray, z: Tensor) -> Tensor:
        """Give what an error of 1 in ``z`` (B, h) comes to there, in the series' own spread."""
        mean, std, _, spread = self.scales(origins)[:, None].unbind(-1)  # (B, 1) each
        slope = std * torch.exp(z * std + mean) if self.log else std.expand_as(z)  # dy/dz
        return slope / spread

    def weighted_truth(self, origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give the scaled truth and its weight, 0 where it was not seen, both (B, h)."""
        z, seen = self.truth(origins)
        return z.numpy(), (seen * self.weight(origins, z)).numpy()


def window_batches(windows: int, batch_size: int, generator: torch.Generator) -> Batches:
    """Give all windows in a new random order each epoch.

    Very many of them are drawn in parts, each spread evenly over all of them, so that
    the order needs little memory.
    """
    if windows <= _ORDERED_AT_ONCE:
        return Shuffled(windows, batch_size, generator)
    return _Combed(windows, batch_size, generator)


class _Combed:
    """Windows ``k, k + C, k + 2C, …`` in random order, for each k below C in random order."""

    def __init__(self, examples: int, batch_size: int, generator: torch.Generator) -> None:
        self.examples = examples
        self.batch_size = batch_size
        self.generator = generator
        self.combs = -(-examples // _ORDERED_AT_ONCE)
        self._begin_epoch()

    def next(self) -> Tensor:
        """Give the next batch's examples (batch,)."""
        if self._done == len(self._comb):
            self._begin_comb()
        self._done += 1
        return self._comb[self._done - 1]

    def state_dict(self) -> dict[str, Any]:
        """Give the generator's state at the comb's begin, and what was taken."""
        return {
            "generator": self._started,
            "turns": self._turns,
            "turn": self._turn,
            "done": self._done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Draw the comb anew from its begin, and skip the batches that were taken."""
        self.generator.set_state(state["generator"])
        self._turns, self._turn = state["turns"], state["turn"] - 1
        self._draw_comb()
        self._done = state["done"]

    def _begin_epoch(self) -> None:
        self._turns = torch.randperm(self.combs, generator=self.generator)
        self._turn = 0
        self._draw_comb()

    def _begin_comb(self) -> None:
        if self._turn == self.combs:
            self._begin_epoch()
        else:
            self._draw_comb()

    def _draw_comb(self) -> None:
        self._started = self.generator.get_state()
        first = int(self._turns[self._turn])
        count = -(-(self.examples - first) // self.combs)
        order = torch.randperm(count, generator=self.generator)
        self._comb = (first + self.combs * order).split(self.batch_size)
        self._turn += 1
        self._done = 0
