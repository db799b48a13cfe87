"""How sure a comparison can be: tests and intervals from the errors of a few folds.

Folds of one data set share training data, so their errors are not independent and the ordinary
t-test finds differences that are not there. All variances here carry the correction of

    Nadeau & Bengio (2003), "Inference for the generalization error", Machine Learning 52.

The result is approximate: the correction is a heuristic that keeps false alarms near the level.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

MIN_FOLDS = 4
"""Below this many folds there is no interval and no p-value: the spread is too poorly known."""

POWER = 0.8
"""The probability of being found that makes a difference "detectable"."""

LARGEST_DIFFERENCE = 2.0
"""The symmetric relative difference of any error from an error of 0."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ErrorSummary:
    """The error of one model over folds.

    Attributes:
        mean: mean over folds of the error, seeds averaged inside each fold.
        low, high: confidence interval of the mean; None below ``MIN_FOLDS`` folds. An error is
            never negative, so ``low`` is cut off at 0.
        folds: the error of each fold.
        seed_spread: standard deviation between seeds inside a fold, pooled over folds; None
            with one seed. It is no part of the interval: it tells how much luck a single
            training run has.
    """

    mean: float
    low: float | None
    high: float | None
    folds: tuple[float, ...]
    seed_spread: float | None


@dataclass(frozen=True)
class PairedTest:
    """The corrected resampled t-test of model ``a`` against model ``b`` on the same folds.

    Differences are relative (0.1 is 10 %, see ``relative_difference``) and negative where ``a`` has
    the smaller error. What the folds are too few to tell is None.

    Attributes:
        a, b: names of the models.
        folds: number of folds, F.
        difference: mean over folds of the relative difference.
        low, high: confidence interval of the difference, of this pair alone (95 % by default);
            Holm's correction leaves it as it is.
        p: two-sided p-value, F − 1 degrees of freedom.
        p_holm: ``p`` corrected for all the tests of the run, see ``correct_tests``.
        detectable: the smallest true difference that this run would have found with probability
            ``POWER`` at the level this test was held to, after Holm's correction:
            (t_{1−level/2} + t_{POWER}) · standard error.
        standard_error: of the difference.
    """

    a: str
    b: str
    folds: int
    difference: float
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    standard_error: float | None = None


