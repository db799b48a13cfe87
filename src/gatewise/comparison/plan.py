"""What a comparison does, fixed before it starts: folds, trials, how the cells are matched."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.data.errors import DataError

CELLS = ("lstm", "gru", "rnn")
BASELINES = ("last", "seasonal", "linear")

_TEST_SHARE = 0.05  # of each series a fold: five folds test on the last quarter


@dataclass(frozen=True)
class Plan:
    """The plan of a comparison, plain JSON values; with the data it fixes every number but times.

    Attributes:
        horizon, lookback: steps forecast and read.
        segment: time steps that one step of the recurrence reads.
        cells: what is compared.
        hidden: hidden size of each cell, matched by ``match``.
        match: what was made equal: ``"parameters"``, ``"units"`` or ``"time"``.
        folds, seeds: how many of each.
        seed: from which every trial's seed is derived.
        search: learning rates tried on the validation part; 0 takes the default one.
        steps: optimiser steps at most, the same for every cell.
        metric: which error decides: ``"mae"``, ``"rmse"`` or ``"mase"``.
        margin: relative difference that counts as equal.
        stride: steps between the origins of the test windows.
        threads: of each trial.
        device: where the cells are trained.
    """

    horizon: int
    lookback: int
    segment: int
    cells: tuple[str, ...]
    hidden: dict[str, int]
    match: str
    folds: int
    seeds: int
    seed: int
    search: int
    steps: int
    metric: str
    margin: float
    stride: int
    threads: int
    device: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Plan":
        """Rebuild a plan from ``dataclasses.asdict``'s values."""
        return cls(**{**values, "cells": tuple(values["cells"])})

    def trials(self) -> "list[Trial]":
        """List all trials, the baselines of each fold first."""
        return [trial for fold in range(self.folds) for trial in self._trials_of(fold)]

    def _trials_of(self, fold: int) -> "Iterator[Trial]":
        for name in BASELINES:
            yield Trial(name, fold, 0)
        for seed in range(self.seeds):
            for cell in self.cells:
                yield Trial(cell, fold, seed)


@dataclass(frozen=True)
class Trial:
    """One model trained on one fold with one seed; baselines have the seed 0 only."""

    model: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        """Name of the trial's folder."""
        return f"{self.model}-f{self.fold}-s{self.seed}"


@dataclass(frozen=True)
class Fold:
    """For each series, the steps behind which training, validation and test end; each (S,)."""

    train_end: np.ndarray
    validation_end: np.ndarray
    test_end: np.ndarray

    @property
    def test_to_train(self) -> float:
        """Test steps for each step that the model was chosen on (training and validation)."""
        used = self.validation_end.sum()
        return float((self.test_end - self.validation_end).sum() / used)


def cut_folds(lengths: Sequence[int], folds: int, horizon: int, lookback: int) -> list[Fold]:
    """Cut each series into ``folds`` expanding training parts, each with a later test part.

    The test parts are adjacent, 5 % of the series each but at least a horizon, the last at the
    series' end; the validation part stands right before the test part and is as long.

    Raises:
        DataError: if not one series leaves a window for training in the first fold.
    """
    n = np.asarray(lengths, dtype=np.int64)
    test = np.maximum(np.round(_TEST_SHARE * n).astype(np.int64), horizon)
    cut = []
    for fold in range(folds):
        test_end = np.maximum(n - (folds - 1 - fold) * test, 0)
        validation_end = np.maximum(test_end - test, 0)
        cut.append(Fold(np.maximum(validation_end - test, 0), validation_end, test_end))
    if cut[0].train_end.max(initial=0) < lookback + horizon:
        wanted = (
            (folds + 1) * max(horizon, int(_TEST_SHARE * n.max(initial=0))) + lookback + horizon
        )
        raise DataError(
            f"too few rows: {folds} folds with a look-back of {lookback} and a horizon of "
            f"{horizon} steps need about {wanted} rows, the longest series has "
            f"{n.max(initial=0)}; give a smaller --horizon, --lookback or --folds"
        )
    return cut
