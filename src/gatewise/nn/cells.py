"""LSTMCell, GRUCell and RNNCell: one step, with torch.nn's arguments and parameter names."""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gatewise.cells import gru_step, lstm_step, rnn_step
from gatewise.nn import checks
from gatewise.nn.init import Weights, check_scheme, initialise
from gatewise.nn.layers import Device
from gatewise.nn.representation import shown_arguments
from gatewise.ops.call import CellName, check_choice


class RecurrentCell(nn.Module):
    """Base of the three cells: weights and checks."""

    cell: ClassVar[CellName]
    gates: ClassVar[int]
    state_names: ClassVar[tuple[str, ...]] = ("h_0",)
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Device,
        dtype: torch.dtype | None,
        *,
        init: str,
        max_period: float | None,
    ) -> None:
        super().__init__()
        checks.check_sizes(input_size, hidden_size)
        check_scheme(init, self.cell, bias, max_period)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.init = init
        self.max_period = max_period

        def empty(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(shape, device=device, dtype=dtype))

        rows = self.gates * hidden_size
        self.weight_ih = empty(rows, input_size)
        self.weight_hh = empty(rows, hidden_size)
        self.register_parameter("bias_ih", empty(rows) if bias else None)
        self.register_parameter("bias_hh", empty(rows) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, by ``init``."""
        weights = Weights(self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        initialise(self.cell, self.init, [weights], self.hidden_size, self.max_period)

    def extra_repr(self) -> str:
        """Show the sizes, and every other argument that is not at its default."""
        return shown_arguments(self, self._defaults())

    def _defaults(self) -> dict[str, object]:
        return {"bias": True, "init": "torch", "max_period": None}

    def _prepare(self, input: Tensor, hx: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Check the arguments of ``forward``; give W_ih x + b_ih and the state."""
        owner = type(self).__name__
        checks.check_input(owner, input, (1, 2), self.input_size, self.weight_ih)
        shapes = [(*input.shape[:-1], self.hidden_size)] * len(self.state_names)
        state = checks.check_state(owner, hx, self.state_names, shapes, self.weight_ih)
        return F.linear(input, self.weight_ih, self.bias_ih), state


class LSTMCell(RecurrentCell):
    """One step of an LSTM; stands where ``torch.nn.LSTMCell`` stood.

    Args:
        input_size: I, features.
        hidden_size: H, units.
        bias: whether there are ``bias_ih`` and ``bias_hh``. Default True.
        device: where the parameters are.
        dtype: the parameters' type.
        output_activation: ``"tanh"`` (default) or ``"identity"``, as in :class:`gatewise.LSTM`.
        init: ``"torch"`` (default), ``"standard"`` or ``"chrono"``.
        max_period: for ``"chrono"``, the longest span to remember, in steps, at least 2.

    Raises:
        ValueError: if an argument is not one of these.
    """

    cell = "lstm"
    gates = 4
    state_names = ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        output_activation: str = "tanh",
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        check_choice("output_activation", output_activation, ("tanh", "identity"))
        self.output_activation = output_activation
        super().__init__(
            input_size, hidden_size, bias, device, dtype, init=init, max_period=max_period
        )

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            input: (B, I) or (I,).
            hx: (h, c) before the step, each (B, H) or (H,). Default 0.

        Returns:
            (h, c) after it, each (B, H) or (H,).

        Raises:
            ValueError: if input or state do not fit the cell.
        """
        xw, (h, c) = self._prepare(input, hx)
        step = lstm_step(
            xw, h, c, self.weight_hh, self.bias_hh, output_activation=self.output_activation
        )
        return step.h, step.c

    def _defaults(self) -> dict[str, object]:
        return super()._defaults() | {"output_activation": "tanh"}


class GRUCell(RecurrentCell):
    """One step of a GRU; stands where ``torch.nn.GRUCell`` stood.

    The arguments are those of :class:`LSTMCell` without ``output_activation``, and:

    Args:
        reset_after: as in :class:`gatewise.GRU`. Default True.
    """

    cell = "gru"
    gates = 3

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        check_choice("reset_after", reset_after, (True, False))
        self.reset_after = reset_after
        super().__init__(
            input_size, hidden_size, bias, device, dtype, init=init, max_period=max_period
        )

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Take one step; as :meth:`LSTMCell.forward`, with h alone as state."""
        xw, (h,) = self._prepare(input, hx)
        return gru_step(xw, h, self.weight_hh, self.bias_hh, reset_after=self.reset_after).h

    def _defaults(self) -> dict[str, object]:
        return super()._defaults() | {"reset_after": True}


class RNNCell(RecurrentCell):
    """One step of a simple RNN; stands where ``torch.nn.RNNCell`` stood.

    The arguments are those of :class:`LSTMCell` without ``output_activation``, and, in torch's
    place, the fourth:

    Args:
        nonlinearity: ``"tanh"`` (default) or ``"relu"``.
    """

    cell = "rnn"
    gates = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        check_choice("nonlinearity", nonlinearity, ("tanh", "relu"))
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size, hidden_size, bias, device, dtype, init=init, max_period=max_period
        )

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        """Take one step; as :meth:`LSTMCell.forward`, with h alone as state."""
        xw, (h,) = self._prepare(input, hx)
        return rnn_step(xw, h, self.weight_hh, self.bias_hh, nonlinearity=self.nonlinearity).h

    def _defaults(self) -> dict[str, object]:
        return super()._defaults() | {"nonlinearity": "tanh"}
