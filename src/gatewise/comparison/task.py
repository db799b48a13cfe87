"""What a comparison is made on, whatever the kind of task: data in folds, cells and baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import polars as pl

from gatewise.nn.base import RecurrentLayer


@dataclass(frozen=True)
class Outcome:
    """What came of one model on one fold.

    Attributes:
        validation, test: the errors on those parts by metric, the smaller the better; None where
            a metric cannot be measured.
        test_size: how many forecasts, sequences, words or characters were tested.
        validation_error: what a learning rate is chosen by, the smaller the better.
        history: rows of the training.
        about: further facts of the model, plain JSON values.
        by_step: the test error of each step of a horizon, where there is one.
        predictions: what was predicted on the test part, beside the truth.
    """

    validation: Mapping[str, float | None]
    test: Mapping[str, float | None]
    test_size: int
    validation_error: float = 0.0
    history: Sequence[Mapping[str, Any]] = ()
    about: Mapping[str, Any] = field(default_factory=dict)
    by_step: Sequence[float | None] = ()
    predictions: pl.DataFrame | None = None


class Timed(Protocol):
    """A cell's network, ready to be timed.

    Attributes:
        layer: its recurrent layer.
        batch_shape: (T, B, I) of what that layer reads in training.
    """

    layer: RecurrentLayer
    batch_shape: tuple[int, int, int]

    def train(self, steps: int) -> float:
        """Give the seconds of one optimiser step, over ``steps`` of them."""


class Task(Protocol):
    """One kind of task on one table, cut into folds; sent to worker processes as it is.

    Attributes:
        name: ``"forecast"``, ``"classify"``, …
        metrics: the errors that are measured, and how each is shown.
        baselines: names of the baselines, in the order of the table.
        in_time: whether the folds follow one another in time.
        notes: what was found in the data, one line each.
        assumptions: what is taken as known, one sentence each.
    """

    @property
    def name(self) -> str: ...

    @property
    def metrics(self) -> Mapping[str, str]: ...

    @property
    def baselines(self) -> tuple[str, ...]: ...

    @property
    def in_time(self) -> bool: ...

    @property
    def notes(self) -> list[str]: ...

    @property
    def assumptions(self) -> list[str]: ...

    def folds(self) -> int:
        """Give the number of folds."""

    def test_to_train(self, fold: int) -> float:
        """Give a fold's test cases for each one that the models were chosen on."""

    def parameters(self, cell: str, hidden_size: int) -> int:
        """Count the trained parameters of the whole network with ``hidden_size`` units."""

    def train(
        self, cell: str, hidden_size: int, fold: int, *, seed: int, rate_factor: float = 1.0
    ) -> Outcome:
        """Train a cell on a fold and test it.

        ``rate_factor`` multiplies the default learning rate. ``about`` has ``hidden``,
        ``parameters``, ``size_bytes``, ``learning_rate``, ``best_step``, ``steps_taken`` and
        ``seconds``.
        """

    def baseline(self, name: str, fold: int) -> Outcome:
        """Fit a baseline on a fold and test it; ``about`` has its ``label``."""

    def timed(self, cell: str, hidden_size: int) -> Timed:
        """Build a cell's network with a batch of the last fold."""

    def data(self) -> dict[str, Any]:
        """Describe the data, as ``result.json`` has it."""

    def fold_table(self, test_sizes: Sequence[int]) -> list[dict[str, Any]]:
        """Describe each fold in a row of plain values."""

    def plan_notes(self) -> list[str]:
        """Say what is learnt and on what, one line each."""


@dataclass(frozen=True)
class Made:
    """A task, and what the run folder keeps to know it again.

    Attributes:
        task: data in folds.
        arguments: all that decided it, defaults filled in; plain JSON values.
        name, sha256: of the data.
        path: of the data's file, None for data in memory.
        notes: what was left out of the folds.
    """

    task: Task
    arguments: dict[str, Any]
    name: str
    sha256: str
    notes: list[str]
