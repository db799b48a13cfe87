"""Progress bars on stderr, only where somebody looks."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gatewise.training.torchrun import process_number

OnProgress = Callable[[int, int, str], None]
"""Takes (done, in all, what the last was or came to)."""


@contextmanager
def progress_bar(title: str, show: bool | None) -> Iterator[OnProgress | None]:
    """Give a callback that moves a bar, or None.

    Args:
        title: what stands before the bar.
        show: True or False; None shows it when stderr is a terminal. Of several processes only the
            first shows it.
    """
    if process_number() or not (sys.stderr.isatty() if show is None else show):
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

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    latest = TextColumn("{task.fields[latest]}")
    console = Console(stderr=True)
    with Progress(*columns, latest, TimeRemainingColumn(), console=console) as progress:
        bar = progress.add_task(title, total=None, latest="")

        def on_progress(done: int, total: int, latest: str) -> None:
            progress.update(bar, completed=done, total=total, latest=latest)

        yield on_progress
