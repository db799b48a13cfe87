"""Comparisons of language models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from gatewise.comparison.estimator_task import EstimatorTask, Part
from gatewise.comparison.parts import cut_cases
from gatewise.comparison.task import Outcome
from gatewise.comparison.text_baselines import NGram
from gatewise.data.alphabet import Alphabet
from gatewise.data.corpus import Documents
from gatewise.data.errors import DataError
from gatewise.estimators import LanguageModel

_ORDERS = {"unigram": 1, "bigram": 2, "trigram": 3}
_TEST_SHARE = 0.05  # of one long text, a fold: five folds test on the last quarter
_LEAST = 1_000  # characters of a test part
_SAMPLE = 600  # characters that a cell writes


@dataclass(frozen=True)
class TextTask(EstimatorTask):
    """Telling the next character.

    A case is a document or, of one long text, a character.

    Attributes:
        documents: the texts.
        unit: ``"character"`` or ``"byte"``.
    """

    documents: Documents
    unit: str

    name: ClassVar[str] = "text"
    metrics: ClassVar[Mapping[str, str]] = {"nats": "nats per character"}
    baselines: ClassVar[tuple[str, ...]] = tuple(_ORDERS)

    @property
    def in_time(self) -> bool:  # type: ignore[override]
        """Whether the folds are pieces of one text, in its order."""
        return not self.documents.have_ends

    def estimator(self, cell: str, hidden_size: int) -> LanguageModel:
        """Make a language model that knows every character of the text."""
        return LanguageModel(
            unit=self.unit,
            alphabet="".join(self._characters) if self.unit == "character" else None,
            cell=cell,
            hidden_size=hidden_size,
            validation=0.0,
            device=self.device,
            progress=False,
        )

    def few(self) -> tuple[Any]:
        """Give a beginning."""
        return self.take(np.arange(min(500, self._cases)))

    def take(self, cases: np.ndarray) -> tuple[Any]:
        """Give documents, or a piece of the one text."""
        return (self._documents(cases).texts if self._many else self._piece(cases),)

    def fit_baseline(self, name: str, cases: np.ndarray) -> NGram:
        """Count symbols, pairs or triples."""
        alphabet = Alphabet.of(self.documents.texts, self.unit, None)
        return NGram(_ORDERS[name], alphabet).fit(self._documents(cases))

    def measure(self, model: Any, cases: np.ndarray, *, shown: bool) -> Outcome:
        """Measure the nats per character."""
        documents = self._documents(cases)
        if isinstance(model, NGram):
            each = model.nats_each(documents)
        else:
            each = model.nats_each(documents.texts if self._many else documents.texts[0])
        characters = documents.count(with_ends=self._many)
        rows = told_symbols(documents, self.unit, each) if shown else None
        test = {"nats": float(each.sum()) / characters}
        return Outcome({}, test, characters, predictions=rows)

    def about(self, model: Any) -> dict[str, Any]:
        """Give a sample of what the cell writes."""
        pieces = model.generate(length=_SAMPLE, temperature=0.8, random_state=0)
        return {"sample": "".join(pieces)}

    def batch_steps(self) -> int:
        """Give the steps of truncated backpropagation."""
        return int(LanguageModel().bptt)

    def data(self) -> dict[str, Any]:
        """Describe the text."""
        texts = self.documents.texts
        many = f" in {len(texts):,} documents" if self._many else ""
        return {
            "title": f"Telling the next {self.unit}",
            "about": f"{sum(map(len, texts)):,} characters{many}, {len(self._characters)} "
            "different ones.",
            "name": self.source,
            "characters": sum(map(len, texts)),
            "documents": len(texts),
            "target": f"the next {self.unit}",
        }

    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Say how much each part of each fold has."""
        of = "documents" if self._many else "characters"
        return [
            {
                "fold": number,
                f"train_{of}": len(part.train),
                f"validation_{of}": len(part.validation),
                "test_characters": size,
            }
            for number, (part, size) in enumerate(zip(self.parts, test_sizes, strict=True))
        ]

    def plan_notes(self) -> list[str]:
        """Say what is told."""
        return [f"tells the next {self.unit} of {self.source}"]

    @property
    def _many(self) -> bool:
        return self.documents.have_ends

    @property
    def _cases(self) -> int:
        return len(self.documents.texts) if self._many else len(self.documents.texts[0])

    @property
    def _characters(self) -> list[str]:
        return sorted(set().union(*self.documents.texts))

    def _piece(self, cases: np.ndarray) -> str:
        return self.documents.texts[0][cases[0] : cases[-1] + 1]

    def _documents(self, cases: np.ndarray) -> Documents:
        chosen = [self.documents.texts[c] for c in cases] if self._many else [self._piece(cases)]
        return Documents(self.documents.name, chosen, have_ends=self._many)


def told_symbols(documents: Documents, unit: str, nats: np.ndarray) -> pl.DataFrame:
    """Lay out what each symbol cost, a row a symbol.

    Args:
        documents: that were read.
        unit: ``"character"`` or ``"byte"``.
        nats: of each symbol (n,), a document's end among them where documents have ends.

    Returns:
        Columns ``position`` (from 1, in its document), ``symbol`` (the character; of bytes beyond
        ASCII two hexadecimal digits after a backslash; null is a document's end) and ``nats``.
    """
    symbols: list[str | None] = []
    places = []
    for text in documents.texts:
        spelt = list(text) if unit == "character" else [_byte(byte) for byte in text.encode()]
        symbols += [*spelt, None] if documents.have_ends else spelt
        places.append(np.arange(1, 1 + len(spelt) + documents.have_ends, dtype=np.int32))
    return pl.DataFrame(
        {
            "position": np.concatenate(places),
            "symbol": pl.Series(symbols, dtype=pl.String),
            "nats": nats.astype(np.float32),
        }
    )


def _byte(byte: int) -> str:
    return chr(byte) if byte < 128 else f"\\{byte:02x}"


def cut_text(documents: Documents, folds: int, seed: int) -> list[Part]:
    """Cut documents at random, or one text in its order: each fold trains on what stands before.

    The test parts of one text are adjacent, 5 % of it each, the last at its end; the validation
    part stands right before the test part and is as long.

    Raises:
        DataError: if there is too little text.
    """
    if documents.have_ends:
        return cut_cases(len(documents.texts), folds, seed, documents.name)
    length = len(documents.texts[0])
    test = int(_TEST_SHARE * length)
    if test < _LEAST or length - (folds + 1) * test < test:
        raise DataError(
            f"too little text for {folds} folds: {length:,} characters, where each test part has "
            f"5 % and at least {_LEAST:,}; give more text, or fewer --folds",
            name=documents.name,
        )
    ends = [length - (folds - 1 - fold) * test for fold in range(folds)]
    return [
        Part(
            np.arange(end - 2 * test),
            np.arange(end - 2 * test, end - test),
            np.arange(end - test, end),
        )
        for end in ends
    ]
