"""The folds: expanding training parts in time order, each with later validation and test parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.data.times import format_time
from gatewise.data.windows import window_origins, with_truth

_TEST_SHARE = 0.05  # of each series a fold: five folds test on the last quarter


@dataclass(frozen=True)
class Fold:
    """For each series, the steps behind which training, validation and test end; each (S,)."""

    train_end: np.ndarray
    validation_end: np.ndarray
    test_end: np.ndarray

    @property
    def test_to_train(self) -> float:
        """Test steps for each step that the model was chosen on (training and validation)."""
        used = self.validation_end.sum()
        return float((self.test_end - self.validation_end).sum() / used)


def cut_folds(lengths: Sequence[int], folds: int, horizon: int, lookback: int) -> list[Fold]:
    """Cut each series into ``folds`` expanding training parts, each with a later test part.

    The test parts are adjacent, 5 % of the series each but at least a horizon, the last at the
    series' end; the validation part stands right before the test part and is as long.

    Raises:
        DataError: if not one series leaves a window for training in the first fold.
    """
    n = np.asarray(lengths, dtype=np.int64)
    test = np.maximum(np.round(_TEST_SHARE * n).astype(np.int64), horizon)
    cut = []
    for fold in range(folds):
        test_end = np.maximum(n - (folds - 1 - fold) * test, 0)
        validation_end = np.maximum(test_end - test, 0)
        cut.append(Fold(np.maximum(validation_end - test, 0), validation_end, test_end))
    if cut[0].train_end.max(initial=0) < lookback + horizon:
        wanted = (
            (folds + 1) * max(horizon, int(_TEST_SHARE * n.max(initial=0))) + lookback + horizon
        )
        raise DataError(
            f"too few rows: {folds} folds with a look-back of {lookback} and a horizon of "
            f"{horizon} steps need about {wanted} rows, the longest series has "
            f"{n.max(initial=0)}; give a smaller --horizon, --lookback or --folds"
        )
    return cut


def leave_out_unseen(folds: Sequence[Fold], panel: Panel) -> tuple[list[Fold], list[str]]:
    """Leave series out of the folds in whose training part nothing of them was observed.

    Nothing is known there of their scale. Their parts become empty; a note says how many.
    """
    seen_folds, notes = [], []
    for number, fold in enumerate(folds):
        seen = np.array(
            [
                np.isfinite(y[:end]).any()
                for y, end in zip(panel.target, fold.train_end, strict=True)
            ]
        )
        seen_folds.append(
            Fold(fold.train_end * seen, fold.validation_end * seen, fold.test_end * seen)
        )
        if not seen.all():
            notes.append(
                f"fold {number}: {(~seen).sum():,} series without a target in the training part "
                "left out"
            )
    return seen_folds, notes


def require_truth(folds: Sequence[Fold], panel: Panel, horizon: int, lookback: int) -> None:
    """Refuse folds with a part that has no window with a known target.

    Raises:
        DataError: names the fold, the part and its time.
    """
    for number, fold in enumerate(folds):
        start = np.zeros_like(fold.train_end)
        parts = {
            "training": (start, fold.train_end),
            "validation": (fold.train_end, fold.validation_end),
            "test": (fold.validation_end, fold.test_end),
        }
        for part, (first, last) in parts.items():
            if not len(part_origins(panel, first, last, horizon=horizon, lookback=lookback)):
                ends = [t[e - 1] for t, e in zip(panel.times, last, strict=True) if e]
                until = f", which ends at {format_time(max(ends))}" if ends else ""
                raise DataError(
                    f"the {part} part of fold {number}{until} has no window of {lookback} steps "
                    f"read and {horizon} forecast with a known target; give fewer --folds, a "
                    "smaller --horizon or --lookback, or more rows",
                    name=panel.name,
                    column=panel.columns.target,
                )


def part_origins(
    panel: Panel,
    first: np.ndarray,
    last: np.ndarray,
    *,
    horizon: int,
    lookback: int,
    stride: int = 1,
) -> np.ndarray:
    """List the origins of a part's windows with a known target, flat indices into the panel."""
    offsets = np.concatenate([[0], np.cumsum([len(times) for times in panel.times])])
    origins = window_origins(
        offsets, first, last, lookback=lookback, horizon=horizon, stride=stride
    )
    return with_truth(origins, np.concatenate(panel.target), horizon)
