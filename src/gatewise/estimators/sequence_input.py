"""What the estimators of sequences take as X: lists of arrays, one array, or a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from gatewise.data.errors import DataError
from gatewise.data.reading import READING_PARAMETERS, Reading


def as_sequences(estimator: Any, X: Any, *, fitting: bool) -> list[np.ndarray]:
    """Give X as a list of arrays (T_i, F) of numbers, NaN where missing.

    A list (or a 1-D array of objects) holds sequences, (T_i, F) or (T_i,) each; an array of three
    dimensions is (N, T, F); anything of two is a table, whose rows are sequences of one channel.

    Args:
        estimator: when fitting, its ``n_features_in_`` is set: F, or a table's columns; also
            ``feature_names_in_`` for a frame with names. When predicting, X is held against them.
        X: the sequences.
        fitting: whether ``estimator`` is being fitted.

    Raises:
        ValueError: if X is not one of these, is empty, infinite, or unlike what ``fit`` saw.
    """
    if is_list(X):
        found = [_sequence(item, number) for number, item in enumerate(X)]
    elif getattr(X, "ndim", 2) == 3:
        found = list(_numbers(X))
    else:
        return _table_rows(estimator, X, fitting)
    if not found:
        raise DataError("there are no sequences: X is empty")
    _check(estimator, found, fitting)
    return found


def is_list(X: Any) -> bool:
    """Say whether X holds sequences one by one."""
    is_object = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype == object
    return isinstance(X, (list, tuple)) or is_object


def read_as_in_fit(estimator: Any) -> dict[str, Any]:
    """Tell a reader of files what it was told, or found, when the model was trained."""
    known = {name: value for name, value in (estimator.reading_ or {}).items() if value is not None}
    told = {name: known.pop(name) for name in READING_PARAMETERS if name in known}
    return {**known, "reading": Reading.of(**told)}


def _table_rows(estimator: Any, X: Any, fitting: bool) -> list[np.ndarray]:
    checks = {"dtype": "numeric", "ensure_all_finite": "allow-nan"}
    if fitting or estimator._is_table:
        table = validate_data(estimator, X, reset=fitting, **checks)
        if fitting:
            estimator._is_table = True
    else:
        table = check_array(X, estimator=estimator, **checks)
        _check_channels(estimator, 1, 0)
    return list(table.astype(np.float64, copy=False)[:, :, None])


def _check(estimator: Any, found: Sequence[np.ndarray], fitting: bool) -> None:
    for number, value in enumerate(found):
        if len(value) == 0:
            raise DataError(f"sequence {number} has no steps; leave it out")
        if np.isinf(value).any():
            raise DataError(
                f"sequence {number} holds an infinite value; a missing value is written as NaN"
            )
    if fitting:
        if hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        estimator.n_features_in_ = found[0].shape[1]
        estimator._is_table = False
        if found[0].shape[1] == 0:
            raise DataError("the sequences have no channels: sequence 0 has shape (T, 0)")
    for number, value in enumerate(found):
        _check_channels(estimator, value.shape[1], number)


def _check_channels(estimator: Any, channels: int, number: int) -> None:
    wanted = 1 if estimator._is_table else estimator.n_features_in_
    if channels != wanted:
        raise DataError(
            f"sequence {number} has {channels} channel{'s' * (channels != 1)}, and "
            f"{type(estimator).__name__} is expecting {wanted}: each sequence is an array "
            "(steps, channels)"
        )


def _sequence(item: Any, number: int) -> np.ndarray:
    try:
        value = _numbers(item)
    except (TypeError, ValueError) as error:
        raise DataError(f"sequence {number} is no array of numbers: {error}") from None
    if value.ndim not in (1, 2):
        raise DataError(
            f"sequence {number} has {value.ndim} dimensions; it must be (steps, channels), or "
            "(steps,) for one channel"
        )
    return value[:, None] if value.ndim == 1 else value


def _numbers(item: Any) -> np.ndarray:
    array = np.asarray(item)
    if array.dtype.kind in "cSUmM":
        raise DataError(f"values of type {array.dtype}; only real numbers can be read")
    return array if array.dtype.kind == "f" else array.astype(np.float64)  # None becomes NaN
