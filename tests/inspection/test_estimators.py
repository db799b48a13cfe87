"""Which models can be looked at."""

import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from gatewise import SequenceClassifier
from gatewise.inspection.estimators import view_of


def test_models_that_are_none_of_ours_are_told() -> None:
    with pytest.raises(ValueError, match=r"takes one of Forecaster, .*; got LinearRegression"):
        view_of(LinearRegression(), [])
    with pytest.raises(ValueError, match="got Linear"):
        view_of(torch.nn.Linear(1, 1), [])


def test_models_that_were_not_fitted_are_told() -> None:
    with pytest.raises(NotFittedError):
        view_of(SequenceClassifier(), [])
