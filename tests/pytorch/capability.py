"""What a capability is: a check that is tried on every kind of module."""

from collections.abc import Callable
from typing import NamedTuple

from subjects import SUBJECTS, Subject

Check = Callable[[Subject], None]


class Lacking(Exception):
    """A module does not do what is asked, and nothing raises."""


class FailedThereError(RuntimeError):
    """What another process raised, as text."""


class Capability(NamedTuple):
    """A row of the table.

    Attributes:
        section: the table in which it stands.
        title: what is asked, in Markdown.
        check: raises if a subject lacks it.
        is_slow: whether the check takes seconds.
        has_steps: whether it makes sense for a cell, too.
        why: where ours lack it, why, and what to do.
    """

    section: str
    title: str
    check: Check
    is_slow: bool
    has_steps: bool
    why: str

    @property
    def name(self) -> str:
        """A test's name for it."""
        return self.check.__name__

    def subjects(self, column: str) -> list[Subject]:
        """Give what it is tried on in a column; none where it makes no sense."""
        return [s for s in SUBJECTS[column] if self.has_steps or not s.is_step]


CAPABILITIES: list[Capability] = []


def capability(
    section: str, title: str, *, is_slow: bool = False, has_steps: bool = True, why: str = ""
) -> Callable[[Check], Check]:
    """Add the check that follows to the table."""

    def add(check: Check) -> Check:
        CAPABILITIES.append(Capability(section, title, check, is_slow, has_steps, why))
        return check

    return add
