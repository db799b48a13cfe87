"""Files that are either whole or not there: written beside, synced, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside ``path`` to write to; renamed over ``path`` when the block ends well.

    A block that raises leaves ``path`` as it was and nothing beside it. A process that is killed
    may leave the file beside (``.NAME.tmp-PID``); it is never read.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.tmp-{os.getpid()}")
    try:
        yield beside
        with beside.open("rb+") as written:
            os.fsync(written.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write ``data`` (text as UTF-8) to ``path`` so that a reader sees all of it or none."""
    with replacing(path) as beside:
        beside.write_bytes(data.encode() if isinstance(data, str) else data)
