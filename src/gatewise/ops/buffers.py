"""Large buffers that a training step gives back for the next one.

Memory fresh from the system is mapped page by page as it is first touched, which costs up to an
eighth of a training step.
"""

import os
from threading import Lock

import torch
from torch import Tensor

MOST_BYTES = 2**30  # that lie idle, of all sizes together
LEAST_BYTES = 2**20  # below, the allocator itself keeps memory for the next one


class Buffers:
    """Idle buffers, the latest given back last; any thread may ask."""

    def __init__(self) -> None:
        self._idle: list[Tensor] = []
        self._lock = Lock()

    def take(self, count: int, like: Tensor) -> Tensor:
        """Give an idle buffer, of up to twice the size, or a new one, of ``like``'s dtype.

        Args:
            count: elements it must have at least.
            like: a tensor of the dtype wanted, on the CPU.
        """
        if not self._idle:
            return like.new_empty(count)
        with self._lock:
            for k, buffer in enumerate(self._idle):
                if buffer.dtype == like.dtype and count <= buffer.numel() <= 2 * count:
                    return self._idle.pop(k)
        return like.new_empty(count)

    def give(self, buffer: Tensor) -> None:
        """Take a buffer back that nothing points to any more; the oldest go if it gets too much."""
        if not LEAST_BYTES <= buffer.nbytes <= MOST_BYTES:
            return
        with self._lock:
            self._idle.append(buffer)
            while sum(idle.nbytes for idle in self._idle) > MOST_BYTES:
                self._idle.pop(0)

    def renew_lock(self) -> None:
        """Take a new lock: the old one's holder, another thread, is missing in a forked child."""
        self._lock = Lock()

    def clear(self) -> None:
        """Let all idle buffers go."""
        with self._lock:
            self._idle.clear()


buffers = Buffers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=buffers.renew_lock)


def saved_tensors_are_ours() -> bool:
    """Say whether no hook sees what autograd saves (checkpointing, offloading), or may keep it."""
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is None