def relative_difference(a: ArrayLike, b: ArrayLike) -> Array:
    """The symmetric relative difference (a − b) / ((a + b) / 2), and 0 where both are 0.

    Free of scale, so that folds of different difficulty weigh the same; antisymmetric, so that
    the order of the models cannot matter; and defined when one error is 0 (then it is ±2).

    Args:
        a, b: non-negative errors of one shape.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    middle = a / 2 + b / 2
    return np.divide(a - b, middle, out=np.zeros_like(middle), where=middle > 0)


def summarise(
    errors: ArrayLike, test_to_train: ArrayLike, alpha: float = 0.05, name: str = "model"
) -> ErrorSummary:
    """Mean, interval and spread over seeds of one model's error.

    Args:
        errors: (folds, seeds), non-negative.
        test_to_train: n_test / n_train of each fold, (folds,), or one number for all.
        alpha: one minus the confidence of the interval.
        name: of the model, for messages.

    Raises:
        ValueError: an error is not finite or negative, or a shape is wrong.
    """
    errors = _checked(errors, name)
    folds = errors.mean(axis=1)  # (F,)
    standard_error = _standard_error(folds, test_to_train)
    mean = float(folds.mean())
    low = high = None
    if standard_error is not None:
        reach = _quantile(1 - alpha / 2, len(folds) - 1) * standard_error
        low, high = max(0.0, mean - reach), mean + reach
    seeds = errors.shape[1]
    spread = float(np.sqrt(errors.var(axis=1, ddof=1).mean())) if seeds > 1 else None
    return ErrorSummary(mean, low, high, tuple(folds.tolist()), spread)


def paired_test(
    a: str,
    b: str,
    errors_a: ArrayLike,
    errors_b: ArrayLike,
    test_to_train: ArrayLike,
    alpha: float = 0.05,
) -> PairedTest:
    """Test whether models ``a`` and ``b`` differ, over folds, by the corrected resampled t-test.

    Seeds are averaged inside a fold; with F differences d of variance s², the variance of their
    mean is (1/F + mean n_test/n_train) · s². Where all differences are equal there is no spread
    to measure chance by: p is then 1 for a mean of 0 (nothing differs) and 0 otherwise (the
    limit of the t-test as the spread goes to 0).

    Args:
        a, b: names of the models.
        errors_a, errors_b: (folds, seeds) each, non-negative; the numbers of seeds may differ.
        test_to_train: n_test / n_train of each fold, (folds,), or one number for all.
        alpha: level of the test, and one minus the confidence of the interval.

    Returns:
        The test, as the only one of its run: hand all of a run to ``correct_tests``. Below
        ``MIN_FOLDS`` folds only ``difference`` is known.

    Raises:
        ValueError: an error is not finite or negative, or the folds do not agree.
    """
    errors_a, errors_b = _checked(errors_a, a), _checked(errors_b, b)
    if len(errors_a) != len(errors_b):
        raise ValueError(
            f"{a!r} has errors of {len(errors_a)} folds and {b!r} of {len(errors_b)}: "
            "a paired test needs both models on the same folds"
        )
    differences = relative_difference(errors_a.mean(axis=1), errors_b.mean(axis=1))  # (F,)
    folds, mean = len(differences), float(differences.mean())
    standard_error = _standard_error(differences, test_to_train)
    if standard_error is None:
        return PairedTest(a, b, folds, mean)
    reach = _quantile(1 - alpha / 2, folds - 1) * standard_error
    p = _p_value(mean, standard_error, folds - 1)
    return PairedTest(
        a,
        b,
        folds,
        mean,
        low=mean - reach,
        high=mean + reach,
        p=p,
        p_holm=p,
        detectable=_detectable(standard_error, folds, alpha),
        standard_error=standard_error,
    )


def correct_tests(tests: Sequence[PairedTest], alpha: float = 0.05) -> list[PairedTest]:
    """Correct all tests of a run for their number, by Holm's step-down.

    A test that finds nothing is held to the level alpha / (number of tests that find nothing):
    its ``detectable`` is recomputed at that level. Intervals stay those of the pair alone.

    Args:
        tests: all tests made; those without a p-value come back as they are, uncounted.
        alpha: the level of the whole family.

    Returns:
        The tests in the order given.
    """
    p_holm = holm([test.p for test in tests if test.p is not None])
    found = int((p_holm < alpha).sum())
    corrected, p_of_next = [], iter(p_holm.tolist())
    for test in tests:
        if test.p is None or test.standard_error is None:
            corrected.append(test)
            continue
        p = next(p_of_next)
        level = alpha / (len(p_holm) - found + (p < alpha))
        detectable = _detectable(test.standard_error, test.folds, level)
        corrected.append(replace(test, p_holm=p, detectable=detectable))
    return corrected


def holm(p: Sequence[float]) -> Array:
    """p-values corrected for their number m, by the step-down of Holm (1979).

    The k-th smallest (k from 0) is multiplied by m − k, made non-decreasing, cut off at 1.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    scaled = (len(values) - np.arange(len(values))) * values[order]
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return corrected


def _checked(errors: ArrayLike, name: str) -> Array:
    """The errors as a (folds, seeds) array of finite, non-negative numbers."""
    errors = np.asarray(errors, np.float64)
    if errors.ndim != 2 or errors.size == 0:
        raise ValueError(
            f"the errors of {name!r} have shape {errors.shape}: expected (folds, seeds), "
            "at least one of each"
        )
    bad = np.argwhere(~np.isfinite(errors) | (errors < 0))
    if len(bad):
        fold, seed = bad[0].tolist()
        raise ValueError(
            f"the error of {name!r} in fold {fold}, seed {seed} is {errors[fold, seed]}: "
            "expected a finite number, 0 or more; either the training diverged, or no target "
            "is known in the test part of this fold"
        )
    return errors


def _standard_error(values: Array, test_to_train: ArrayLike) -> float | None:
    """Corrected standard error of the mean over folds (F,); None below ``MIN_FOLDS`` folds."""
    ratios = np.asarray(test_to_train, np.float64)
    if ratios.shape not in ((), values.shape):
        raise ValueError(
            f"test_to_train has shape {ratios.shape}: expected one number, "
            f"or one for each of the {len(values)} folds"
        )
    if not (np.isfinite(ratios) & (ratios >= 0)).all():
        raise ValueError(f"test_to_train must be finite and 0 or more, got {ratios.tolist()}")
    if len(values) < MIN_FOLDS:
        return None
    return sqrt((1 / len(values) + ratios.mean()) * values.var(ddof=1))


def _p_value(mean: float, standard_error: float, degrees: int) -> float:
    if standard_error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(degrees, -abs(mean) / standard_error))


def _detectable(standard_error: float, folds: int, level: float) -> float:
    degrees = folds - 1
    return (_quantile(1 - level / 2, degrees) + _quantile(POWER, degrees)) * standard_error


def _quantile(probability: float, degrees: int) -> float:
    """Quantile of Student's t distribution."""
    return float(stdtrit(degrees, probability))
