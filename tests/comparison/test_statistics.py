from dataclasses import asdict
from json import dumps
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from gatewise.comparison.statistics import (
    MIN_FOLDS,
    correct_tests,
    holm,
    paired_test,
    relative_difference,
    summarise,
)

EXACT = 1e-12  # float64, a few dozen operations

RATIOS = [0.08, 0.07, 0.06, 0.055, 0.05]
LSTM = [[1.00, 1.10], [2.00, 2.20], [0.90, 0.80], [1.50, 1.60], [1.20, 1.20]]
GRU = [[1.20, 1.10], [2.10, 2.30], [0.80, 0.90], [1.70, 1.60], [1.30, 1.40]]

errors = arrays(np.float64, st.tuples(st.just(5), st.integers(1, 3)), elements=st.floats(0.01, 100))


def by_hand(a, b, ratios):
    """Difference, standard error, p and interval by loops, from the paper's formula."""
    differences = []
    for row_a, row_b in zip(a, b, strict=True):
        mean_a, mean_b = sum(row_a) / len(row_a), sum(row_b) / len(row_b)
        differences.append((mean_a - mean_b) / ((mean_a + mean_b) / 2))
    folds = len(differences)
    mean = sum(differences) / folds
    variance = sum((d - mean) ** 2 for d in differences) / (folds - 1)
    error = sqrt((1 / folds + sum(ratios) / folds) * variance)
    p = 2 * stats.t.sf(abs(mean) / error, folds - 1)
    reach = stats.t.ppf(0.975, folds - 1) * error
    return mean, error, p, mean - reach, mean + reach


def test_paired_test_matches_loops():
    test = paired_test("lstm", "gru", LSTM, GRU, RATIOS)
    got = (test.difference, test.standard_error, test.p, test.low, test.high)
    np.testing.assert_allclose(got, by_hand(LSTM, GRU, RATIOS), rtol=EXACT)
    assert (test.a, test.b, test.folds) == ("lstm", "gru", 5)


def test_paired_test_without_shared_training_data_matches_scipy():
    a, b = np.array(LSTM)[:, :1], np.array(GRU)[:, 1:]
    test = paired_test("lstm", "gru", a, b, 0.0)
    # The one-sample t-test of the differences against 0 is the paired t-test.
    differences = 2 * (a - b) / (a + b)  # (F, 1)
    expected = stats.ttest_rel(differences[:, 0], np.zeros(5))
    assert test.p == pytest.approx(expected.pvalue, rel=EXACT)
    interval = expected.confidence_interval()
    assert (test.low, test.high) == pytest.approx((interval.low, interval.high), rel=EXACT)


def test_paired_test_correction_widens_the_interval_by_the_papers_factor():
    plain = paired_test("lstm", "gru", LSTM, GRU, 0.0)
    corrected = paired_test("lstm", "gru", LSTM, GRU, 0.3)
    factor = sqrt((1 / 5 + 0.3) / (1 / 5))
    assert corrected.standard_error == pytest.approx(factor * plain.standard_error, rel=EXACT)
    assert corrected.p > plain.p


def test_paired_test_averages_seeds_inside_a_fold():
    by_seed = paired_test("lstm", "gru", LSTM, GRU, RATIOS)
    means = [np.mean(errors, axis=1, keepdims=True) for errors in (LSTM, GRU)]
    assert paired_test("lstm", "gru", *means, RATIOS) == by_seed


def test_detectable_difference_is_found_four_times_in_five():
    """Draws from exactly the model of the test: true difference = detectable, known spread."""
    rng, folds, runs = np.random.default_rng(0), 200, 20_000
    test = paired_test(
        "a", "b", np.full((folds, 1), 1.0), np.exp(rng.normal(0, 0.01, (folds, 1))), 0
    )
    scores = test.detectable / test.standard_error + rng.standard_t(folds - 1, runs)
    found = (scores > stats.t.ppf(0.975, folds - 1)).mean()
    assert found == pytest.approx(0.8, abs=4 * sqrt(0.8 * 0.2 / runs))


@given(errors, errors)
def test_paired_test_is_antisymmetric(a, b):
    there, back = paired_test("a", "b", a, b, RATIOS), paired_test("b", "a", b, a, RATIOS)
    assert there.difference == -back.difference
    assert there.low == -back.high
    assert there.p == back.p
    assert there.detectable == back.detectable


@given(errors, errors, st.floats(1e-6, 1e6))
def test_paired_test_does_not_depend_on_scale(a, b, scale):
    one, other = (paired_test("a", "b", factor * a, factor * b, RATIOS) for factor in (1.0, scale))
    assert one.difference == pytest.approx(other.difference, abs=1e-12)
    assert one.low == pytest.approx(other.low, abs=1e-11)
    assert one.high == pytest.approx(other.high, abs=1e-11)


@given(arrays(np.float64, 5, elements=st.floats(0, 1e308)))
def test_relative_difference_stays_between_minus_two_and_two(a):
    b = a[::-1]
    difference = relative_difference(a, b)
    assert (np.abs(difference) <= 2).all()
    np.testing.assert_array_equal(relative_difference(b, a), -difference)


def test_relative_difference_at_zero_error():
    np.testing.assert_array_equal(relative_difference([0, 0, 3], [0, 5, 0]), [0, -2, 2])


def test_paired_test_without_spread_is_certain():
    ones = np.ones((5, 2))
    assert paired_test("a", "b", ones, ones, RATIOS).p == 1
    better = paired_test("a", "b", ones, 3 * ones, RATIOS)
    assert (better.p, better.difference, better.low, better.high) == (0, -1, -1, -1)


