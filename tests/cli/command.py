"""A command of this process: how it is called and what it leaves."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


Gatewise = Callable[..., Done]
FIT = ("--target", "load", "--horizon", 6, "--lookback", 24, "--hidden", 4, "--steps", 5)
