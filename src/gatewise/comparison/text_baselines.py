"""The honest baseline of a text: how often a symbol followed the few before it."""

from dataclasses import dataclass, field

import numpy as np

from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Corpus, Documents
from gatewise.data.errors import DataError

_LARGEST = 2**63 - 1  # of a number that stands for a context and what follows it


@dataclass
class NGram:
    """Tell a symbol by the ``order − 1`` before it in its document, with added counts.

    p(s | context) = (n(context, s) + constant) / (n(context) + constant · V) over the V symbols
    that may follow (Lidstone's rule). Before a document's first symbol stand boundaries.

    Args:
        order: symbols counted together, from 1 (no context) on.
        alphabet: the symbols.
        constant: what is added to each count, positive.

    Raises:
        ValueError: if an argument is out of its range, or the contexts are too many to number.
    """

    order: int
    alphabet: Alphabet
    constant: float = 0.01
    _have_ends: bool = field(default=False, init=False)
    _pairs: tuple[np.ndarray, np.ndarray] = field(init=False, repr=False)
    _contexts: tuple[np.ndarray, np.ndarray] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.order < 1:
            raise ValueError(f"order must be at least 1, got {self.order}")
        if not self.constant > 0:
            raise ValueError(f"constant must be positive, got {self.constant}")
        if (self.alphabet.size + 1) ** self.order > _LARGEST:
            raise ValueError(
                f"order {self.order} is too large for {self.alphabet.size} symbols: take less"
            )

    @property
    def label(self) -> str:
        """How the table names it."""
        return {1: "unigram", 2: "bigram", 3: "trigram"}.get(self.order, f"{self.order}-gram")

    def fit(self, documents: Documents) -> "NGram":
        """Count in documents; a part of what is told is also their end, where they have one."""
        self._have_ends = documents.have_ends
        contexts, pairs = self._numbered(documents, have_ends=self._have_ends)
        self._pairs = np.unique(pairs, return_counts=True)
        self._contexts = np.unique(contexts, return_counts=True)
        return self

    def nats(self, documents: Documents) -> float:
        """Give the nats per character, as ``LanguageModel.nats`` counts them."""
        have_ends = documents.have_ends and self._have_ends
        return float(self.nats_each(documents).sum()) / documents.count(with_ends=have_ends)

    def nats_each(self, documents: Documents) -> np.ndarray:
        """Give the nats of each symbol that is told, (n,), as ``LanguageModel.nats_each`` does."""
        have_ends = documents.have_ends and self._have_ends
        contexts, pairs = self._numbered(documents, have_ends=have_ends)
        outcomes = self.alphabet.size + int(self._have_ends)
        seen = _look_up(self._pairs, pairs) + self.constant
        among = _look_up(self._contexts, contexts) + self.constant * outcomes
        return -np.log(seen / among)

    def _numbered(self, documents: Documents, *, have_ends: bool) -> tuple[np.ndarray, np.ndarray]:
        """Number the context of each symbol that is told, and the context with the symbol."""
        corpus = Corpus.of(documents, self.alphabet, have_ends=have_ends)
        told = np.arange(len(corpus.symbols) - 1)
        if not have_ends:
            told = told[corpus.symbols[1:] != corpus.boundary]
        if not len(told):
            raise DataError("no text", name=documents.name)
        begins = np.repeat(corpus.starts[:-1], np.diff(corpus.starts))[told]
        contexts = np.zeros(len(told), np.int64)
        for back in range(self.order - 2, -1, -1):
            context = corpus.symbols[np.maximum(told - back, begins)]  # the boundary before it
            contexts = contexts * (self.alphabet.size + 1) + context
        return contexts, contexts * (self.alphabet.size + 1) + corpus.symbols[told + 1]


def _look_up(counts: tuple[np.ndarray, np.ndarray], numbers: np.ndarray) -> np.ndarray:
    """Give the count of each number, 0 where it was never seen."""
    known, times = counts
    places = np.searchsorted(known, numbers).clip(max=len(known) - 1)
    return np.where(known[places] == numbers, times[places], 0)
