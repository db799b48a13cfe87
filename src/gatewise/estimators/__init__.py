"""Estimators on scikit-learn's contract, and their model files."""

from gatewise.estimators.forecaster import Forecaster
from gatewise.estimators.language_model import LanguageModel
from gatewise.estimators.loading import load

__all__ = ["Forecaster", "LanguageModel", "load"]
