"""Documents as one line of symbols, of which each is told from those before it."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.data.alphabet import Alphabet
from gatewise.data.errors import DataError
from gatewise.data.text import read_text


@dataclass(frozen=True)
class Documents:
    """Texts to learn from or to score.

    Attributes:
        name: of the file, or "text": for messages.
        texts: one string a document.
        have_ends: whether where a document ends is part of what is told; one long text has no end.
    """

    name: str
    texts: Sequence[str]
    have_ends: bool

    def count(self, *, with_ends: bool) -> int:
        """Count the characters, each end as one more where ends count."""
        return sum(map(len, self.texts)) + (len(self.texts) if with_ends else 0)


def read_documents(source: Any, *, lines: bool = False) -> Documents:
    """Take a text, the path of one, or several texts.

    Args:
        source: a ``str`` or the path of a UTF-8 file (see :func:`gatewise.data.text.read_text`),
            or an iterable of ``str``, one a document.
        lines: each line of a text or file is a document of its own; empty lines are left out.

    Raises:
        DataError: no text, or something that is none.
    """
    if isinstance(source, (str, os.PathLike)):
        text = read_text(source)
        is_path = isinstance(source, os.PathLike) or text is not source
        name = os.path.basename(source) if is_path else "text"
        if not lines:
            return Documents(name, [text], have_ends=False)
        texts = [line for line in text.split("\n") if line]
        if not texts:
            raise DataError("only empty lines", name=name)
        return Documents(name, texts, have_ends=True)
    if isinstance(source, (bytes, bytearray)) or not isinstance(source, Iterable):
        raise DataError(f"not a text, a path or a list of texts: {type(source).__name__}")
    texts = list(source)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"document {number} is no text: {type(text).__name__}")
    if not any(texts):
        raise DataError("no documents, or only empty ones")
    return Documents("documents", [str(text) for text in texts], have_ends=True)


@dataclass(frozen=True)
class Corpus:
    """Documents in a row, a boundary before and behind each.

    Symbol ``p + 1`` is told from symbol ``p`` and those before it in its document.

    Attributes:
        symbols: (N + 1,) int32.
        starts: (documents + 1,) int64: document d is told at ``starts[d] … starts[d + 1] − 1``.
        boundary: the number before a document and, where ends count, behind it.
        have_ends: whether the boundary behind a document is to be told; else it is left out.
    """

    symbols: np.ndarray
    starts: np.ndarray
    boundary: int
    have_ends: bool

    @classmethod
    def of(cls, documents: Documents, alphabet: Alphabet, *, have_ends: bool) -> "Corpus":
        """Encode documents; a message about one of several says which."""
        parts, boundary = [], np.array([alphabet.boundary], np.int32)
        several = len(documents.texts) > 1
        for number, text in enumerate(documents.texts):
            name = f"{documents.name}, document {number}" if several else documents.name
            parts += [boundary, alphabet.encode(text, name)]
        symbols = np.concatenate([*parts, boundary])
        starts = np.concatenate([[0], np.cumsum([len(part) + 1 for part in parts[1::2]])])
        return cls(symbols, starts, alphabet.boundary, have_ends)

    @property
    def last(self) -> int:
        """How many symbols are to be told from the first on, without an end that does not count."""
        return len(self.symbols) - (1 if self.have_ends else 2)
