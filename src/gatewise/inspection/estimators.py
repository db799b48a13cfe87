"""From a fitted estimator and data to what is looked at."""

from collections.abc import Callable
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from gatewise.estimators.forecaster import Forecaster
from gatewise.estimators.language_model import LanguageModel
from gatewise.estimators.sequence_estimators import SequenceClassifier, SequenceRegressor
from gatewise.estimators.tagger import SequenceTagger
from gatewise.inspection.choice import Choice
from gatewise.inspection.forecast_view import forecast_view
from gatewise.inspection.sequence_view import sequence_view
from gatewise.inspection.tag_view import tag_view
from gatewise.inspection.text_view import text_view
from gatewise.inspection.view import View

__all__ = ["Choice", "view_of"]

_OF_SEQUENCES = ("sequence", "steps")
_KINDS: dict[type[Any], tuple[Callable[[Any, Any, Choice], View], str, tuple[str, ...]]] = {
    Forecaster: (forecast_view, "a forecast", ("series", "at")),
    SequenceClassifier: (sequence_view, "a classifier", _OF_SEQUENCES),
    SequenceRegressor: (sequence_view, "a regressor", _OF_SEQUENCES),
    SequenceTagger: (tag_view, "a tagger", _OF_SEQUENCES),
    LanguageModel: (text_view, "a language model", ("at", "sequence", "steps")),
}


@torch.enable_grad()
def view_of(model: Any, data: Any, choice: Choice | None = None) -> View:
    """Look at one model on one sequence, window or piece of text; the model stays as it is.

    Args:
        model: a fitted estimator.
        data: what the model reads: a path, or what its own methods take.
        choice: which part of the data; None is the default of each kind of model.

    Raises:
        DataError: the data cannot be read, what was chosen is not in it, or the choice is one that
            the kind of model has no use for.
        ValueError: ``model`` is not one of ours.
        NotFittedError: it was not fitted.
    """
    kind = next((kind for kind in _KINDS if isinstance(model, kind)), None)
    if kind is None:
        listed = ", ".join(kind.__name__ for kind in _KINDS)
        raise ValueError(f"view_of takes one of {listed}; got {type(model).__name__}")
    check_is_fitted(model, "model_")
    view, words, allowed = _KINDS[kind]
    choice = choice or Choice()
    choice.require_only(allowed, words)
    return view(model, data, choice)
