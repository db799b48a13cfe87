"""Progress bars on stderr, only where somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

OnStep = Callable[[int, int, float], None]


@contextmanager
def training_bar(title: str, show: bool | None) -> Iterator[OnStep | None]:
    """Give a callback for :func:`gatewise.training.train` that moves a bar, or None.

    Args:
        title: what stands before the bar.
        show: True or False; None shows it when stderr is a terminal.
    """
    if not (sys.stderr.isatty() if show is None else show):
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("validation error {task.fields[error]:.4f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task(title, total=None, error=float("nan"))

        def on_step(step: int, steps: int, error: float) -> None:
            progress.update(bar, completed=step, total=steps, error=error)

        yield on_step
