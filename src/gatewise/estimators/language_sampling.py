"""Text from a language model, symbol by symbol, with the recurrent state held in between."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from gatewise.data.alphabet import Alphabet
from gatewise.estimators.language_network import LanguageNet
from gatewise.estimators.pieces import State

Choose = Callable[[np.ndarray], int]
"""Takes scores (n,), −inf where a symbol must not come, and gives a symbol's number."""


class Reader:
    """A network that reads symbols one after the other and holds its state.

    It takes the frozen layer's steps in the C++ core; where that was not built, the layer's own.

    Args:
        net: a trained network; what happens to it later does not matter.
    """

    def __init__(self, net: LanguageNet) -> None:
        net = copy.deepcopy(net).cpu().float().eval()
        self._embedding = net.embedding.weight.detach().numpy()
        self._scores = net.scores.detach().numpy()
        self._bias = net.bias.detach().numpy()
        self._layer = net.rnn
        self._frozen: Any
        try:
            self._frozen = net.rnn.freeze()
        except RuntimeError:  # the core was not built
            self._frozen = None
        self._state: State | None = None

    def read(self, symbols: list[int]) -> np.ndarray:
        """Read symbols, at least one, and score what comes next: logits (outputs,), float64."""
        x = self._embedding[symbols]  # (T, E)
        if self._frozen is None:
            with torch.no_grad():
                y, self._state = self._layer(torch.from_numpy(x), self._state)
            last = y[-1].numpy()
        elif len(symbols) == 1:
            last = self._frozen.step(x[0])
        else:
            last = self._frozen(x)[-1]
        return (self._scores @ last + self._bias).astype(np.float64)


def pieces(
    reader: Reader, alphabet: Alphabet, prompt: list[int], length: int, choose: Choose
) -> Iterator[str]:
    """Make up to ``length`` characters behind a prompt, one by one, until the document ends."""
    spelling, read = alphabet.spelling(), [alphabet.boundary, *prompt]
    made = 0
    while made < length:
        scores = reader.read(read)
        symbol = choose(np.where(spelling.allowed()[: len(scores)], scores, -np.inf))
        if symbol == alphabet.boundary:
            return
        piece, read = spelling.add(symbol), [symbol]
        if piece:
            made += 1
            yield piece


def chooser(temperature: float, top_k: int | None, random: np.random.RandomState) -> Choose:
    """Make the choice of a symbol: the likeliest at temperature 0, else a draw.

    Args:
        temperature: logits are divided by it.
        top_k: draw among so many of the likeliest only.
        random: gives one uniform number a symbol.
    """

    def choose(scores: np.ndarray) -> int:
        if temperature == 0:
            return int(scores.argmax())
        if top_k is not None:
            rest = np.argsort(-scores, kind="stable")[top_k:]
            scores = scores.copy()
            scores[rest] = -np.inf
        heights = np.exp((scores - scores.max()) / temperature).cumsum()
        return int(np.searchsorted(heights, random.uniform() * heights[-1], side="right"))

    return choose
