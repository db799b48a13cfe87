"""Estimators on scikit-learn's contract, and their model files."""

from gatewise.estimators.forecaster import Forecaster, load

__all__ = ["Forecaster", "load"]
