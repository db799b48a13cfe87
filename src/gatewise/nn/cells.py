"""LSTMCell, GRUCell and RNNCell: one step, with torch.nn's arguments and parameter names."""

from typing import Any

import torch
from torch import Tensor

from gatewise.nn import autocast, checks
from gatewise.nn.init import initialise
from gatewise.nn.layers import Device
from gatewise.nn.module import RecurrentModule
from gatewise.ops import Call, reference
from gatewise.ops.masks import make_masks


class RecurrentCell(RecurrentModule):
    """Base of the three cells: weights, checks, and the step."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Device,
        dtype: torch.dtype | None,
        *,
        zoneout: float | tuple[float, float],
        learn_initial_state: bool,
        init: str,
        max_period: float | None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.zoneout = zoneout
        self.learn_initial_state = learn_initial_state
        self.init = init
        self.max_period = max_period
        self._check_arguments()
        self._register(self._shapes(input_size), "", device, dtype)
        if not bias:  # torch's cells have None there
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, by ``init``."""
        initialise(
            self.cell,
            self.init,
            [self._weights("")],
            self.hidden_size,
            coupled=self.coupled,
            max_period=self.max_period,
        )

    def take_step(self, input: Tensor, hx: Any, mask: Any) -> tuple[Tensor, ...]:
        """Check the arguments of ``forward`` and give the new state."""
        owner, weights = type(self).__name__, self._weights("")
        input, hx, mask = autocast.widen((input, hx, mask), weights.w_ih)
        checks.check_input(owner, input, (1, 2), self.input_size, weights.w_ih)
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None and self.learn_initial_state:
            learned = (weights.initial_h, weights.initial_c)
            state = tuple(s.expand(shape) for s in learned if s is not None)
        else:
            shapes = [shape] * len(self.state_names)
            state = checks.check_state(owner, hx, self.state_names, shapes, weights.w_ih)
        if mask is not None:
            checks.check_mask(owner, mask, state[0])
        if is_single := input.dim() == 1:
            input, state = input.unsqueeze(0), tuple(s.unsqueeze(0) for s in state)
        seed, options = self.draw_seed(), self.options()
        given = (*weights[:4], weights.extras, None, None, seed, options)
        call = Call.from_arguments(self.cell, input.unsqueeze(0), *state, *given)
        with autocast.suspended(weights.w_ih):
            result = reference.run(call, make_masks(call)._replace(recurrent=mask))
        return tuple(s.squeeze(0) if is_single else s for s in result.state)


class LSTMCell(RecurrentCell):
    """One step of an LSTM; stands where ``torch.nn.LSTMCell`` stood.

    Args:
        input_size: I, features.
        hidden_size: H, units.
        bias: whether there are ``bias_ih`` and ``bias_hh``. Default True.
        device: where the parameters are.
        dtype: the parameters' type.
        output_activation: ``"tanh"`` (default) or ``"identity"``, as in :class:`gatewise.LSTM`,
            and so are the options that follow.
        peephole: gates see the memory cell. Default False.
        coupled: f = 1 − i. Default False.
        layer_norm: normalise both products and c on its way out. Default False.
        zoneout: probability, or (p_h, p_c), that a unit keeps its old state. Default 0.
        learn_initial_state: the state where none is given is a parameter. Default False.
        init: ``"torch"`` (default), ``"standard"`` or ``"chrono"``.
        max_period: for ``"chrono"``, the longest span to remember, in steps, at least 2.

    Raises:
        ValueError: if an argument is not one of these.
    """

    cell = "lstm"
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
        peephole: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        zoneout: float | tuple[float, float] = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        self.output_activation = output_activation
        self.peephole = peephole
        self.coupled = coupled
        self.layer_norm = layer_norm
        super().__init__(
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
        )

    def forward(
        self,
        input: Tensor,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Take one step.

        Args:
            input: (B, I) or (I,).
            hx: (h, c) before the step, each (B, H) or (H,). Default 0, or the learned state.
            mask: recurrent dropout: what h is multiplied by before W_hh, (B, H) or (H,). For one
                mask over a whole sequence, draw it once and give it to every step:
                ``torch.nn.functional.dropout(torch.ones(B, H), p)``. Default None.

        Returns:
            (h, c) after it, each (B, H) or (H,).

        Raises:
            ValueError: if input, state or mask do not fit the cell.
        """
        h, c = self.take_step(input, hx, mask)
        return h, c


class GRUCell(RecurrentCell):
    """One step of a GRU; stands where ``torch.nn.GRUCell`` stood.

    The arguments are those of :class:`LSTMCell` without ``output_activation``, ``peephole`` and
    ``coupled``; ``zoneout`` is one number. And:

    Args:
        reset_after: as in :class:`gatewise.GRU`. Default True.
    """

    cell = "gru"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
        zoneout: float = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        self.reset_after = reset_after
        self.layer_norm = layer_norm
        super().__init__(
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
        )

    def forward(
        self, input: Tensor, hx: Tensor | None = None, *, mask: Tensor | None = None
    ) -> Tensor:
        """Take one step; as :meth:`LSTMCell.forward`, with h alone as state."""
        (h,) = self.take_step(input, hx, mask)
        return h


class RNNCell(RecurrentCell):
    """One step of a simple RNN; stands where ``torch.nn.RNNCell`` stood.

    The arguments are those of :class:`GRUCell` without ``reset_after`` and ``layer_norm``, and, in
    torch's place, the fourth:

    Args:
        nonlinearity: ``"tanh"`` (default) or ``"relu"``.
    """

    cell = "rnn"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        zoneout: float = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            bias,
            device,
            dtype,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
        )

    def forward(
        self, input: Tensor, hx: Tensor | None = None, *, mask: Tensor | None = None
    ) -> Tensor:
        """Take one step; as :meth:`LSTMCell.forward`, with h alone as state."""
        (h,) = self.take_step(input, hx, mask)
        return h
