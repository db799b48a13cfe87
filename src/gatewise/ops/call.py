"""What an operator is asked to do: its tensors, its options, and all of it as one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

CellName = Literal["lstm", "gru", "rnn"]


class Extras(NamedTuple):
    """Tensors that only some calls have.

    Attributes:
        w_hr: projection of the LSTM's output, (P, H).
    """

    w_hr: Tensor | None = None


@dataclass(frozen=True)
class LSTMOptions:
    """How an LSTM runs.

    Attributes:
        output_activation: ``"tanh"`` (default) or ``"identity"``.
        reverse: walk from each sequence's own end to its start.
        backend: ``"auto"`` (default) or one of ``backend_names()``.
    """

    output_activation: str = "tanh"
    reverse: bool = False
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_choice("output_activation", self.output_activation, ("tanh", "identity"))


@dataclass(frozen=True)
class GRUOptions:
    """How a GRU runs.

    Attributes:
        reset_after: the reset gate acts on U h + b (True, default) or on h itself (False).
        reverse: walk from each sequence's own end to its start.
        backend: ``"auto"`` (default) or one of ``backend_names()``.
    """

    reset_after: bool = True
    reverse: bool = False
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_choice("reset_after", self.reset_after, (True, False))


@dataclass(frozen=True)
class RNNOptions:
    """How an RNN runs.

    Attributes:
        nonlinearity: ``"tanh"`` (default) or ``"relu"``.
        reverse: walk from each sequence's own end to its start.
        backend: ``"auto"`` (default) or one of ``backend_names()``.
    """

    nonlinearity: str = "tanh"
    reverse: bool = False
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_choice("nonlinearity", self.nonlinearity, ("tanh", "relu"))


Options = LSTMOptions | GRUOptions | RNNOptions


class Call(NamedTuple):
    """The arguments of one operator call, for any cell (shapes: see ``gatewise.ops.lstm``)."""

    cell: CellName
    x: Tensor
    state: tuple[Tensor, ...]
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    extras: Extras
    lengths: Tensor | None
    resets: Tensor | None
    options: Any

    @classmethod
    def from_arguments(cls, cell: CellName, *arguments: Any) -> "Call":
        """Make the call from an operator's positional arguments.

        Raises:
            ValueError: if a seed is given, since no option draws random numbers.
        """
        x, *state, w_ih, w_hh, b_ih, b_hh, extras, lengths, resets, seed, options = arguments
        if seed is not None:
            raise ValueError(
                f"{cell} was given a seed, but none of its options draws random numbers: "
                "pass seed=None."
            )
        weights = (w_ih, w_hh, b_ih, b_hh)
        return cls(cell, x, tuple(state), *weights, extras, lengths, resets, options)


class Result(NamedTuple):
    """What a backend gives back: ``y`` (T, B, H or P) and the state after the last step."""

    y: Tensor
    state: tuple[Tensor, ...]


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {allowed}; got {value!r}.")
