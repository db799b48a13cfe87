"""The one error for a training that cannot begin or go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn


class TrainingError(RuntimeError):
    """Training cannot begin or go on; the message says why, where it stopped and what to try.

    Attributes:
        module: the module with the best weights so far, where some were validated; else None.
        history: the rows of the history up to there.
        fitted: what an estimator has made of the module, for whoever keeps it; else None.
    """

    def __init__(
        self,
        message: str,
        module: nn.Module | None = None,
        history: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.module = module
        self.history = history or []
        self.fitted: Any = None


@contextmanager
def fitting(model: Any) -> Iterator[None]:
    """Let a training that fails in the block hand out ``model``, where it has learnt something.

    ``model`` takes the error's ``history``, and is what the error has as ``fitted``.
    """
    try:
        yield
    except TrainingError as error:
        model.history = error.history
        error.fitted = model if error.module is not None else None
        raise
