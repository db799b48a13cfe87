"""What the three layers share: weights, forms of input, and one loop over layers and directions."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence

from gatewise.nn import checks, layout
from gatewise.nn.init import Weights, check_scheme, initialise
from gatewise.nn.representation import shown_arguments
from gatewise.ops.call import CellName, Extras, Options
from gatewise.ops.dispatch import check_backend_name

# One of gatewise.ops.lstm, gru, rnn, or what takes its place: (x, *state, w_ih, ...) -> (y, *state)
Operator = Callable[..., tuple[Tensor, ...]]


class Batch(NamedTuple):
    """A checked batch, time-major.

    Attributes:
        x: (T, B, I).
        state: (L·D, B, H or P) each.
        lengths: (B,) int64, or None.
        resets: (T, B) bool, or None.
        layout: how to give results the form in which the input came.
    """

    x: Tensor
    state: tuple[Tensor, ...]
    lengths: Tensor | None
    resets: Tensor | None
    layout: layout.Layout


class RecurrentLayer(nn.Module, ABC):
    """Base of LSTM, GRU and RNN; a subclass gives the cell, its operator and its options."""

    cell: ClassVar[CellName]
    operator: ClassVar[Operator]
    gates: ClassVar[int]  # G, the blocks of the weights
    state_names: ClassVar[tuple[str, ...]] = ("h_0",)

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
        self.init = init
        self.max_period = max_period
        self.backend = backend
        self._check_arguments()
        self.dropout = float(dropout)
        for layer in range(num_layers):
            for direction in range(self.num_directions):
                self._register_weights(layer, direction, device, dtype)
        self.reset_parameters()

    @property
    def num_directions(self) -> int:
        """D: 2 when bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters, a list for each layer and direction, in torch's order."""
        return [
            [getattr(self, name) for name in self._weight_names(layer, direction).values()]
            for layer in range(self.num_layers)
            for direction in range(self.num_directions)
        ]

    @abstractmethod
    def options(self, *, reverse: bool) -> Options:
        """Give the operator's options for one direction."""

    def weights(self, layer: int, direction: int) -> Weights:
        """Give the weights of a layer in direction 0 (forward) or 1 (reverse)."""
        names = self._weight_names(layer, direction)
        return Weights(**{short: getattr(self, name) for short, name in names.items()})

    def reset_parameters(self) -> None:
        """Draw all weights anew, by ``init``."""
        weights = [
            self.weights(layer, direction)
            for layer in range(self.num_layers)
            for direction in range(self.num_directions)
        ]
        initialise(self.cell, self.init, weights, self.hidden_size, self.max_period)

    def flatten_parameters(self) -> None:
        """Do nothing: here for code written for torch.nn."""

    def extra_repr(self) -> str:
        """Show the sizes, and every other argument that is not at its default."""
        return shown_arguments(self, self._defaults())

    def _defaults(self) -> dict[str, Any]:
        """Give the arguments that ``extra_repr`` shows when they differ from these defaults."""
        return {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0,
            "bidirectional": False,
            "init": "torch",
            "max_period": None,
            "backend": "auto",
        }

    def _check_arguments(self) -> None:
        checks.check_sizes(self.input_size, self.hidden_size)
        checks.check_count("num_layers", self.num_layers, least=1)
        checks.check_count("proj_size", self.proj_size, least=0)
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"proj_size must be smaller than hidden_size={self.hidden_size}; "
                f"got {self.proj_size}."
            )
        for name in ("bias", "batch_first", "bidirectional"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be True or False; got {getattr(self, name)!r}.")
        is_number = isinstance(self.dropout, int | float) and not isinstance(self.dropout, bool)
        if not is_number or not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout must be a number from 0 to 1; got {self.dropout!r}.")
        if self.dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"dropout={self.dropout} acts between layers, and with num_layers=1 there is no "
                "between: it has no effect.",
                stacklevel=4,
            )
        check_scheme(self.init, self.cell, self.bias, self.max_period)
        check_backend_name(self.backend)
        self.options(reverse=False)  # which checks itself

    def _weight_names(self, layer: int, direction: int) -> dict[str, str]:
        """Map the fields of ``Weights`` that exist here to torch's parameter names."""
        suffix = f"_l{layer}" + ("_reverse" if direction else "")
        names = {"w_ih": "weight_ih", "w_hh": "weight_hh"}
        if self.bias:
            names |= {"b_ih": "bias_ih", "b_hh": "bias_hh"}
        if self.proj_size:
            names |= {"w_hr": "weight_hr"}
        return {short: name + suffix for short, name in names.items()}

    def _register_weights(self, layer: int, direction: int, device: Any, dtype: Any) -> None:
        rows = self.gates * self.hidden_size
        width = self.proj_size or self.hidden_size
        shapes = {
            "w_ih": (rows, width * self.num_directions if layer else self.input_size),
            "w_hh": (rows, width),
            "b_ih": (rows,),
            "b_hh": (rows,),
            "w_hr": (self.proj_size, self.hidden_size),
        }
        for short, name in self._weight_names(layer, direction).items():
            empty = torch.empty(shapes[short], device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty))

    def run_with(
        self, operator: Operator, batch: Batch
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, ...]]:
        """Run all layers over a prepared batch, each direction of each by ``operator``.

        Returns:
            The output in the input's form, and the tuple of final states, (L·D, B, ·) each.
        """
        y, final = batch.x, []
        for layer in range(self.num_layers):
            outputs = []
            for direction in range(self.num_directions):
                y_direction, *state = operator(*self.arguments(layer, direction, y, batch))
                outputs.append(y_direction)
                final.append(state)
            y = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)  # (T, B, D·H)
            if self.dropout and layer < self.num_layers - 1:
                y = F.dropout(y, self.dropout, self.training)
        state_n = (torch.stack(states) for states in zip(*final, strict=True))  # (L·D, B, ·) each
        restore = batch.layout
        return restore.restore_output(y), tuple(restore.restore_state(s) for s in state_n)

    def arguments(self, layer: int, direction: int, x: Tensor, batch: Batch) -> tuple[Any, ...]:
        """Give the operator's arguments for one layer and direction, with input ``x``."""
        weights = self.weights(layer, direction)
        state = (s[layer * self.num_directions + direction] for s in batch.state)
        options = self.options(reverse=direction == 1)
        extras = Extras(w_hr=weights.w_hr)
        return (x, *state, *weights[:4], extras, batch.lengths, batch.resets, None, options)

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
        owner, weight = type(self).__name__, self.weights(0, 0).w_ih
        if isinstance(input, PackedSequence):
            if lengths is not None or resets is not None:
                raise ValueError(
                    f"{owner}: a PackedSequence has its own lengths and takes neither lengths nor "
                    "resets; pass a padded tensor instead (torch.nn.utils.rnn.pad_packed_sequence)."
                )
            checks.check_input(owner, input.data, (2, 2), self.input_size, weight)
            x, lengths, form = layout.packed(input)
            state = self._checked_state(hx, (x.shape[1],), weight)
            return Batch(x, tuple(form.arrange_state(s) for s in state), lengths, None, form)

        checks.check_input(owner, input, (2, 3), self.input_size, weight)
        is_batched, batch_first = input.dim() == 3, self.batch_first and input.dim() == 3
        x, form = layout.batched(input, batch_first) if is_batched else layout.unbatched(input)
        steps, batch_shape = x.shape[0], (x.shape[1],) if is_batched else ()
        state = self._checked_state(hx, batch_shape, weight)
        if lengths is not None:
            lengths = checks.check_lengths(owner, lengths, batch_shape, steps, x.device).view(-1)
        if resets is not None:
            resets = checks.check_resets(owner, resets, tuple(input.shape[:-1]), x.device)
            resets = resets.t() if batch_first else resets.view(x.shape[:2])
        return Batch(x, tuple(form.arrange_state(s) for s in state), lengths, resets, form)

    def _checked_state(
        self, hx: Any, batch_shape: tuple[int, ...], weight: Tensor
    ) -> tuple[Tensor, ...]:
        rows = self.num_layers * self.num_directions
        widths = (self.proj_size or self.hidden_size, self.hidden_size)
        shapes = [(rows, *batch_shape, width) for width in widths[: len(self.state_names)]]
        return checks.check_state(type(self).__name__, hx, self.state_names, shapes, weight)


def check_layer(function: str, layer: Any) -> None:
    """Raise ValueError unless ``layer`` is one of ours; ``function`` is who asks."""
    if not isinstance(layer, RecurrentLayer):
        kind = type(layer)
        raise ValueError(
            f"{function} takes a gatewise LSTM, GRU or RNN; got {kind.__module__}.{kind.__name__}. "
            "A torch.nn layer's weights go into ours by load_state_dict(theirs.state_dict())."
        )
