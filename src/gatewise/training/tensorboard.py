"""Losses for TensorBoard, through Fabric's logger."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gatewise.training.errors import TrainingError

Log = Callable[[dict[str, Any]], None]


def require_tensorboard(folder: str | os.PathLike[str] | None) -> None:
    """Refuse to log, before any work, where TensorBoard is not installed."""
    from lightning_fabric.loggers import tensorboard as fabric

    if folder is not None and not (fabric._TENSORBOARD_AVAILABLE or fabric._TENSORBOARDX_AVAILABLE):
        raise TrainingError(
            "TensorBoard's files need a package that is not installed: "
            "pip install 'gatewise[tensorboard]'"
        )


@contextmanager
def open_log(folder: str | os.PathLike[str] | None, step: int, first: bool) -> Iterator[Log | None]:
    """Give a function that logs a row of the history, or None.

    Args:
        folder: where the event files go; None logs nothing.
        step: that the training goes on from: what an earlier run logged behind it is hidden.
        first: whether this process is the one that writes files.

    Raises:
        TrainingError: if the folder cannot be written.
    """
    if folder is None or not first:
        yield None
        return
    from lightning_fabric.loggers.tensorboard import TensorBoardLogger

    try:
        logger = TensorBoardLogger(os.fspath(folder), name="", version="", purge_step=step + 1)
        _ = logger.experiment
    except OSError as error:
        raise TrainingError(f"{folder}: cannot be logged to: {error.strerror or error}") from None

    def log(row: dict[str, Any]) -> None:
        numbers = {k: v for k, v in row.items() if k != "step" and v is not None}
        logger.log_metrics(numbers, row["step"])

    try:
        yield log
    finally:
        logger.finalize("finished")
