"""Comparisons of classifiers and regressors of whole sequences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from sklearn.metrics import log_loss

from gatewise.comparison.estimator_task import EstimatorTask
from gatewise.comparison.sequence_baselines import fit_sequence_baseline
from gatewise.comparison.task import Outcome
from gatewise.data.sequences import Sequences
from gatewise.estimators import SequenceClassifier, SequenceRegressor


@dataclass(frozen=True)
class SequenceTask(EstimatorTask):
    """Telling a label of each sequence.

    Attributes:
        sequences: with their labels.
    """

    sequences: Sequences

    def take(self, cases: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
        """Give sequences and labels."""
        assert self.sequences.labels is not None
        return [self.sequences.values[case] for case in cases], self.sequences.labels[cases]

    def batch_steps(self) -> int:
        """Give the middle length."""
        return int(np.median([len(value) for value in self.sequences.values]))

    def data(self) -> dict[str, Any]:
        """Describe the sequences."""
        return {
            "title": f"{self.verb} sequences",
            "about": f"{self.sequences.describe().removeprefix(f'{self.source}: ')}.",
            "name": self.source,
            "sequences": len(self.sequences),
            "features": self.sequences.features,
            "target": "the label",
        }

    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Say how many sequences each part of each fold has."""
        return [
            {
                "fold": number,
                "train_sequences": len(part.train),
                "validation_sequences": len(part.validation),
                "test_sequences": size,
            }
            for number, (part, size) in enumerate(zip(self.parts, test_sizes, strict=True))
        ]

    def _rows(self, cases: np.ndarray, columns: Mapping[str, Any]) -> pl.DataFrame:
        """Lay out what was predicted, a row a sequence: its id and its length beside it."""
        names = [self.sequences.ids[case] for case in cases]
        lengths = pl.Series([len(self.sequences.values[case]) for case in cases], dtype=pl.Int32)
        return pl.DataFrame({"id": names, "length": lengths, **columns})

    verb: ClassVar[str]


class ClassifyTask(SequenceTask):
    """Telling the class of each sequence."""

    name: ClassVar[str] = "classify"
    verb: ClassVar[str] = "Classifying"
    metrics: ClassVar[Mapping[str, str]] = {"error": "error rate", "log_loss": "log loss"}
    baselines: ClassVar[tuple[str, ...]] = ("majority", "linear", "nearest")

    def estimator(self, cell: str, hidden_size: int) -> SequenceClassifier:
        """Make a classifier."""
        return SequenceClassifier(
            cell=cell, hidden_size=hidden_size, device=self.device, progress=False
        )

    def few(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Give one sequence of each class."""
        _, first = np.unique(self._labels, return_index=True)
        return self.take(first)

    def fit_baseline(self, name: str, cases: np.ndarray) -> Any:
        """Fit the majority class, a linear model of summaries, or the nearest sequence."""
        return fit_sequence_baseline(name, *self.take(cases))

    def measure(self, model: Any, cases: np.ndarray, *, shown: bool) -> Outcome:
        """Measure the error rate and the log loss."""
        values, truth = self.take(cases)
        shares = model.predict_proba(values)  # (n, K)
        predicted = model.classes_[shares.argmax(1)]
        test = {"error": float((predicted != truth).mean()), "log_loss": None}
        if getattr(model, "has_shares", True) and set(truth) <= set(model.classes_):
            test["log_loss"] = float(log_loss(truth, shares, labels=model.classes_))
        rows = None
        if shown:
            columns = {"truth": truth.tolist(), "predicted": predicted.tolist()}
            rows = self._rows(cases, columns)
        return Outcome({}, test, len(cases), predictions=rows)

    def plan_notes(self) -> list[str]:
        """Say what is told from what."""
        found = len(np.unique(self._labels))
        return [f"tells {found} classes of {len(self.sequences):,} sequences"]

    @property
    def _labels(self) -> np.ndarray:
        assert self.sequences.labels is not None
        return self.sequences.labels


class RegressTask(SequenceTask):
    """Telling a number of each sequence."""

    name: ClassVar[str] = "regress"
    verb: ClassVar[str] = "Telling a number of"
    metrics: ClassVar[Mapping[str, str]] = {"mae": "MAE", "rmse": "RMSE"}
    baselines: ClassVar[tuple[str, ...]] = ("mean", "linear", "nearest")

    def estimator(self, cell: str, hidden_size: int) -> SequenceRegressor:
        """Make a regressor."""
        return SequenceRegressor(
            cell=cell, hidden_size=hidden_size, device=self.device, progress=False
        )

    def few(self) -> tuple[list[np.ndarray], np.ndarray]:
        """Give two sequences."""
        return self.take(np.arange(2))

    def fit_baseline(self, name: str, cases: np.ndarray) -> Any:
        """Fit the mean, a linear model of summaries, or the nearest sequence."""
        return fit_sequence_baseline(name, *self.take(cases), numbers=True)

    def measure(self, model: Any, cases: np.ndarray, *, shown: bool) -> Outcome:
        """Measure the mean absolute and the root mean squared error."""
        values, truth = self.take(cases)
        predicted = np.asarray(model.predict(values), dtype=np.float64)
        off = predicted - truth
        test = {"mae": float(np.abs(off).mean()), "rmse": float(np.sqrt((off**2).mean()))}
        rows = None
        if shown:
            rows = self._rows(cases, {"truth": truth, "predicted": predicted})
        return Outcome({}, test, len(cases), predictions=rows)

    def plan_notes(self) -> list[str]:
        """Say what is told from what."""
        return [f"tells a number of each of {len(self.sequences):,} sequences"]
