"""Ctrl-C while a training runs."""

import multiprocessing
import signal
import threading
import time
from types import FrameType, TracebackType

_SAME = 0.5  # seconds: a terminal and torchrun may both pass on one Ctrl-C


class Interrupts:
    """Note the first Ctrl-C inside the block; a second one raises KeyboardInterrupt at once.

    Args:
        wanted: whether to note it at all. Other threads, worker processes and programs with a
            handler of their own keep theirs.

    Attributes:
        noted: whether Ctrl-C was pressed.
    """

    def __init__(self, wanted: bool) -> None:
        self.noted = False
        self._since = 0.0
        self._installed = (
            wanted
            and threading.current_thread() is threading.main_thread()
            and multiprocessing.parent_process() is None
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )

    def __enter__(self) -> "Interrupts":
        if self._installed:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.noted and now - self._since > _SAME:
            signal.default_int_handler(number, frame)
        if not self.noted:
            self.noted, self._since = True, now
