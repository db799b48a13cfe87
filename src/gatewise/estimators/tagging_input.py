"""What a tagger reads, as tensors: steps of numbers, or words and their spellings."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from gatewise.data.channels import ChannelScaler
from gatewise.data.errors import DataError
from gatewise.estimators.ragged import Ragged

_UNKNOWN = 0  # number of any word or character that training did not see


class Steps(Protocol):
    """Encoded sequences, gathered a batch at a time."""

    lengths: Tensor

    def batch(
        self, chosen: Tensor, start: int = 0, most: int | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Give the reader's inputs for ``chosen`` (B,) or a piece of them, and lengths (B,)."""

    def batches(self) -> Iterable[Tensor]:
        """Give all sequences' numbers in batches of bounded size."""


class NumberSteps(Ragged):
    """Sequences of scaled numbers."""

    def batch(  # type: ignore[override]
        self, chosen: Tensor, start: int = 0, most: int | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Give (x (T, B, F),), and the lengths (B,)."""
        x, lengths = super().batch(chosen, start, most)
        return (x,), lengths


class WordSteps(Ragged):
    """Sequences of words, each a number among the distinct ones that stand in these sequences.

    Args:
        forms: (S,) which of the distinct words each step is.
        lengths: (N,) words of each sequence.
        words: (U,) the distinct words' numbers in the vocabulary.
        letters: their spellings.
    """

    def __init__(self, forms: Tensor, lengths: Tensor, words: Tensor, letters: Ragged) -> None:
        super().__init__(forms, lengths)
        self.words = words
        self.letters = letters

    def batch(  # type: ignore[override]
        self, chosen: Tensor, start: int = 0, most: int | None = None
    ) -> tuple[tuple[Tensor, ...], Tensor]:
        """Give (words (T, B), which (T, B), letters (C, U), their lengths (U,)), lengths (B,)."""
        forms, lengths = super().batch(chosen, start, most)
        distinct, which = forms.unique(return_inverse=True)
        letters, spelt = self.letters.batch(distinct)
        return (self.words[forms], which, letters, spelt), lengths


class NumberEncoder:
    """Scales sequences of numbers.

    Args:
        scaler: of the channels.
    """

    def __init__(self, scaler: ChannelScaler) -> None:
        self.scaler = scaler

    @classmethod
    def fit(cls, items: Sequence[np.ndarray]) -> "NumberEncoder":
        """Fit the scaler."""
        return cls(ChannelScaler.fit(items))

    def encode(self, items: Sequence[np.ndarray]) -> NumberSteps:
        """Encode sequences (T_i, F)."""
        lengths = torch.tensor([len(item) for item in items])
        return NumberSteps(torch.from_numpy(self.scaler.scale(items)), lengths)

    def to_json(self) -> dict[str, Any]:
        """Give the encoder as plain JSON values."""
        return {"scaler": self.scaler.to_json()}


class WordEncoder:
    """Numbers the words and characters of the training part; 0 is any other.

    Args:
        words, characters: in the order of their numbers, from 1 on.
    """

    def __init__(self, words: Sequence[str], characters: Sequence[str]) -> None:
        self.words = list(words)
        self.characters = list(characters)
        self._word = {word: number for number, word in enumerate(words, start=1)}
        self._character = {letter: number for number, letter in enumerate(characters, start=1)}

    @classmethod
    def fit(cls, items: Sequence[Sequence[str]]) -> "WordEncoder":
        """Take all words and characters of ``items``."""
        words = sorted({word for item in items for word in item})
        return cls(words, sorted({letter for word in words for letter in word}))

    def encode(self, items: Sequence[Sequence[str]]) -> WordSteps:
        """Encode sequences of words; one without a letter is spelt with one unknown letter."""
        number: dict[str, int] = {}
        forms = [number.setdefault(word, len(number)) for item in items for word in item]
        words = [self._word.get(word, _UNKNOWN) for word in number]
        spelt = [[self._character.get(c, _UNKNOWN) for c in word] or [_UNKNOWN] for word in number]
        letters = torch.tensor([letter for word in spelt for letter in word])
        return WordSteps(
            torch.tensor(forms),
            torch.tensor([len(item) for item in items]),
            torch.tensor(words),
            Ragged(letters, torch.tensor([len(word) for word in spelt])),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the encoder as plain JSON values."""
        return {"words": self.words, "characters": self.characters}


Encoder = NumberEncoder | WordEncoder


def encoder_from_json(values: dict[str, Any]) -> Encoder:
    """Rebuild an encoder from its ``to_json``'s values."""
    if "scaler" in values:
        return NumberEncoder(ChannelScaler.from_json(values["scaler"]))
    return WordEncoder(values["words"], values["characters"])


def holds_words(X: Any) -> bool:
    """Say whether X is a list of sequences of words, by the first of them."""
    first = X[0] if isinstance(X, (list, tuple)) and X else None
    return isinstance(first, (list, tuple, np.ndarray)) and len(first) > 0 and _is_word(first[0])


def as_words(X: Any) -> list[list[str]]:
    """Give X as lists of words.

    Raises:
        DataError: if a sequence is empty, or holds something else.
    """
    if not isinstance(X, (list, tuple)) or not X:
        raise DataError("X must be a list of sequences of words, with one at least")
    found = []
    for number, item in enumerate(X):
        if not isinstance(item, (list, tuple, np.ndarray)):
            raise DataError(f"sequence {number} must be a list of words, got {item!r:.60}")
        if len(item) == 0:
            raise DataError(f"sequence {number} has no words; leave it out")
        wrong = next((word for word in item if not _is_word(word)), None)
        if wrong is not None or None in list(item):
            raise DataError(f"sequence {number} holds {wrong!r:.60}, which is no word")
        found.append([str(word) for word in item])
    return found


def flat_labels(y: Any, lengths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Give all labels one behind the other (S,), and which of them are known (S,), bool.

    Args:
        y: a label for every step: N lists or arrays; None or NaN where it is not known.
        lengths: steps of each sequence.

    Raises:
        DataError: if there are more or fewer labels than steps, or none is known.
    """
    if isinstance(y, str) or not hasattr(y, "__len__"):
        raise DataError("y must hold one list of labels for each sequence")
    if len(y) != len(lengths):
        raise DataError(f"{len(lengths):,} sequences in X, and labels for {len(y):,} in y")
    parts = []
    for number, (labels, length) in enumerate(zip(y, lengths, strict=True)):
        part = _label_array(labels)
        if part.ndim != 1:
            raise DataError(
                f"the labels of sequence {number} must be a list, one a step; got an array of "
                f"shape {part.shape}"
            )
        if len(part) != length:
            raise DataError(f"sequence {number} has {length} steps and {len(part)} labels")
        parts.append(part)
    flat = np.concatenate(parts)
    known = np.array([label is not None and bool(label == label) for label in flat.tolist()])
    if not known.any():
        raise DataError("there is no label in y but missing ones")
    return (_natural(flat, known) if flat.dtype == object else flat), known


def _label_array(labels: Any) -> np.ndarray:
    if isinstance(labels, str):
        return np.empty(0)
    if isinstance(labels, np.ndarray):
        return labels
    return np.array(list(labels), dtype=object)  # else None and NaN would become text beside text


def _natural(flat: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Give labels their own type, text or numbers; those that are not known become any."""
    kinds = {isinstance(label, str) for label in flat[known].tolist()}
    if len(kinds) > 1:
        raise DataError("the labels in y are partly text and partly numbers; take one of the two")
    natural = np.array(flat[known].tolist())
    if natural.dtype == object:
        return flat
    filled = np.zeros(len(flat), dtype=natural.dtype)
    filled[known] = natural
    return filled


def _is_word(item: Any) -> bool:
    return isinstance(item, str)