@pytest.mark.parametrize("folds", range(1, MIN_FOLDS))
def test_too_few_folds_give_no_test(folds):
    test = paired_test("a", "b", np.full((folds, 2), 1.0), np.full((folds, 2), 3.0), 0.1)
    assert test.difference == -1
    assert [test.low, test.high, test.p, test.p_holm, test.detectable] == [None] * 5
    assert correct_tests([test]) == [test]
    summary = summarise(np.ones((folds, 2)), 0.1)
    assert (summary.low, summary.high) == (None, None)


def test_holm_matches_worked_example():
    # Sorted 0.01, 0.02, 0.03, 0.04, 0.05 times 5, 4, 3, 2, 1; the maximum so far; the order kept.
    np.testing.assert_allclose(
        holm([0.04, 0.01, 0.05, 0.02, 0.03]), [0.09, 0.05, 0.09, 0.08, 0.09], rtol=EXACT
    )
    np.testing.assert_allclose(holm([0.5, 0.001, 0.6]), [1.0, 0.003, 1.0], rtol=EXACT)
    assert holm([]).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_the_step_down_rejects(p):
    """The procedure as its author tells it: walk up the p-values until one fails its level."""
    alpha, rejected = 0.05, set()
    for k, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[i] * (len(p) - k) >= alpha:
            break
        rejected.add(i)
    assert {i for i, value in enumerate(holm(p)) if value < alpha} == rejected


def test_correct_tests_judges_at_the_level_that_is_left():
    rng = np.random.default_rng(1)
    tests = [
        paired_test(
            "a", "b", rng.uniform(1, 1.2, (5, 2)), gap + rng.uniform(1, 1.2, (5, 2)), RATIOS
        )
        for gap in (0.0, 0.05, 1.0)
    ]
    corrected = correct_tests(tests)
    assert [test.p_holm < 0.05 for test in corrected] == [False, False, True]
    for before, after, level in zip(tests, corrected, (0.025, 0.025, 0.05 / 3), strict=True):
        t = stats.t.ppf([1 - level / 2, 0.8], 4).sum()
        assert after.detectable == pytest.approx(t * after.standard_error, rel=1e-9)
        assert (after.low, after.high, after.p) == (before.low, before.high, before.p)


@given(st.lists(st.tuples(errors, errors), min_size=1, max_size=4))
def test_a_difference_that_is_not_found_is_below_what_was_detectable(pairs):
    tests = correct_tests([paired_test("a", "b", a, b, RATIOS) for a, b in pairs])
    for test in tests:
        assert test.p_holm < 0.05 or abs(test.difference) <= test.detectable


def test_summary_matches_loops():
    summary = summarise(LSTM, RATIOS)
    folds = [sum(row) / 2 for row in LSTM]
    mean = sum(folds) / 5
    variance = sum((value - mean) ** 2 for value in folds) / 4
    reach = stats.t.ppf(0.975, 4) * sqrt((1 / 5 + sum(RATIOS) / 5) * variance)
    assert summary.folds == pytest.approx(folds, rel=EXACT)
    assert (summary.mean, summary.low, summary.high) == pytest.approx(
        (mean, mean - reach, mean + reach), rel=EXACT
    )
    # Two seeds x and y in a fold have the variance (x − y)² / 2.
    spread = sqrt(sum((x - y) ** 2 / 2 for x, y in LSTM) / 5)
    assert summary.seed_spread == pytest.approx(spread, rel=EXACT)


def test_summary_of_one_seed_has_no_spread_over_seeds():
    assert summarise([[1.0], [2.0], [3.0], [4.0]], 0.1).seed_spread is None


def test_summary_interval_ends_at_zero():
    assert summarise([[0.0], [0.0], [0.0], [9.0]], 0.1).low == 0


@pytest.mark.parametrize("wrong", [nan, inf, -1.0])
def test_bad_error_names_model_fold_and_seed(wrong):
    errors = np.ones((5, 2))
    errors[3, 1] = wrong
    with pytest.raises(ValueError, match=r"'gru' in fold 3, seed 1 is .*expected a finite number"):
        paired_test("lstm", "gru", np.ones((5, 2)), errors, RATIOS)
    with pytest.raises(ValueError, match=r"'gru' in fold 3, seed 1"):
        summarise(errors, RATIOS, name="gru")


@pytest.mark.parametrize(
    ("a", "b", "ratios", "words"),
    [
        (np.ones((5, 2)), np.ones((4, 2)), 0.1, "5 folds and 'b' of 4: .*same folds"),
        (np.ones(5), np.ones((5, 1)), 0.1, r"shape \(5,\): expected \(folds, seeds\)"),
        (np.ones((5, 0)), np.ones((5, 1)), 0.1, "at least one of each"),
        (np.ones((5, 1)), np.ones((5, 1)), [0.1, 0.2], "one for each of the 5 folds"),
        (np.ones((5, 1)), np.ones((5, 1)), -0.1, "finite and 0 or more"),
    ],
)
def test_bad_shape_is_refused(a, b, ratios, words):
    with pytest.raises(ValueError, match=words):
        paired_test("a", "b", a, b, ratios)


def test_results_go_into_json():
    tests = correct_tests([paired_test("lstm", "gru", LSTM, GRU, RATIOS)])
    dumps([*map(asdict, tests), asdict(summarise(LSTM, RATIOS))], allow_nan=False)
