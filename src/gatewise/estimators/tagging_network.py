"""The network that says something about every step, and what it reads: numbers or words."""

from typing import Any

import torch
from torch import Tensor, nn

from gatewise.estimators.pieces import Carried
from gatewise.estimators.recurrent import make_recurrent, output_size
from gatewise.estimators.sequence_network import jittered


class NumberReader(nn.Module):
    """Steps of numbers as they are, with noise in training.

    Args:
        channels, indicators: columns of the input, in this order.
        jitter: standard deviation of the noise on the channels.
    """

    def __init__(self, *, channels: int, indicators: int, jitter: float) -> None:
        super().__init__()
        self.width = channels + indicators
        self.indicators = indicators
        self.jitter = jitter

    def forward(self, x: Tensor) -> Tensor:
        """Read ``x`` (T, B, width): the same shape."""
        return jittered(x, self.jitter, self.indicators) if self.training else x


class WordReader(nn.Module):
    """Words as vectors: an embedding of each, beside what a recurrent layer makes of its letters.

    Args:
        cell: of the layer over the characters, which reads them in both directions.
        words, characters: how many there are, the unknown one, 0, among them.
        word_size: width of the embedding of a word.
        character_size: width of the embedding of a character, and H in each direction.
        word_drop: probability that a word is taken for an unknown one, in training, so that the
            unknown one is learnt too; its characters are still read.
    """

    def __init__(
        self,
        cell: str,
        *,
        words: int,
        characters: int,
        word_size: int,
        character_size: int,
        word_drop: float,
    ) -> None:
        super().__init__()
        self.width = word_size + 2 * character_size
        self.word_drop = word_drop
        self.words = nn.Embedding(words, word_size)
        self.characters = nn.Embedding(characters, character_size)
        self.rnn = make_recurrent(
            cell, character_size, character_size, cell_options={"bidirectional": True}
        )

    def forward(self, words: Tensor, which: Tensor, letters: Tensor, lengths: Tensor) -> Tensor:
        """Read words.

        Args:
            words: (T, B) the words' numbers.
            which: (T, B) which of the spellings each has.
            letters: (C, U) the spellings, whatever behind a word's end.
            lengths: (U,) their lengths.

        Returns:
            (T, B, width).
        """
        if self.training and self.word_drop:
            words = words.masked_fill(torch.rand_like(words, dtype=torch.float) < self.word_drop, 0)
        _, state = self.rnn(self.characters(letters), lengths=lengths)
        h_n = state[0] if isinstance(state, tuple) else state  # (2, U, character_size)
        spelt = h_n.transpose(0, 1).flatten(1)  # (U, 2 · character_size)
        return torch.cat([self.words(words), spelt[which]], -1)


class TaggingNet(nn.Module):
    """A reader of steps, recurrent layers, and one linear head at every step.

    Args:
        reader: gives (T, B, width) from its inputs.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        outputs: numbers given for a step.
        hidden_size, num_layers: of the recurrent layers.
        dropout: before and behind them, and between several.
        cell_options: further arguments of the layer.
    """

    def __init__(
        self,
        reader: NumberReader | WordReader,
        cell: str,
        *,
        outputs: int,
        hidden_size: int,
        num_layers: int = 1,
        dropout: float = 0.0,
        cell_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.rnn = make_recurrent(
            cell, reader.width, hidden_size, num_layers, dropout, cell_options
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(output_size(self.rnn), outputs)

    def forward(
        self, inputs: tuple[Tensor, ...], lengths: Tensor, carried: Carried | None = None
    ) -> Tensor:
        """Read sequences, or a piece of them.

        Args:
            inputs: what the reader takes.
            lengths: (B,) of the sequences.
            carried: has the state that a piece begins with, and takes the one it ends with.

        Returns:
            (T, B, outputs); what stands behind a sequence's end means nothing.
        """
        x = self.reader(*inputs)
        if isinstance(self.reader, WordReader):
            x = self.dropout(x)
        y, state = self.rnn(x, None if carried is None else carried.state, lengths=lengths)
        if carried is not None:
            carried.keep(state)
        return self.head(self.dropout(y))
