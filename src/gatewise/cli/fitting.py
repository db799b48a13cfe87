"""Fit an estimator and keep it as one file: what ``gatewise fit`` does for every task."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gatewise.training import TrainingError, process_number, was_interrupted


@dataclass(frozen=True)
class Work:
    """An estimator, and what it is to be fitted on.

    Attributes:
        estimator: has ``fit``, ``save``, ``history_``, ``notes_`` and the parameter ``checkpoint``.
        data: what ``fit`` takes first.
        truth: what ``fit`` takes beside the data: labels; None where they stand in it.
        notes: what was found while the data was read, one line each.
    """

    estimator: Any
    data: Any
    truth: Any = None
    notes: list[str] = field(default_factory=list)


def fit_and_save(work: Work, out: Path, say: Callable[[str], None]) -> bool:
    """Fit an estimator and write it to ``out``; a killed call goes on when repeated.

    The training's state is kept in ``OUT.checkpoint`` until the model is written. Ctrl-C ends the
    training early: the model of the best weights so far is written, and the checkpoint stays. Where
    the training fails after its first evaluation, the best weights go to ``OUT.best`` and ``out``
    stays as it was. Under ``torchrun`` only the first process writes.

    Args:
        work: what is fitted.
        out: the model file.
        say: takes each line about the work.

    Returns:
        Whether Ctrl-C ended it: the command's exit code is 130 then.
    """
    estimator = work.estimator
    first = process_number() == 0
    checkpoint = out.with_name(f"{out.name}.checkpoint")
    best = out.with_name(f"{out.name}.best")
    estimator.set_params(checkpoint=checkpoint)
    if checkpoint.exists():
        say(f"going on from {checkpoint}")
    with warnings.catch_warnings():
        if not first:  # the first process gives them
            warnings.simplefilter("ignore")
        try:
            estimator.fit(work.data, work.truth)
        except TrainingError as error:
            if error.fitted is None or not first:
                raise
            estimator.save(best)
            raise TrainingError(f"{error}: they were written to {best}") from None
    if first:
        estimator.save(out)
    interrupted = was_interrupted(estimator.history_)
    if interrupted:
        say(f"{out} has the best weights so far; the same command goes on from {checkpoint}")
    return interrupted
