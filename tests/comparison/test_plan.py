import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.comparison.plan import BASELINES, Plan, cut_folds
from gatewise.data import DataError


@given(
    st.lists(st.integers(150, 3000), min_size=1, max_size=4),
    st.integers(1, 5),
    st.integers(1, 10),
)
def test_folds_are_ordered_in_time_adjacent_and_end_at_the_end(lengths, folds, horizon):
    cut = cut_folds(lengths, folds, horizon, lookback=20)
    assert len(cut) == folds
    assert cut[-1].test_end.tolist() == lengths
    for fold in cut:
        assert (fold.train_end >= 0).all()
        assert (fold.train_end < fold.validation_end).all()
        assert (fold.test_end - fold.validation_end >= horizon).all()
    for before, after in itertools.pairwise(cut):
        np.testing.assert_array_equal(before.test_end, after.validation_end)


def test_test_parts_are_a_twentieth_and_the_ratio_counts_what_was_chosen_on():
    first, *_, last = cut_folds([1000], 5, 24, 168)
    assert (last.train_end, last.validation_end, last.test_end) == (900, 950, 1000)
    assert first.train_end == 700
    assert last.test_to_train == pytest.approx(50 / 950)


def test_short_series_stay_out_of_early_folds_but_do_not_break_them():
    cut = cut_folds([1000, 60], 5, 24, 30)
    assert cut[0].train_end.tolist() == [700, 0]
    assert (np.diff([fold.test_end[1] for fold in cut]) >= 0).all()
    assert all((fold.test_end >= 0).all() for fold in cut)


def test_too_few_rows_say_how_many_are_needed():
    with pytest.raises(
        DataError, match=r"too few rows: 5 folds .* need about 180 rows, .* has 100"
    ):
        cut_folds([100], 5, 12, 96)


def plan(**changes):
    values = {"horizon": 2, "lookback": 4, "segment": 1, "cells": ("lstm", "gru"), "match": "units"}
    values |= {
        "hidden": {"lstm": 3, "gru": 3},
        "folds": 2,
        "seeds": 2,
        "seed": 0,
        "search": 0,
        "steps": 3,
    }
    values |= {"metric": "mae", "margin": 0.01, "stride": 1, "threads": 1, "device": "cpu"}
    return Plan(**{**values, **changes})


def test_trials_are_every_cell_fold_and_seed_and_each_baseline_once_a_fold():
    names = [trial.name for trial in plan().trials()]
    assert len(names) == len(set(names)) == 2 * (2 * 2 + len(BASELINES))
    assert {"lstm-f0-s0", "gru-f1-s1", "seasonal-f1-s0"} <= set(names)
    assert "seasonal-f1-s1" not in names
