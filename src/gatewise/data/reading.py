"""How an odd table is to be read, where its owner has to say so."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from gatewise.data.times import Frequency

Codes = str | float | Sequence[str | float] | None


@dataclass(frozen=True)
class Reading:
    """What has to be told about a table, since guessing it could change values silently.

    Args:
        decimal: the decimal mark of numbers in text files, ``"."`` or ``","``; None is the point,
            and the comma where fields end in ``;``.
        encoding: of text files, such as ``"latin-1"``; None is UTF-8.
        missing: values that stand for a missing one, such as ``-200`` or ``"unknown"``.
        timezone: zone of clock times without an offset, such as ``"Europe/Paris"``.
        resample: step that irregular rows are averaged to, such as ``"1 hour"``.

    Raises:
        ValueError: for a mark, an encoding, a zone or a step that there is not.
    """

    decimal: str | None = None
    encoding: str | None = None
    missing: tuple[str | float, ...] = ()
    timezone: str | None = None
    resample: str | None = None

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise ValueError(f"decimal must be '.' or ',', got {self.decimal!r}")
        _check_encoding(self.encoding)
        if self.timezone is not None:
            _check_zone(self.timezone)
        if self.resample is not None:
            Frequency.parse(self.resample)

    @classmethod
    def of(
        cls,
        *,
        decimal: str | None = None,
        encoding: str | None = None,
        missing: Codes = None,
        timezone: str | None = None,
        resample: str | None = None,
    ) -> "Reading":
        """Build it from an estimator's parameters: ``missing`` may be one value, or several."""
        return cls(decimal, encoding, _codes(missing), timezone, resample)


def _codes(missing: Any) -> tuple[str | float, ...]:
    if missing is None:
        return ()
    return (missing,) if isinstance(missing, (str, int, float)) else tuple(missing)


def _check_encoding(encoding: str | None) -> None:
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        raise ValueError(
            f"encoding {encoding!r} is unknown; well known are utf-8, latin-1, cp1252, utf-16"
        ) from None


def _check_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, malformed, or a folder of zones
        raise ValueError(
            f"timezone {name!r} is unknown; write a name such as 'Europe/Paris' or 'UTC'"
        ) from None
