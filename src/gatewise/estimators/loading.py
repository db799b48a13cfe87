"""Models read back from their files, whatever their task."""

import os
from typing import Any

from torch import nn

from gatewise.data.errors import DataError
from gatewise.estimators.forecaster import Forecaster
from gatewise.estimators.language_model import LanguageModel
from gatewise.estimators.model_file import read_model
from gatewise.estimators.sequence_estimators import SequenceClassifier, SequenceRegressor
from gatewise.estimators.tagger import SequenceTagger

_TASKS: dict[str, type[Any]] = {
    "forecast": Forecaster,
    "classify": SequenceClassifier,
    "regress": SequenceRegressor,
    "tag": SequenceTagger,
    "text": LanguageModel,
}


def load(path: str | os.PathLike[str]) -> Any:
    """Load a model that ``save`` or ``gatewise fit`` wrote; no code from the file is run.

    Returns:
        The fitted estimator, of the class that was saved.
    """
    header, weights = read_model(path)
    task = header.get("task")
    if task not in _TASKS:
        raise DataError(f"{path}: a model for the task {task!r}, unknown here")
    try:
        return _TASKS[task]._from_file(header, weights)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise DataError(f"{path}: a damaged model file: {type(error).__name__}: {error}") from None


def network_of(estimator: Any) -> nn.Module:
    """Give the network of a fitted estimator."""
    return getattr(estimator.model_, "net", estimator.model_)
