"""scikit-learn's own checks of its contract, and the exceptions to them with their reasons."""

from typing import Any

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_regressors_train, parametrize_with_checks

from gatewise import (
    Forecaster,
    LanguageModel,
    SequenceClassifier,
    SequenceRegressor,
    SequenceTagger,
)

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


# The other estimators take no table of numbers with a row a case: a frame of series cannot be split
# by rows, a tagger wants a label for every step, a text has no columns. Of scikit-learn's checks
# those apply that fit nothing.
WITHOUT_DATA = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_get_params_invariance",
    "check_set_params",
    "check_valid_tag_types",
    "check_mixin_order",
)
OTHERS = (Forecaster(6, target="load"), LanguageModel(), SequenceTagger())


@pytest.mark.parametrize("name", WITHOUT_DATA)
@pytest.mark.parametrize("estimator", OTHERS, ids=lambda estimator: type(estimator).__name__)
def test_sklearns_checks_without_data_hold(estimator: Any, name: str) -> None:
    getattr(estimator_checks, name)(type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", OTHERS[1:], ids=lambda estimator: type(estimator).__name__)
def test_estimators_are_made_without_arguments(estimator: Any) -> None:
    """But for the forecaster, which has no usual horizon."""
    estimator_checks.check_parameters_default_constructible(type(estimator).__name__, estimator)
