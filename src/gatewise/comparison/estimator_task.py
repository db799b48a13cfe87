"""What comparisons of sequences, tags and texts share: public estimators, fitted on folds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from gatewise.comparison.task import Outcome
from gatewise.estimators import network_of
from gatewise.estimators.defaults import default_batch
from gatewise.estimators.recurrent import count_parameters
from gatewise.nn.base import RecurrentLayer
from gatewise.training import was_interrupted


@dataclass(frozen=True)
class Part:
    """A fold: the numbers of the cases that each part holds, int64 arrays."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


@dataclass(frozen=True)
class EstimatorTask(ABC):
    """A task whose cells are estimators; subclasses say which, and what is measured.

    Attributes:
        source: name of the data.
        parts: the folds.
        steps: optimiser steps of every cell.
        device: where the cells are trained.
        notes: what was found in the data.
    """

    source: str
    parts: list[Part]
    steps: int
    device: str
    notes: list[str]

    name: ClassVar[str]
    metrics: ClassVar[Mapping[str, str]]
    baselines: ClassVar[tuple[str, ...]]
    in_time: ClassVar[bool] = False
    assumptions: ClassVar[list[str]] = []

    @abstractmethod
    def estimator(self, cell: str, hidden_size: int) -> Any:
        """Make the estimator of a cell, not fitted, with the default learning rate."""

    @abstractmethod
    def few(self) -> tuple[Any, ...]:
        """Give few cases to build a network of the full width from, as ``fit`` takes them."""

    @abstractmethod
    def take(self, cases: np.ndarray) -> tuple[Any, ...]:
        """Give the cases of a part, as ``fit`` takes them."""

    @abstractmethod
    def measure(self, model: Any, cases: np.ndarray, *, shown: bool) -> Outcome:
        """Measure a fitted model on cases: ``test``, ``test_size``, and predictions if ``shown``.

        Models are estimators and baselines alike.
        """

    @abstractmethod
    def fit_baseline(self, name: str, cases: np.ndarray) -> Any:
        """Fit a baseline, which has a ``label``, to cases."""

    @abstractmethod
    def batch_steps(self) -> int:
        """Give the steps of a usual sequence in training."""

    @abstractmethod
    def data(self) -> dict[str, Any]:
        """Describe the data, as ``result.json`` has it."""

    @abstractmethod
    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Describe each fold in a row of plain values."""

    @abstractmethod
    def plan_notes(self) -> list[str]:
        """Say what is learnt and on what, one line each."""

    def about(self, model: Any) -> dict[str, Any]:  # noqa: ARG002
        """Give further facts of a fitted cell, plain JSON values."""
        return {}

    def folds(self) -> int:
        """Give the number of folds."""
        return len(self.parts)

    def test_to_train(self, fold: int) -> float:
        """Give test cases for each one of training and validation."""
        part = self.parts[fold]
        return len(part.test) / (len(part.train) + len(part.validation))

    def parameters(self, cell: str, hidden_size: int) -> int:
        """Count the parameters of the network with ``hidden_size`` units."""
        return count_parameters(network_of(self._barely_fitted(cell, hidden_size)))

    def train(
        self, cell: str, hidden_size: int, fold: int, *, seed: int, rate_factor: float = 1.0
    ) -> Outcome:
        """Train a cell on a fold and test it."""
        part = self.parts[fold]
        model = self.estimator(cell, hidden_size)
        rate = model.learning_rate * rate_factor
        model.set_params(steps=self.steps, learning_rate=rate, random_state=seed)
        model.fit(*self.take(part.train))
        net, history = network_of(model), model.history_
        if was_interrupted(history):  # half a training is no trial
            raise KeyboardInterrupt
        about = {
            "hidden": hidden_size,
            "parameters": count_parameters(net),
            "size_bytes": sum(p.numel() * p.element_size() for p in net.parameters()),
            "learning_rate": rate,
            "best_step": best_step(history),
            "steps_taken": history[-1]["step"],
            "seconds": history[-1]["seconds"],
            **self.about(model),
        }
        return replace(self._tested(model, part), history=history, about=about)

    def baseline(self, name: str, fold: int) -> Outcome:
        """Fit a baseline on a fold and test it."""
        part = self.parts[fold]
        model = self.fit_baseline(name, part.train)
        return replace(self._tested(model, part), about={"label": model.label})

    def timed(self, cell: str, hidden_size: int) -> "TimedEstimator":
        """Make an estimator ready to be timed on the last fold's training part."""
        model = self.estimator(cell, hidden_size)
        layer = main_layer(network_of(self._barely_fitted(cell, hidden_size)))
        data = self.take(self.parts[-1].train)
        return TimedEstimator(model, data, layer, self.batch_steps())

    def _tested(self, model: Any, part: Part) -> Outcome:
        validation = self.measure(model, part.validation, shown=False).test
        outcome = self.measure(model, part.test, shown=True)
        error = next(value for value in validation.values() if value is not None)
        return replace(outcome, validation=validation, validation_error=error)

    def _barely_fitted(self, cell: str, hidden_size: int) -> Any:
        """Fit for one step, for the sake of the network."""
        return self.estimator(cell, hidden_size).set_params(steps=1).fit(*self._few)

    @cached_property
    def _few(self) -> tuple[Any, ...]:
        return self.few()


class TimedEstimator:
    """An estimator and its training data, ready to be timed."""

    def __init__(
        self, model: Any, data: Sequence[Any], layer: RecurrentLayer, batch_steps: int
    ) -> None:
        self.model = model
        self.data = data
        self.layer = layer
        batch = model.batch_size or default_batch(len(data[0]))
        self.batch_shape = (batch_steps, batch, layer.input_size)

    def train(self, steps: int) -> float:
        """Give the seconds of one optimiser step, over ``steps`` of them."""
        history = self.model.set_params(steps=steps).fit(*self.data).history_
        return history[-1]["seconds"] / history[-1]["step"]


def main_layer(net: Any) -> RecurrentLayer:
    """Give the recurrent layer of a network that has the most parameters."""
    layers = [module for module in net.modules() if isinstance(module, RecurrentLayer)]
    return max(layers, key=count_parameters)


def best_step(history: Sequence[Mapping[str, Any]]) -> int:
    """Give the step of the least validation error, the last one where none was taken."""
    known = [row for row in history if row["validation_error"] is not None]
    best = min(known, key=lambda row: row["validation_error"]) if known else history[-1]
    return int(best["step"])
