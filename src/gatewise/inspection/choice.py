"""What of the data is looked at, as the user says it."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches

from gatewise.data.errors import DataError

_LISTED = 5

_MEANINGS = {
    "series": "the name of a series",
    "at": "where to begin",
    "sequence": "which sequence",
    "steps": "how many steps are shown",
}


@dataclass(frozen=True)
class Choice:
    """Which part of the data is looked at; None takes the first, or what the task's view says.

    Attributes:
        series: the series' name, for forecasts.
        at: for forecasts the time of the first step that is forecast; for text how many characters
            stand before the first that is read.
        sequence: its id, or its number from 0 in the data; an id that is a number comes first. Of
            text, the number of the document.
        steps: at most so many are shown, from the beginning.
    """

    series: str | None = None
    at: str | None = None
    sequence: str | int | None = None
    steps: int | None = None

    def require_only(self, allowed: Sequence[str], kind: str) -> None:
        """Refuse what a kind of model has no use for.

        Raises:
            DataError: names it and what can be chosen.
        """
        for name in (field.name for field in fields(self)):
            if getattr(self, name) is not None and name not in allowed:
                raise DataError(
                    f"{name} (--{name}) is not for {kind}: leave it out; what can be chosen is "
                    + " and ".join(f"{other} ({_MEANINGS[other]})" for other in allowed)
                )
        if self.steps is not None and self.steps < 1:
            raise DataError(f"steps (--steps) must be at least 1, got {self.steps}")


def number_of(sequence: str | int | None, ids: Sequence[str], name: str) -> int:
    """Find a sequence by its id or its number from 0; None is the first.

    Raises:
        DataError: there is none; names some that there are.
    """
    if sequence is None:
        return 0
    if isinstance(sequence, str):
        if sequence in ids:
            return ids.index(sequence)
        if not sequence.isdecimal():
            raise DataError(
                f"no sequence {sequence!r}; there are {like(sequence, ids)}, and numbers from 0 to "
                f"{len(ids) - 1}",
                name=name,
            )
    number = int(sequence)
    if not 0 <= number < len(ids):
        raise DataError(
            f"no sequence {number}; they are numbered from 0 to {len(ids) - 1}, and the ids are "
            f"{like(str(sequence), ids)}",
            name=name,
        )
    return number


def like(wanted: str, names: Sequence[str]) -> str:
    """List the names most like one that is not there, or the first few."""
    close = get_close_matches(wanted, names[:10_000], _LISTED) or list(names[:_LISTED])
    more = ", …" if len(close) < len(names) else ""
    return ", ".join(map(repr, close)) + more
