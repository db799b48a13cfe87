"""What a comparison does, fixed before it starts: folds, trials, how the cells are matched."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Plan:
    """The plan of a comparison, plain JSON values; with the data it fixes every number but times.

    Attributes:
        task: ``"forecast"``, ``"classify"``, ``"tag"`` or ``"text"``.
        cells: what is compared.
        baselines: beside what.
        hidden: hidden size of each cell, matched by ``match``.
        in_time: whether the folds follow one another in time.
        match: what was made equal: ``"parameters"``, ``"units"`` or ``"time"``.
        folds, seeds: how many of each.
        seed: from which every trial's seed is derived.
        search: learning rates tried on the validation part; 0 takes the default one.
        steps: optimiser steps at most, the same for every cell.
        metrics: the task's errors, and how each is shown.
        metric: which of them decides.
        margin: relative difference that counts as equal.
        threads: of each trial.
        device: where the cells are trained.
    """

    task: str
    cells: tuple[str, ...]
    baselines: tuple[str, ...]
    in_time: bool
    hidden: dict[str, int]
    match: str
    folds: int
    seeds: int
    seed: int
    search: int
    steps: int
    metrics: dict[str, str]
    metric: str
    margin: float
    threads: int
    device: str

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Plan":
        """Rebuild a plan from ``dataclasses.asdict``'s values."""
        tuples = {name: tuple(values[name]) for name in ("cells", "baselines")}
        return cls(**{**values, **tuples})

    def trials(self) -> "list[Trial]":
        """List all trials, the baselines of each fold first."""
        return [trial for fold in range(self.folds) for trial in self._trials_of(fold)]

    def _trials_of(self, fold: int) -> "Iterator[Trial]":
        for name in self.baselines:
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
