"""The network that reads a whole sequence and says one thing about it."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.estimators.ragged import is_inside
from gatewise.estimators.recurrent import make_recurrent, output_size


class SequenceNet(nn.Module):
    """Recurrent layers, their mean, maximum and last output joined, and one linear head.

    Mean and maximum are over each sequence's own steps. The last output is that at the end of each
    direction's own walk: at the last step forward, at the first one in reverse.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        channels: the first columns of the input, which jitter moves; indicators stand behind them.
        indicators: the others.
        outputs: numbers given for a sequence.
        hidden_size, num_layers: of the recurrent layers.
        dropout: on the joined outputs, and between several layers.
        jitter: standard deviation of the Gaussian noise on the channels, in training only.
        cell_options: further arguments of the layer.
    """

    def __init__(
        self,
        cell: str,
        *,
        channels: int,
        indicators: int,
        outputs: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        jitter: float = 0.0,
        cell_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.indicators = indicators
        self.jitter = jitter
        width = channels + indicators
        self.rnn = make_recurrent(cell, width, hidden_size, num_layers, dropout, cell_options)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(3 * output_size(self.rnn), outputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Read sequences.

        Args:
            x: (T, B, channels + indicators), whatever behind a sequence's end.
            lengths: (B,), each at least 1.

        Returns:
            (B, outputs).
        """
        x = jittered(x, self.jitter, self.indicators) if self.training else x
        y, state = self.rnn(x, lengths=lengths)  # (T, B, W), 0 beyond the lengths
        h_n = state[0] if isinstance(state, tuple) else state  # (layers · D, B, ·)
        last = h_n[-self.rnn.num_directions :].transpose(0, 1).flatten(1)  # (B, W)
        mean = y.sum(0) / lengths[:, None]
        inside = is_inside(lengths, len(y))
        most = y.masked_fill(~inside[..., None], -torch.inf).amax(0)
        return self.head(self.dropout(torch.cat([mean, most, last], -1)))


def jittered(x: Tensor, jitter: float, indicators: int) -> Tensor:
    """Add Gaussian noise to all columns of ``x`` (…, F) but the last ``indicators``."""
    if not jitter:
        return x
    noise = torch.randn_like(x[..., : x.shape[-1] - indicators])
    return x + jitter * F.pad(noise, (0, indicators))
