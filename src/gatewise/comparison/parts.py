"""Folds of cases that stand in no order of time: drawn at random, each class alike."""

import numpy as np
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from gatewise.comparison.estimator_task import Part
from gatewise.data.errors import DataError

_SHARE = 0.2  # of the cases: the test part of a single fold
_VALIDATION = 0.1  # of what is not tested


def cut_cases(count: int, folds: int, seed: int, name: str) -> list[Part]:
    """Cut ``count`` cases into ``folds`` test parts, drawn at random; the rest trains.

    A single fold tests on a fifth. A tenth of what is not tested validates.

    Raises:
        DataError: if there are too few cases.
    """
    if count < max(folds, 2) * 2:
        raise DataError(f"too few cases for {folds} folds: {count}", name=name)
    cut = KFold(folds, shuffle=True, random_state=seed) if folds > 1 else None
    splits = (cut or ShuffleSplit(1, test_size=_SHARE, random_state=seed)).split(np.zeros(count))
    return [_part(train, test, seed) for train, test in splits]


def cut_classes(classes: np.ndarray, folds: int, seed: int, name: str) -> list[Part]:
    """The same for cases with ``classes`` (N,), of which each part holds each by its share.

    Raises:
        DataError: names a class that has too few cases.
    """
    found, counts = np.unique(classes, return_counts=True)
    least = max(folds, 2) + 1
    if counts.min() < least:
        rare = found[counts.argmin()]
        raise DataError(
            f"class {str(rare)!r} has {counts.min()} cases; {folds} folds need {least} of each: "
            "give fewer --folds, more cases, or join rare classes",
            name=name,
        )
    if folds > 1:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(classes, classes)
    else:
        single = StratifiedShuffleSplit(
            1, test_size=max(_SHARE, len(found) / len(classes)), random_state=seed
        )
        splits = single.split(classes, classes)
    return [_part(train, test, seed, classes) for train, test in splits]


def _part(rest: np.ndarray, test: np.ndarray, seed: int, classes: np.ndarray | None = None) -> Part:
    """Hold a tenth back for validation: evenly over the classes where there are any."""
    shuffled = np.random.default_rng(seed).permutation(rest)
    if classes is not None:
        shuffled = shuffled[np.argsort(classes[shuffled], kind="stable")]
    count = max(1, round(_VALIDATION * len(rest)))
    places = ((np.arange(count) + 0.5) * len(rest) / count).astype(np.int64)
    kept = np.ones(len(rest), dtype=bool)
    kept[places] = False
    return Part(np.sort(shuffled[kept]), np.sort(shuffled[places]), np.sort(test))
