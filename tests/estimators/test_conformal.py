import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.estimators.conformal import OWN_ERRORS, corrections


@given(st.integers(1, 60), st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.1, 0.5, 0.8, 0.9]))
def test_corrected_quantile_covers_the_held_back_part_as_the_paper_says(
    n: int, seed: int, q: float
) -> None:
    """⌈(n + 1) q⌉ of n errors lie below or at an upper quantile, ⌊(n + 1) q⌋ at a lower one."""
    truth = np.random.default_rng(seed).normal(size=(n, 1))
    shift = corrections(truth, np.zeros((n, 1, 1)), [q])[0, 0]
    below = int((truth <= shift).sum())
    rank = np.ceil((n + 1) * q) if q >= 0.5 else np.floor((n + 1) * q)
    assert below == np.clip(rank, 1, n)


def test_exchangeable_data_are_covered_as_often_as_promised() -> None:
    random = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        held, new = random.gamma(2.0, size=(40, 1)), random.gamma(2.0, size=50)
        low, high = corrections(held, np.full((40, 1, 2), [0.5, 0.7]), [0.1, 0.9])[:, 0]
        inside.append(((new >= 0.5 + low) & (new <= 0.7 + high)).mean())
    assert 0.8 - 0.01 < np.mean(inside) < 0.8 + 2 / 41 + 0.01


def test_step_with_few_errors_takes_those_of_all_steps() -> None:
    truth = np.tile([1.0, 2.0, 3.0], (OWN_ERRORS, 1))
    truth[1:, 2] = np.nan
    found = corrections(truth, np.zeros((OWN_ERRORS, 3, 1)), [0.5])
    assert found.tolist() == [[1.0, 2.0, 2.0]]  # of the pooled 1s, 2s and one 3


def test_each_quantile_is_corrected_by_itself() -> None:
    truth = np.linspace(0, 1, 999)[:, None]
    found = corrections(truth, np.tile([0.0, 0.0, 5.0], (999, 1, 1)), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(found[:, 0], [0.1, 0.5, 0.9 - 5.0], atol=2e-3)


def test_missing_truth_is_passed_over() -> None:
    truth = np.array([[1.0], [np.nan], [3.0]])
    assert corrections(truth, np.zeros((3, 1, 1)), [0.9])[0, 0] == pytest.approx(3.0)
