"""Comparisons of taggers: a label for every step."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gatewise.comparison.estimator_task import EstimatorTask
from gatewise.comparison.sequence_baselines import filled
from gatewise.comparison.task import Outcome
from gatewise.data.sequences import Tagged
from gatewise.estimators import SequenceTagger


@dataclass(frozen=True)
class TagTask(EstimatorTask):
    """Telling a label of every step.

    Attributes:
        tagged: the sequences with their labels.
    """

    tagged: Tagged

    name: ClassVar[str] = "tag"
    metrics: ClassVar[Mapping[str, str]] = {"error": "error rate"}
    baselines: ClassVar[tuple[str, ...]] = ("majority", "step")

    def estimator(self, cell: str, hidden_size: int) -> SequenceTagger:
        """Make a tagger."""
        return SequenceTagger(
            cell=cell, hidden_size=hidden_size, device=self.device, progress=False
        )

    def few(self) -> tuple[Any, Any]:
        """Give the last fold's training part: its words and labels decide the network's width."""
        return self.take(self.parts[-1].train)

    def take(self, cases: np.ndarray) -> tuple[Any, Any]:
        """Give sequences and their labels."""
        return [self.tagged.items[case] for case in cases], [self.tagged.tags[c] for c in cases]

    def fit_baseline(self, name: str, cases: np.ndarray) -> Any:
        """Fit the commonest label, or the likeliest label of each step by itself."""
        items, tags = self.take(cases)
        if name == "majority":
            return CommonestTag(tags)
        return TagOfWord(items, tags) if self._words else TagOfStep(items, tags)

    def measure(self, model: Any, cases: np.ndarray, *, shown: bool) -> Outcome:
        """Measure the share of wrong labels."""
        items, tags = self.take(cases)
        truth = [tag for sequence in tags for tag in sequence]
        predicted = [str(tag) for sequence in model.predict(items) for tag in sequence]
        wrong = sum(a != b for a, b in zip(truth, predicted, strict=True))
        rows = _rows(tags, truth, predicted) if shown else None
        return Outcome({}, {"error": wrong / len(truth)}, len(truth), predictions=rows)

    def batch_steps(self) -> int:
        """Give the middle length."""
        return int(np.median([len(tags) for tags in self.tagged.tags]))

    def data(self) -> dict[str, Any]:
        """Describe the sequences."""
        found = {tag for tags in self.tagged.tags for tag in tags}
        steps = sum(map(len, self.tagged.tags))
        of = "words" if self._words else "steps"
        return {
            "title": "Tagging " + of,
            "about": f"{len(self.tagged):,} sequences, {steps:,} {of}, {len(found)} labels.",
            "name": self.source,
            "sequences": len(self.tagged),
            "target": "the label of each " + of.removesuffix("s"),
        }

    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Say how many sequences each part of each fold has, and how many steps are tested."""
        return [
            {
                "fold": number,
                "train_sequences": len(part.train),
                "validation_sequences": len(part.validation),
                "test_sequences": len(part.test),
                "test_steps": size,
            }
            for number, (part, size) in enumerate(zip(self.parts, test_sizes, strict=True))
        ]

    def plan_notes(self) -> list[str]:
        """Say what is told."""
        return [f"tells a label of every step of {len(self.tagged):,} sequences"]

    @property
    def _words(self) -> bool:
        return isinstance(self.tagged.items[0], list)


def _rows(tags: Sequence[Sequence[str]], truth: list[str], predicted: list[str]) -> pl.DataFrame:
    """Lay out what was predicted, a row a step: its sequence's length and its place in it."""
    lengths = np.array([len(sequence) for sequence in tags], np.int32)
    places = np.concatenate([np.arange(1, length + 1, dtype=np.int32) for length in lengths])
    columns = {"length": np.repeat(lengths, lengths), "position": places}
    return pl.DataFrame({**columns, "truth": truth, "predicted": predicted})


class CommonestTag:
    """Give every step the commonest label."""

    label = "commonest label"

    def __init__(self, tags: Sequence[Sequence[str]]) -> None:
        self.tag = Counter(tag for sequence in tags for tag in sequence).most_common(1)[0][0]

    def predict(self, items: Sequence[Any]) -> list[list[str]]:
        """Give a label for each step."""
        return [[self.tag] * len(item) for item in items]


class TagOfWord:
    """Give each word the label that it had most often; an unknown one the commonest of all."""

    label = "commonest label of the word"

    def __init__(self, items: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> None:
        counts: dict[str, Counter[str]] = {}
        for words, labels in zip(items, tags, strict=True):
            for word, tag in zip(words, labels, strict=True):
                counts.setdefault(word, Counter())[tag] += 1
        self.tags = {word: count.most_common(1)[0][0] for word, count in counts.items()}
        self.otherwise = CommonestTag(tags).tag

    def predict(self, items: Sequence[Sequence[str]]) -> list[list[str]]:
        """Give a label for each word."""
        return [[self.tags.get(word, self.otherwise) for word in words] for words in items]


class TagOfStep:
    """Tell each step's label by logistic regression on its own values and the step's before."""

    label = "linear, of the step"

    def __init__(self, items: Sequence[np.ndarray], tags: Sequence[Sequence[str]]) -> None:
        self.model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
        self.model.fit(self._rows(items), [tag for sequence in tags for tag in sequence])

    def predict(self, items: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Give a label for each step."""
        ends = np.cumsum([len(item) for item in items])[:-1]
        return np.split(self.model.predict(self._rows(items)), ends)

    @staticmethod
    def _rows(items: Sequence[np.ndarray]) -> np.ndarray:
        parts = []
        for item in items:
            value = filled(item)
            parts.append(np.hstack([value, np.vstack([value[:1], value[:-1]])]))
        return np.concatenate(parts)
