"""The state of a training in one file, from which a killed run goes on.

A line of JSON, then what ``torch.save`` makes of tensors and plain values. The line says what the
training is (its identity), and how long the rest is and its hash, so that a file that was cut or
damaged is told from a whole one before anything is read from it. Reading runs no code.
"""

import hashlib
import io
import json
import os
import pickle
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from gatewise.files import replacing
from gatewise.training.errors import TrainingError

FORMAT = 1
_SHARE = 100  # of the time that is trained, one part in so many is spent on writing
_SECONDS = 1.0  # between two writes at least


class Checkpoint:
    """A training's file: written beside and renamed, refused when it is another training's.

    Args:
        path: the file.
        identity: plain JSON values that tell one training from another.
    """

    def __init__(self, path: str | os.PathLike[str], identity: dict[str, Any]) -> None:
        self.path = Path(path)
        self.identity = json.loads(json.dumps(identity, default=str))
        self._failed = False
        self._cost = 0.0
        self._written = time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """Give the state to go on from; None if there is no file.

        Raises:
            TrainingError: if the file is no checkpoint, damaged, or of another training. It stays
                as it is.
        """
        self._sweep()
        try:
            line, _, rest = self.path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TrainingError(f"{self.path}: {error.strerror}") from None
        try:
            about = json.loads(line)["gatewise_checkpoint"]
            written, length, digest = about["format"], about["length"], about["hash"]
        except (KeyError, TypeError, ValueError):
            raise TrainingError(
                f"{self.path}: not a checkpoint of gatewise: name another file, or delete it"
            ) from None
        if written > FORMAT:
            raise TrainingError(
                f"{self.path}: a checkpoint in format {written}, from a newer gatewise: upgrade "
                "gatewise, or delete the file to begin anew"
            )
        self._require_own(about["identity"])
        if len(rest) != length or _hash(rest) != digest:
            raise TrainingError(
                f"{self.path}: a damaged checkpoint ({len(rest):,} of {length:,} bytes of state): "
                "delete it to begin anew"
            )
        try:
            return torch.load(io.BytesIO(rest), map_location="cpu", weights_only=True)
        except pickle.UnpicklingError:
            raise TrainingError(
                f"{self.path}: a checkpoint that holds more than numbers, so it is not read: "
                "delete it to begin anew"
            ) from None

    def write(self, state: dict[str, Any]) -> None:
        """Write ``state``, or raise OSError and leave the file as it was."""
        start = time.monotonic()
        whole = io.BytesIO()
        torch.save(state, whole)
        rest = whole.getbuffer()
        about = {
            "format": FORMAT,
            "identity": self.identity,
            "length": len(rest),
            "hash": _hash(rest),
        }
        with replacing(self.path) as beside, beside.open("wb") as file:
            file.write(json.dumps({"gatewise_checkpoint": about}).encode() + b"\n")
            file.write(rest)
        self._written = time.monotonic()
        self._cost = self._written - start

    def begin(self, state: dict[str, Any]) -> None:
        """Write the first state: what could not be kept later is told before any training.

        Raises:
            TrainingError: if it cannot be written.
        """
        try:
            self.write(state)
        except OSError as error:
            raise TrainingError(
                f"{self.path}: a checkpoint cannot be written here: {error.strerror or error}"
            ) from None

    def keep(self, state: dict[str, Any]) -> None:
        """Write ``state``; where that fails, say so once and leave the earlier file.

        Training goes on all the same: what it learns is worth more than its insurance, and the
        disk may have room again at the next write.
        """
        try:
            self.write(state)
        except OSError as error:
            self._written = time.monotonic()
            if not self._failed:
                warnings.warn(
                    f"{self.path}: the checkpoint cannot be written ({error.strerror or error}); "
                    "training goes on, and the earlier checkpoint is kept",
                    stacklevel=2,
                )
            self._failed = True

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)

    @property
    def due(self) -> bool:
        """Whether the next write costs less than a hundredth of the time since the last."""
        wait = max(_SECONDS, _SHARE * self._cost)
        return time.monotonic() - self._written >= wait

    def _require_own(self, theirs: dict[str, Any]) -> None:
        there, here = _flat(theirs), _flat(self.identity)
        names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
        if not names:
            return
        what = "; ".join(f"{n} {_shown(there, n)} there, {_shown(here, n)} here" for n in names[:3])
        more = f"; and {len(names) - 3} more" if len(names) > 3 else ""
        raise TrainingError(
            f"{self.path}: the checkpoint of another training ({what}{more}): train with what it "
            "was begun with to go on, write elsewhere, or delete it to begin anew"
        )

    def _sweep(self) -> None:
        """Delete what a process that was killed while it wrote has left beside."""
        for left in self.path.parent.glob(f".{self.path.name}.tmp-*"):
            left.unlink(missing_ok=True)


def discard(path: str | os.PathLike[str] | None, history: list[dict[str, Any]]) -> None:
    """Delete a checkpoint whose training is through, once what it learnt was kept elsewhere.

    One that was stopped by Ctrl-C can be gone on with: its checkpoint stays.
    """
    if path is not None and not was_interrupted(history):
        Path(path).unlink(missing_ok=True)


def was_interrupted(history: list[dict[str, Any]]) -> bool:
    """Say whether a training was stopped by Ctrl-C."""
    return bool(history) and bool(history[-1].get("interrupted"))


def _hash(data: bytes | memoryview) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {name: value}
    parts = (_flat(inner, f"{name}.{key}" if name else key) for key, inner in value.items())
    return {key: leaf for part in parts for key, leaf in part.items()}


def _shown(values: dict[str, Any], name: str) -> str:
    text = repr(values[name]) if name in values else "nothing"
    return text if len(text) <= 40 else text[:37] + "…"
