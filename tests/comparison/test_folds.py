import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import hourly, several

from gatewise.comparison.folds import (
    cut_folds,
    leave_out_unseen,
    part_origins,
    require_truth,
)
from gatewise.data import DataError
from gatewise.data.panel import make_panel
from gatewise.data.tables import read_table


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


def panel_of(frame, **names):
    return make_panel(read_table(frame), target="load", **names)


def test_series_unseen_in_training_take_no_part_in_that_fold_and_it_is_said():
    panel = panel_of(several((600, 600)), series="shop")
    panel.target[1][:550] = np.nan
    folds, notes = leave_out_unseen(cut_folds([600, 600], 4, 6, 24), panel)
    assert [fold.test_end[1] for fold in folds] == [0, 0, 0, 0]
    assert [fold.test_end[0] for fold in folds] == [510, 540, 570, 600]
    assert notes[0] == "fold 0: 1 series without a target in the training part left out"
    assert len(notes) == 4
    panel.target[1][500:] = 1.0
    folds, notes = leave_out_unseen(cut_folds([600, 600], 4, 6, 24), panel)
    assert [fold.test_end[1] for fold in folds] == [0, 0, 570, 600]


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        (slice(570, 600), "test part of fold 3, which ends at 2024-01-25 23:00"),
        (slice(540, 570), "test part of fold 2"),
        (slice(0, 450), "training part of fold 0"),
    ],
)
def test_part_without_a_target_is_refused_with_its_fold_and_time(missing, words):
    panel = panel_of(hourly())
    panel.target[0] = panel.target[0].copy()  # it may be the table's own memory
    panel.target[0][missing] = np.nan
    with pytest.raises(DataError, match=words):
        require_truth(cut_folds([600], 4, 6, 24), panel, 6, 24)


def test_part_origins_lie_in_their_part():
    panel = panel_of(several((300, 200)), series="shop")
    first, last = np.array([100, 50]), np.array([120, 60])
    origins = part_origins(panel, first, last, horizon=6, lookback=24, stride=2)
    assert origins.tolist() == [*range(100, 115, 2), *range(350, 355, 2)]
