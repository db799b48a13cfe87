"""The network of a language model: embedding, recurrent layers, a score for each symbol."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.estimators.pieces import State
from gatewise.estimators.recurrent import make_recurrent, output_size


class LanguageNet(nn.Module):
    """Score which symbol comes next.

    Args:
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        symbols: number of symbols that are read; the last is the boundary, which starts as zeros.
        outputs: number of symbols that are told: all, or all but the boundary.
        embedding_size: width of a symbol on its way in.
        hidden_size, num_layers: of the recurrent layers.
        input_dropout: share of an embedding that is dropped.
        dropout: share of each recurrent layer's output that is dropped.
        tie_weights: the scores' weights are the embedding's (Press & Wolf 2017), whose width must
            then be that of the layer's output.
        cell_options: further arguments of the layer.

    Attributes:
        weight, bias: of the scores, (outputs, H) and (outputs,); tied, weight is None.

    Raises:
        ValueError: if weights are tied and the widths differ, or the layer looks ahead.
    """

    def __init__(
        self,
        cell: str,
        *,
        symbols: int,
        outputs: int,
        embedding_size: int,
        hidden_size: int,
        num_layers: int = 1,
        input_dropout: float = 0.0,
        dropout: float = 0.0,
        tie_weights: bool = False,
        cell_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.input_dropout = input_dropout
        self.dropout = dropout
        self.embedding = nn.Embedding(symbols, embedding_size)
        self.rnn = make_recurrent(
            cell, embedding_size, hidden_size, num_layers, dropout, cell_options
        )
        if self.rnn.bidirectional:
            raise ValueError("a language model reads forward: leave out bidirectional")
        width = output_size(self.rnn)
        if tie_weights and width != embedding_size:
            raise ValueError(
                f"tied weights need an embedding as wide as the layer's output, {width}; got "
                f"embedding_size={embedding_size}"
            )
        bound = width**-0.5
        own = None if tie_weights else nn.Parameter(torch.empty(outputs, width))
        self.weight = own
        self.bias = nn.Parameter(torch.zeros(outputs))
        if own is None:
            nn.init.normal_(self.embedding.weight, std=bound)
        else:
            nn.init.uniform_(own, -bound, bound)
        with torch.no_grad():
            self.embedding.weight[-1] = 0

    def forward(
        self, inputs: Tensor, state: State | None = None, resets: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Score what follows each symbol.

        Args:
            inputs: (T, B) int64.
            state: of the recurrent layers; None begins anew.
            resets: (T, B) bool: where the state begins anew.

        Returns:
            Logits (T, B, outputs), and the state behind the last step.
        """
        x = F.dropout(self.embedding(inputs), self.input_dropout, self.training)  # (T, B, E)
        y, state = self.rnn(x, state, resets=resets)  # (T, B, H)
        y = F.dropout(y, self.dropout, self.training)
        return F.linear(y, self.scores, self.bias), state

    @property
    def scores(self) -> Tensor:
        """The weights of the symbols' scores, (outputs, H)."""
        return self.embedding.weight[: len(self.bias)] if self.weight is None else self.weight
