"""Which backend runs a call, and why not the others."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

from gatewise.ops import cpu_backend, reference, torch_backend
from gatewise.ops.call import Call, Result


class BackendError(ValueError):
    """The backend asked for is unknown, or cannot do the call."""


class Backend(NamedTuple):
    """One way to run the operators.

    Attributes:
        name: what ``backend=`` calls it.
        unsupported: gives the reason why it cannot do a call, or None if it can.
        run: does the call.
        derivatives: what can be differentiated, and how often.
        slower: gives the reason why a backend further down is to be preferred by ``"auto"``, if it
            can do the call; or None.
    """

    name: str
    unsupported: Callable[[Call], str | None]
    run: Callable[[Call], Result]
    derivatives: str
    slower: Callable[[Call], str | None] = lambda _: None


class Choice(NamedTuple):
    """The backend for a call and, by name, why each other one was passed over."""

    backend: Backend
    reasons: dict[str, str]


# Fastest first: "auto" takes the first that supports the call and is not known to be slower.
BACKENDS = (
    Backend(
        "cpu",
        cpu_backend.unsupported,
        cpu_backend.run,
        cpu_backend.DERIVATIVES,
        cpu_backend.slower,
    ),
    Backend("torch", torch_backend.unsupported, torch_backend.run, torch_backend.DERIVATIVES),
    Backend("reference", reference.unsupported, reference.run, reference.DERIVATIVES),
)


def backend_names() -> tuple[str, ...]:
    """The names that ``backend=`` takes besides ``"auto"``, fastest first."""
    return tuple(backend.name for backend in BACKENDS)


def check_backend_name(name: str) -> None:
    """Raise BackendError unless ``name`` is ``"auto"`` or a backend's name."""
    if name != "auto" and name not in backend_names():
        known = ", ".join(repr(known) for known in ("auto", *backend_names()))
        raise BackendError(f"There is no backend {name!r}; choose one of {known}.")


def choose(call: Call) -> Choice:
    """Choose the backend for a call.

    Raises:
        BackendError: if the call names a backend that is unknown or cannot do it.
    """
    asked = call.options.backend
    check_backend_name(asked)
    unsupported = {backend.name: backend.unsupported(call) for backend in BACKENDS}
    able = [backend for backend in BACKENDS if unsupported[backend.name] is None]
    if asked == "auto":
        chosen, slower = _fastest(call, able)
        reasons = dict.fromkeys(unsupported, "slower than the backend chosen") | slower
    else:
        _check_able(asked, unsupported[asked], able)
        chosen = next(backend for backend in able if backend.name == asked)
        reasons = dict.fromkeys(unsupported, f"backend={asked!r} was asked for")
    reasons |= {name: reason for name, reason in unsupported.items() if reason is not None}
    return Choice(chosen, {name: why for name, why in reasons.items() if name != chosen.name})


def _fastest(call: Call, able: list[Backend]) -> tuple[Backend, dict[str, str]]:
    """Take the first that is not slower than the next, the reference's aside, and say why."""
    slower: dict[str, str] = {}
    for backend, following in itertools.pairwise(able):
        reason = backend.slower(call) if following.name != "reference" else None
        if reason is None:
            return backend, slower
        slower[backend.name] = reason
    return able[-1], slower


def _check_able(asked: str, reason: str | None, able: list[Backend]) -> None:
    """Raise BackendError if there is a reason why the backend asked for cannot do the call."""
    if reason is not None:
        others = ", ".join(repr(backend.name) for backend in able)
        raise BackendError(
            f"backend={asked!r} cannot do this call: {reason}. "
            f"Backends that can: {others}; backend='auto' finds one by itself."
        )


def execute(call: Call) -> Result:
    """Do the call on the backend that ``choose`` gives."""
    return choose(call).backend.run(call)
