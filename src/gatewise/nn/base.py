"""What the three layers share: weights, forms of input, and one loop over layers and directions."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from gatewise.nn import autocast, checks, layout
from gatewise.nn.frozen import Frozen
from gatewise.nn.init import initialise
from gatewise.nn.module import RecurrentModule
from gatewise.ops.call import check_probability
from gatewise.ops.dispatch import check_backend_name
from gatewise.ops.weights import Weights

# One of gatewise.ops.lstm, gru, rnn, or what takes its place: (x, *state, w_ih, ...) -> (y, *state)
Operator = Callable[..., tuple[Tensor, ...]]


class Batch(NamedTuple):
    """A checked batch, time-major.

    Attributes:
        x: (T, B, I).
        state: for h, and for an LSTM's c, the tensors (B, H or P) of each layer and direction; also
            as one tensor, (L·D, B, H or P).
        lengths: (B,) int64, or None.
        resets: (T, B) bool, or None.
        layout: how to give results the form in which the input came.
    """

    x: Tensor
    state: tuple[Sequence[Tensor] | Tensor, ...]
    lengths: Tensor | None
    resets: Tensor | None
    layout: layout.Layout


class RecurrentLayer(RecurrentModule):
    """Base of LSTM, GRU and RNN; a subclass gives the cell, its operator and its options."""

    operator: ClassVar[Operator]
    weight_ih_l0: Tensor

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: torch.device | str | int | None,
        dtype: torch.dtype | None,
        *,
        recurrent_dropout: float,
        zoneout: float | tuple[float, float],
        learn_initial_state: bool,
        init: str,
        max_period: float | None,
        backend: str,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.recurrent_dropout = recurrent_dropout
        self.zoneout = zoneout
        self.learn_initial_state = learn_initial_state
        self.init = init
        self.max_period = max_period
        self.backend = backend
        self._check_arguments()
        self.dropout = float(dropout)
        for layer in range(num_layers):
            width = (proj_size or hidden_size) * self.num_directions if layer else input_size
            for direction in range(self.num_directions):
                shapes = self._shapes(width, proj_size)
                self._register(shapes, _suffix(layer, direction), device, dtype)
        self.reset_parameters()

    @property
    def num_directions(self) -> int:
        """D: 2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters, a list for each layer and direction, in torch's order."""
        return [[w for w in weights if w is not None] for weights in self._every_weights()]

    def weights(self, layer: int, direction: int) -> Weights:
        """Give the weights of a layer in direction 0 (forward) or 1 (reverse)."""
        return self._weights(_suffix(layer, direction))

    def reset_parameters(self) -> None:
        """Draw all weights anew, by ``init``."""
        initialise(
            self.cell,
            self.init,
            self._every_weights(),
            self.hidden_size,
            coupled=self.coupled,
            max_period=self.max_period,
        )

    def flatten_parameters(self) -> None:
        """Do nothing: here for code written for torch.nn."""

    def freeze(self, batch_size: int = 1) -> Frozen:
        """Give a copy for use in evaluation, step by step or piece by piece, on NumPy arrays.

        Its weights are packed once, where a layer packs them in every call. The C++ core takes its
        steps: a step of a small layer costs a few microseconds.

        Args:
            batch_size: B, how many sequences go side by side. Default 1.

        Raises:
            ValueError: if the layer is bidirectional or not on the CPU.
            RuntimeError: if the core was not built.
        """
        return Frozen(self, batch_size)

    def _every_weights(self) -> list[Weights]:
        """Give the weights of every layer and direction, in the order of the states' rows."""
        return [
            self.weights(layer, direction)
            for layer in range(self.num_layers)
            for direction in range(self.num_directions)
        ]

    def _defaults(self) -> dict[str, Any]:
        return {
            "proj_size": 0,
            "num_layers": 1,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
            **super()._defaults(),
            "backend": "auto",
        }

    def _check_arguments(self) -> None:
        super()._check_arguments()
        checks.check_count("num_layers", self.num_layers, least=1)
        checks.check_count("proj_size", self.proj_size, least=0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"proj_size must be smaller than hidden_size={self.hidden_size}; "
                f"got {self.proj_size}."
            )
        for name in ("batch_first", "bidirectional"):
            checks.check_flag(name, getattr(self, name))
        check_probability("dropout", self.dropout)
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={self.dropout} acts between layers, and with num_layers=1 there is no "
                "between: it has no effect.",
                stacklevel=4,
            )
        check_backend_name(self.backend)

    def run_with(
        self, operator: Operator, batch: Batch
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        """Run all layers over a prepared batch, each direction of each by ``operator``.

        Returns:
            The output in the input's form, and the tuple of final states, (L·D, B, ·) each.
        """
        output_type = autocast.output_type(self._weight("weight_ih_l0"))
        if output_type is None:
            return self._run_layers(operator, batch)
        with torch.autocast("cpu", enabled=False):
            output, state = self._run_layers(operator, batch)
        return output.to(output_type), state

    def _run_layers(
        self, operator: Operator, batch: Batch
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        y, final, seed = batch.x, [], self.draw_seed()
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.num_directions):
                y_direction, *state = operator(*self.arguments(layer, direction, y, batch, seed))
                outputs.append(y_direction)
                final.append(state)
            y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)  # (T, B, D·H)
            if self.dropout and layer < self.num_layers - 1:
                y = F.dropout(y, self.dropout, self.training)
        restore, state_n = batch.layout, []
        for states in zip(*final, strict=True):
            joined = torch.stack(states) if len(states) > 1 else states[0].unsqueeze(0)
            state_n.append(restore.restore_state(joined))  # from (L·D, B, ·)
        return restore.restore_output(y), tuple(state_n)

    def arguments(
        self, layer: int, direction: int, x: Tensor, batch: Batch, seed: Tensor | None
    ) -> tuple[Any, ...]:
        """Give the operator's arguments for one layer and direction, with input ``x``."""
        weights, row = self.weights(layer, direction), layer * self.num_directions + direction
        state = [s[row] for s in batch.state]
        options = self.options(layer=layer, reverse=direction == 1, backend=self.backend)
        extras = weights.extras
        if batch.resets is None and extras.initial_h is not None:
            extras = extras._replace(initial_h=None, initial_c=None)
        return (x, *state, *weights[:4], extras, batch.lengths, batch.resets, seed, options)

    def prepare(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        lengths: checks.Lengths | None = None,
        resets: Tensor | None = None,
    ) -> Batch:
        """Check the arguments of ``forward`` and bring them into time-major form.

        Raises:
            ValueError: if one does not fit the layer or the others.
        """
        owner, weight = type(self).__name__, self._weight("weight_ih_l0")
        input, hx = autocast.widen((input, hx), weight)
        if isinstance(input, PackedSequence):
            if lengths is not None or resets is not None:
                raise ValueError(
                    f"{owner}: a PackedSequence has its own lengths and takes neither lengths nor "
                    "resets; pass a padded tensor instead (torch.nn.utils.rnn.pad_packed_sequence)."
                )
            checks.check_packed(owner, input, self.input_size, weight)
            x, lengths, form = layout.packed(input)
            state = self._initial_state(hx, (x.shape[1],), weight, form)
            return Batch(x, state, lengths, None, form)

        checks.check_input(owner, input, (2, 3), self.input_size, weight)
        is_batched, batch_first = input.dim() == 3, self.batch_first and input.dim() == 3
        x, form = layout.batched(input, batch_first) if is_batched else layout.unbatched(input)
        steps, batch_shape = x.shape[0], (x.shape[1],) if is_batched else ()
        state = self._initial_state(hx, batch_shape, weight, form)
        if lengths is not None:
            lengths = checks.check_lengths(owner, lengths, batch_shape, steps, x.device).view(-1)
        if resets is not None:
            resets = checks.check_resets(owner, resets, tuple(input.shape[:-1]), x.device)
            resets = resets.t() if batch_first else resets.view(x.shape[:2])
        return Batch(x, state, lengths, resets, form)

    def _initial_state(
        self, hx: Any, batch_shape: tuple[int, ...], weight: Tensor, form: layout.Layout
    ) -> tuple[Sequence[Tensor] | Tensor, ...]:
        """Give the state before the first step as a ``Batch`` has it."""
        rows = self.num_layers * self.num_directions
        widths = (self.proj_size or self.hidden_size, self.hidden_size)[: len(self.state_names)]
        if hx is not None:
            owner, shapes = type(self).__name__, [(rows, *batch_shape, width) for width in widths]
            state = checks.check_state(owner, hx, self.state_names, shapes, weight)
            return tuple(form.arrange_state(s) for s in state)
        batch = batch_shape[0] if batch_shape else 1
        if self.learn_initial_state:
            every = self._every_weights()
            learned = [[w.initial_h for w in every], [w.initial_c for w in every]]
            return tuple(
                [initial.expand(batch, -1) for initial in part if initial is not None]
                for part in learned[: len(widths)]
            )
        # Nothing writes into a state, so that all that are of one size can be the same zeros.
        zeros = {width: weight.new_zeros(batch, width) for width in set(widths)}
        return tuple([zeros[width]] * rows for width in widths)


def _suffix(layer: int, direction: int) -> str:
    """Give torch's ending of a parameter's name."""
    return f"_l{layer}" + ("_reverse" if direction else "")


def check_layer(function: str, layer: Any) -> None:
    """Raise ValueError unless ``layer`` is one of ours; ``function`` is who asks."""
    if not isinstance(layer, RecurrentLayer):
        kind = type(layer)
        raise ValueError(
            f"{function} takes a gatewise LSTM, GRU or RNN; got {kind.__module__}.{kind.__name__}. "
            "A torch.nn layer's weights go into ours by load_state_dict(theirs.state_dict())."
        )
