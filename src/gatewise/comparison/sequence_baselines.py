"""Baselines for whole sequences: no look at them, a look at summaries, or the nearest one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

_STEPS = 32  # that sequences are stretched to, to be laid over each other


def fit_sequence_baseline(
    name: str, values: Sequence[np.ndarray], labels: np.ndarray, *, numbers: bool = False
) -> Pipeline:
    """Fit a baseline to sequences (T_i, F) and their labels (N,).

    Args:
        name: ``"majority"`` or ``"mean"``; ``"linear"``: logistic or ridge regression on summaries
            of each channel, its penalty chosen by cross-validation; ``"nearest"``: the label of
            the nearest sequence, all stretched to the same length.
        values, labels: to fit to.
        numbers: whether labels are numbers, not classes.

    Returns:
        A pipeline with a ``label`` for the table, and ``has_shares``: whether its probabilities
        are meant as such.
    """
    if name in ("majority", "mean"):
        prior = DummyRegressor() if numbers else DummyClassifier(strategy="prior")
        model = make_pipeline(FunctionTransformer(summaries), prior)
        label = "mean" if numbers else "commonest class"
    elif name == "linear":
        linear = RidgeCV(np.logspace(-2, 4, 7)) if numbers else _logistic(labels)
        model = make_pipeline(FunctionTransformer(summaries), StandardScaler(), linear)
        label = "linear, of summaries"
    else:
        nearest = KNeighborsRegressor(1) if numbers else KNeighborsClassifier(1)
        model = make_pipeline(FunctionTransformer(stretched), StandardScaler(), nearest)
        label = "nearest sequence"
    model.fit(values, labels)
    model.label, model.has_shares = label, name != "nearest"
    return model


def summaries(values: Sequence[np.ndarray]) -> np.ndarray:
    """Summarise each channel of each sequence: (N, 7 · F + 1).

    Mean, standard deviation, least, largest, first, last and mean step; and the sequence's length.
    """
    return np.stack([_summary(filled(value)) for value in values])


def stretched(values: Sequence[np.ndarray]) -> np.ndarray:
    """Stretch each sequence to 32 steps by linear interpolation: (N, 32 · F)."""
    return np.stack([_stretch(filled(value)).ravel() for value in values])


def filled(value: np.ndarray) -> np.ndarray:
    """Fill what is missing in a sequence (T, F) by interpolation; a channel without any is 0."""
    value = np.array(value, dtype=np.float64)
    steps = np.arange(len(value))
    for channel in value.T:
        known = np.isfinite(channel)
        if not known.any():
            channel[:] = 0.0
        elif not known.all():
            channel[~known] = np.interp(steps[~known], steps[known], channel[known])
    return value


def _summary(value: np.ndarray) -> np.ndarray:
    step = np.abs(np.diff(value, axis=0)).sum(axis=0) / max(len(value) - 1, 1)
    parts = [value.mean(0), value.std(0), value.min(0), value.max(0), value[0], value[-1], step]
    return np.concatenate([*parts, [len(value)]])


def _stretch(value: np.ndarray) -> np.ndarray:
    places, steps = np.linspace(0, len(value) - 1, _STEPS), np.arange(len(value))
    return np.stack([np.interp(places, steps, channel) for channel in value.T], axis=1)


def _logistic(labels: np.ndarray) -> Any:
    fewest = int(np.unique(labels, return_counts=True)[1].min())
    return GridSearchCV(
        LogisticRegression(max_iter=2_000),
        {"C": np.logspace(-2, 2, 5)},
        scoring="neg_log_loss",
        cv=min(3, fewest),
    )
