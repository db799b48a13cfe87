"""scikit-learn's own checks of its contract, and the exceptions to them with their reasons."""

from typing import Any

import pytest
from sklearn.utils.estimator_checks import check_regressors_train, parametrize_with_checks

from gatewise import SequenceClassifier, SequenceRegressor

QUICK = {
    "hidden_size": 8,
    "steps": 30,
    "learning_rate": 0.03,
    "random_state": 0,
    "device": "cpu",
    "progress": False,
}
EXPECTED = {
    "SequenceClassifier": {
        "check_classifiers_train": "it fits a list of rows and wants another number of columns "
        "refused, but a list holds sequences, whose lengths may differ from those of fit",
    },
    "SequenceRegressor": {
        "check_regressors_train": "thirty steps of training do not reach its score; the test below "
        "runs it with more",
    },
}


def expected_failures(estimator: Any) -> dict[str, str]:
    return EXPECTED[type(estimator).__name__]


@parametrize_with_checks(
    [SequenceClassifier(**QUICK), SequenceRegressor(**QUICK)],
    expected_failed_checks=expected_failures,
)
def test_sklearns_checks_hold(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_regressor_passes_the_check_of_its_score(dtype: str) -> None:
    longer = {"steps": 200, "jitter": 0.0, "dropout": 0.0}
    estimator = SequenceRegressor(**{**QUICK, **longer})
    check_regressors_train("SequenceRegressor", estimator, X_dtype=dtype)
