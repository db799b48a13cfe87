"""LSTM, GRU and RNN: torch.nn's layers, argument for argument, and more."""

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatewise import ops
from gatewise.nn.base import RecurrentLayer
from gatewise.nn.checks import Lengths

Device = torch.device | str | int | None


class LSTM(RecurrentLayer):
    """Long short-term memory over a sequence; stands where ``torch.nn.LSTM`` stood.

    The equations are in ``gatewise.cells.lstm``. Parameters have torch's names, order and shapes,
    so that a ``state_dict`` goes both ways.

    ``torch.compile`` and ``torch.export`` see one operator a layer and direction. Under
    ``torch.autocast`` on a CPU the layer takes input in 16 bits, computes in float32 and gives its
    output in autocast's type and the state in float32.

    Args:
        input_size: I, features a step.
        hidden_size: H, units.
        num_layers: L, layers one above the other. Default 1.
        bias: whether there are ``bias_ih`` and ``bias_hh``. Default True.
        batch_first: input and output are (B, T, ·) rather than (T, B, ·). Default False.
        dropout: share of each layer's output but the last that is dropped in training. Default 0.
        bidirectional: a second run from each sequence's end, its output joined. Default False.
        proj_size: P, width to which h is projected, 0 for none. Default 0.
        device: where the parameters are.
        dtype: the parameters' type.
        output_activation: ``"tanh"``, h = o·tanh(c), or ``"identity"``, h = o·c as lecture notes
            write. Default ``"tanh"``.
        peephole: i and f see c before the step, o the new one, through ``weight_peephole``, (3H,),
            blocks i f o; coupled (2H,), i o (Gers & Schmidhuber 2000). Default False.
        coupled: f = 1 − i, and weights of three blocks, i g o (Greff et al. 2017). Default False.
        layer_norm: normalise W_ih x, W_hh h and c on its way out, with gains ``weight_ln_ih``,
            ``weight_ln_hh``, (G·H,), ``weight_ln_c``, (H,), and shift ``bias_ln_c``, (H,), unless
            ``bias=False`` (Ba et al. 2016, equations 20 to 22). Default False.
        recurrent_dropout: probability that a unit of h is hidden from W_hh, in training: one draw
            a sequence, layer and direction (Gal & Ghahramani 2016); the rest is scaled by
            1/(1 − p). Default 0.
        zoneout: probability that a unit keeps its old state, drawn every step in training, its
            expectation in evaluation: one for h and c, or (p_h, p_c) (Krueger et al. 2017).
            Default 0.
        learn_initial_state: the state before the first step is a parameter, ``initial_h`` (H or
            P,) and ``initial_c`` (H,), which a given ``hx`` replaces. Default False.
        init: ``"torch"`` (default), ``"standard"`` or ``"chrono"``: see
            :func:`gatewise.nn.init.initialise`.
        max_period: for ``"chrono"``, the longest span to remember, in steps, at least 2.
        backend: ``"auto"`` (default) or one by name; :func:`gatewise.explain_backend` shows which
            runs. What kernels lack, higher derivatives, and with ``"auto"`` forward mode and
            ``torch.func``, goes through the reference.

    Raises:
        ValueError: if an argument is not one of these.
        BackendError: if there is no such backend.
    """

    cell = "lstm"
    operator = staticmethod(ops.lstm)
    state_names = ("h_0", "c_0")

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        output_activation: str = "tanh",
        peephole: bool = False,
        coupled: bool = False,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
        backend: str = "auto",
    ) -> None:
        self.output_activation = output_activation
        self.peephole = peephole
        self.coupled = coupled
        self.layer_norm = layer_norm
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            proj_size,
            device,
            dtype,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
            backend=backend,
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: tuple[Tensor, Tensor] | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Run the layers over a batch of sequences.

        Args:
            input: (T, B, I), (B, T, I) with ``batch_first``, unbatched (T, I), or packed.
            hx: (h_0, c_0), (L·D, B, H or P) and (L·D, B, H), without B when unbatched. Default 0,
                or the learned initial state.
            lengths: (B,) integers from 0 to T, where each sequence ends (one number when
                unbatched). What stands beyond is never looked at, NaN or not.
            resets: bool, shaped as the input without its features: True cuts the sequence before
                that step, and each piece runs as if alone, from 0 or the learned initial state;
                ``hx`` belongs to the first piece forward, to the last in reverse. Masks of
                recurrent dropout stay the same over all pieces.

        Returns:
            The output in the input's form, D·H (or D·P) wide, 0 beyond the lengths; and
            (h_n, c_n), shaped as ``hx``, the state at the end of each sequence's own walk.

        Raises:
            ValueError: if an argument does not fit the layer or the others.
            BackendError: if the layer's backend cannot do this.
        """
        output, (h_n, c_n) = self.run_with(self.operator, self.prepare(input, hx, lengths, resets))
        return output, (h_n, c_n)


class GRU(RecurrentLayer):
    """Gated recurrent unit over a sequence; stands where ``torch.nn.GRU`` stood.

    The equations are in ``gatewise.cells.gru``. The arguments are those of :class:`LSTM` without
    ``proj_size``, ``output_activation``, ``peephole`` and ``coupled``; ``zoneout`` is one number;
    layer norm normalises W_ih x and W_hh h. And:

    Args:
        reset_after: the reset gate acts on U h + b (True, torch's form) or on h itself (False, the
            paper's and the lecture notes'). Default True.
    """

    cell = "gru"
    operator = staticmethod(ops.gru)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        reset_after: bool = True,
        layer_norm: bool = False,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
        backend: str = "auto",
    ) -> None:
        self.reset_after = reset_after
        self.layer_norm = layer_norm
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
            backend=backend,
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run the layers; as :meth:`LSTM.forward`, with h_0 and h_n (L·D, B, H) alone as state."""
        output, (h_n,) = self.run_with(self.operator, self.prepare(input, hx, lengths, resets))
        return output, h_n


class RNN(RecurrentLayer):
    """Simple (Elman) recurrent network over a sequence; stands where ``torch.nn.RNN`` stood.

    The equation is in ``gatewise.cells.rnn``. The arguments are those of :class:`GRU` without
    ``reset_after`` and ``layer_norm``, and, in torch's place, the fourth:

    Args:
        nonlinearity: ``"tanh"`` (default) or ``"relu"``.
    """

    cell = "rnn"
    operator = staticmethod(ops.rnn)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: torch.dtype | None = None,
        *,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        learn_initial_state: bool = False,
        init: str = "torch",
        max_period: float | None = None,
        backend: str = "auto",
    ) -> None:
        self.nonlinearity = nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            0,
            device,
            dtype,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            learn_initial_state=learn_initial_state,
            init=init,
            max_period=max_period,
            backend=backend,
        )

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Tensor | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Tensor | None = None,
    ) -> tuple[Tensor | PackedSequence, Tensor]:
        """Run the layers; as :meth:`LSTM.forward`, with h_0 and h_n (L·D, B, H) alone as state."""
        output, (h_n,) = self.run_with(self.operator, self.prepare(input, hx, lengths, resets))
        return output, h_n
