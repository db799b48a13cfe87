"""What an operator is asked to do: its tensors, its options, and all of it as one value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from torch import Tensor

CellName = Literal["lstm", "gru", "rnn"]


class Extras(NamedTuple):
    """Tensors that only some calls have; what is there is in force.

    Attributes:
        w_hr: projection of the LSTM's output, (P, H).
        w_peephole: peepholes of the LSTM, (3H,), blocks i f o; coupled (2H,), i o.
        w_ln_ih: gain of the layer norm of W_ih x, (G·H,); LSTM and GRU.
        w_ln_hh: gain of the layer norm of W_hh h, (G·H,); together with ``w_ln_ih``.
        w_ln_c: gain of the layer norm of the LSTM's c on its way out, (H,); with the two above.
        b_ln_c: shift of that layer norm, (H,).
        initial_h: h from which a piece begins after a cut, (H,) or (P,); None: 0.
        initial_c: c from which a piece begins after a cut, (H,); None: 0.
    """

    w_hr: Tensor | None = None
    w_peephole: Tensor | None = None
    w_ln_ih: Tensor | None = None
    w_ln_hh: Tensor | None = None
    w_ln_c: Tensor | None = None
    b_ln_c: Tensor | None = None
    initial_h: Tensor | None = None
    initial_c: Tensor | None = None


@dataclass(frozen=True, kw_only=True)
class CellOptions:
    """How any cell runs.

    Attributes:
        recurrent_dropout: probability that a unit of h is hidden from W_hh for a whole sequence,
            when a seed is given. Default 0.
        zoneout: probability that a unit keeps its old state, one for each part of the state. With
            a seed the units are drawn, without one the expectation is taken. Default 0.
        layer: the layer's number, from 0, which the random masks depend on. Default 0.
        reverse: walk from each sequence's own end to its start. Default False.
        backend: ``"auto"`` (default) or one of ``backend_names()``.
    """

    recurrent_dropout: float = 0.0
    zoneout: tuple[float, ...] = (0.0,)
    layer: int = 0
    reverse: bool = False
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_probability("recurrent_dropout", self.recurrent_dropout)
        for p in self.zoneout:
            check_probability("zoneout", p)

    @property
    def draws(self) -> bool:
        """Whether a seed makes a difference."""
        return self.recurrent_dropout > 0 or any(self.zoneout)


@dataclass(frozen=True, kw_only=True)
class LSTMOptions(CellOptions):
    """How an LSTM runs; ``zoneout`` is (p_h, p_c).

    Attributes:
        output_activation: ``"tanh"`` (default) or ``"identity"``.
        coupled: f = 1 − i, and weights of three blocks, i g o. Default False.
    """

    output_activation: str = "tanh"
    coupled: bool = False
    zoneout: tuple[float, ...] = (0.0, 0.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("output_activation", self.output_activation, ("tanh", "identity"))
        check_choice("coupled", self.coupled, (True, False))


@dataclass(frozen=True, kw_only=True)
class GRUOptions(CellOptions):
    """How a GRU runs; ``zoneout`` is (p_h,).

    Attributes:
        reset_after: the reset gate acts on U h + b (True, default) or on h itself (False).
    """

    reset_after: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("reset_after", self.reset_after, (True, False))


@dataclass(frozen=True, kw_only=True)
class RNNOptions(CellOptions):
    """How an RNN runs; ``zoneout`` is (p_h,).

    Attributes:
        nonlinearity: ``"tanh"`` (default) or ``"relu"``.
    """

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("nonlinearity", self.nonlinearity, ("tanh", "relu"))


OPTIONS: dict[CellName, type[CellOptions]] = {
    "lstm": LSTMOptions,
    "gru": GRUOptions,
    "rnn": RNNOptions,
}


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
    seed: Tensor | None
    options: Any

    @classmethod
    def from_arguments(cls, cell: CellName, *arguments: Any) -> "Call":
        """Make the call from an operator's positional arguments."""
        x, *state, w_ih, w_hh, b_ih, b_hh, extras, lengths, resets, seed, options = arguments
        weights = (w_ih, w_hh, b_ih, b_hh)
        return cls(cell, x, tuple(state), *weights, extras, lengths, resets, seed, options)


class Result(NamedTuple):
    """What a backend gives back: ``y`` (T, B, H or P) and the state after the last step."""

    y: Tensor
    state: tuple[Tensor, ...]

    def flat(self) -> tuple[Tensor, ...]:
        """Give y, h_n and, for the LSTM, c_n."""
        return (self.y, *self.state)


def check_seed(call: Call) -> None:
    """Raise ValueError if a call has a seed and no option that draws random numbers."""
    if call.seed is not None and not call.options.draws:
        raise ValueError(
            f"{call.cell} was given a seed, but none of its options draws random numbers: "
            "pass seed=None."
        )


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raise ValueError unless ``value`` is one of ``choices``."""
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} must be one of {allowed}; got {value!r}.")


def check_probability(name: str, value: object) -> None:
    """Raise ValueError unless ``value`` is a number from 0 to 1."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= 1:  # type: ignore[operator]
        raise ValueError(f"{name} must be a probability, a number from 0 to 1; got {value!r}.")
