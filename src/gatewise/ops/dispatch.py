"""Which backend runs a call, and why not the others."""

from collections.abc import Callable
from typing import NamedTuple

from gatewise.ops import cpu_backend, reference, torch_backend
from gatewise.ops.call import Call, Result, check_seed


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
    if name != "auto":
        _find(name)


def _find(name: str) -> Backend:
    for backend in BACKENDS:
        if backend.name == name:
            return backend
    known = ", ".join(repr(known) for known in ("auto", *backend_names()))
    raise BackendError(f"There is no backend {name!r}; choose one of {known}.")


def choose(call: Call) -> Choice:
    """Choose the backend for a call, and say why not the others.

    Raises:
        BackendError: if the call names a backend that is unknown or cannot do it.
    """
    chosen, asked = _pick(call), call.options.backend
    others = [backend for backend in BACKENDS if backend.name != chosen.name]
    return Choice(chosen, {other.name: _reason(call, asked, other) for other in others})


def execute(call: Call) -> Result:
    """Do the call on the backend that ``choose`` gives.

    Raises:
        BackendError: as ``choose``.
        ValueError: if a seed is given and no option draws random numbers.
    """
    check_seed(call)
    return _pick(call).run(call)


def _pick(call: Call) -> Backend:
    """Choose without a word of the others: every call of a layer pays for what is asked here."""
    asked = call.options.backend
    if asked == "auto":
        return _fastest(call)
    chosen = _find(asked)
    if reason := chosen.unsupported(call):
        able = [repr(one.name) for one in BACKENDS if one.unsupported(call) is None]
        raise BackendError(
            f"backend={asked!r} cannot do this call: {reason}. "
            f"Backends that can: {', '.join(able)}; backend='auto' finds one by itself."
        )
    return chosen


def _fastest(call: Call) -> Backend:
    """Take the first that can and is not slower than the next that can, the reference's aside."""
    fastest: Backend | None = None
    for backend in BACKENDS:
        if (fastest is None or backend.name != "reference") and not backend.unsupported(call):
            fastest = backend
            if not backend.slower(call):
                break
    assert fastest is not None  # the reference can do every call
    return fastest


def _reason(call: Call, asked: str, passed_over: Backend) -> str:
    """Say why a backend was passed over."""
    if reason := passed_over.unsupported(call):
        return reason
    if asked != "auto":
        return f"backend={asked!r} was asked for"
    return passed_over.slower(call) or "slower than the backend chosen"
