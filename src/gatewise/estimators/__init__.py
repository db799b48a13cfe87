"""Estimators on scikit-learn's contract, and their model files."""

from gatewise.estimators.forecaster import Forecaster
from gatewise.estimators.language_model import LanguageModel
from gatewise.estimators.loading import load, network_of
from gatewise.estimators.sequence_estimators import SequenceClassifier, SequenceRegressor
from gatewise.estimators.tagger import SequenceTagger

__all__ = [
    "Forecaster",
    "LanguageModel",
    "SequenceClassifier",
    "SequenceRegressor",
    "SequenceTagger",
    "load",
    "network_of",
]
