"""What layers and cells share: options, weights and how they are named, shown and loaded."""

from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gatewise.nn import checks
from gatewise.nn.init import check_scheme
from gatewise.nn.state_layout import NAMES, mismatch
from gatewise.ops.call import OPTIONS, CellName, CellOptions
from gatewise.ops.weights import Weights, weight_shapes

# The operators' options that only some cells have, with their defaults.
_COMMON = {field.name for field in fields(CellOptions)}
_OWN_OPTIONS = {
    cell: {field.name: field.default for field in fields(kind) if field.name not in _COMMON}
    for cell, kind in OPTIONS.items()
}
_SEEDS = 2**63 - 1  # as many as an int64 has from 0 on
_FLAGS = ("bias", "peephole", "coupled", "layer_norm", "learn_initial_state")


def _make_options(
    cell: CellName,
    recurrent_dropout: float,
    layer: int,
    reverse: bool,
    backend: str,
    *values: Any,
) -> Any:
    """Make an operator's options; ``values`` are those of the cell's own, then zoneout's."""
    names = _OWN_OPTIONS[cell]
    return OPTIONS[cell](
        **dict(zip(names, values, strict=False)),
        zoneout=values[len(names) :],
        recurrent_dropout=recurrent_dropout,
        layer=layer,
        reverse=reverse,
        backend=backend,
    )


# By value, so that a layer's changed attribute is seen; and by type, since True == 1 is refused.
_known_options = lru_cache(maxsize=1024, typed=True)(_make_options)


class RecurrentModule(nn.Module):
    """Base of layers and cells; a subclass sets the options that it takes before ``__init__``."""

    cell: ClassVar[CellName]
    state_names: ClassVar[tuple[str, ...]] = ("h_0",)

    input_size: int
    hidden_size: int
    bias: bool
    peephole: bool = False
    coupled: bool = False
    layer_norm: bool = False
    learn_initial_state: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float | tuple[float, float] = 0.0
    init: str
    max_period: float | None

    def __init__(self) -> None:
        super().__init__()
        self._names: dict[str, dict[str, str]] = {}  # of the parameters, by suffix and field

    def options(self, *, layer: int = 0, reverse: bool = False, backend: str = "auto") -> Any:
        """Give the operator's options for one layer and direction."""
        cell = self.cell
        own = [getattr(self, name) for name in _OWN_OPTIONS[cell]]
        common = (self.recurrent_dropout, layer, reverse, backend)
        values = (cell, *common, *own, *self._zoneout())
        if torch.compiler.is_compiling():  # which warns of caches
            return _make_options(*values)
        try:
            return _known_options(*values)
        except TypeError:  # a value that has no hash, and so is no option: say which
            return _make_options(*values)

    @property
    def draws_masks(self) -> bool:
        """Whether a forward now draws masks: in training, with zoneout or recurrent dropout."""
        return self.training and bool(self.recurrent_dropout or any(self._zoneout()))

    def draw_seed(self) -> Tensor | None:
        """Draw the seed of one call's masks from torch's CPU generator; None: there are none."""
        return torch.randint(_SEEDS, (), device="cpu") if self.draws_masks else None

    def extra_repr(self) -> str:
        """Show the sizes, and every other argument that is not at its default."""
        shown = [str(self.input_size), str(self.hidden_size)]
        for name, default in self._defaults().items():
            value = getattr(self, name)
            if value != default:
                shown.append(f"{name}={value!r}")
        return ", ".join(shown)

    def _zoneout(self) -> tuple[float, ...]:
        """Give zoneout's probability for each part of the state."""
        return checks.check_zoneout(type(self).__name__, self.zoneout, len(self.state_names))

    def _defaults(self) -> dict[str, Any]:
        """Give the arguments that ``extra_repr`` shows when they differ from these defaults."""
        return {
            "bias": True,
            **_OWN_OPTIONS[self.cell],
            "peephole": False,
            "layer_norm": False,
            "recurrent_dropout": 0,
            "zoneout": 0,
            "learn_initial_state": False,
            "init": "torch",
            "max_period": None,
        }

    def _check_arguments(self) -> None:
        checks.check_sizes(self.input_size, self.hidden_size)
        for name in _FLAGS:
            checks.check_flag(name, getattr(self, name))
        check_scheme(self.init, self.cell, self.bias, self.max_period)
        self.options()  # which checks itself

    def _shapes(self, inputs: int, proj: int = 0) -> dict[str, tuple[int, ...]]:
        return weight_shapes(
            self.cell,
            inputs,
            self.hidden_size,
            bias=self.bias,
            proj=proj,
            coupled=self.coupled,
            peephole=self.peephole,
            layer_norm=self.layer_norm,
            learn_initial_state=self.learn_initial_state,
        )

    def _register(
        self, shapes: dict[str, tuple[int, ...]], suffix: str, device: Any, dtype: Any
    ) -> None:
        """Make parameters of these shapes, by the fields of ``Weights``."""
        names = {field: NAMES[field] + suffix for field in shapes}
        for field, name in names.items():
            empty = torch.empty(shapes[field], device=device, dtype=dtype)
            self.register_parameter(name, nn.Parameter(empty))
        self._names[suffix] = names

    def _weight(self, name: str) -> Any:
        """Look a weight up as ``getattr`` does, at a fraction of the cost where it is a parameter.

        What takes a parameter's place (parametrize, prune, ...) removes the parameter.
        """
        weight = self._parameters.get(name)
        return getattr(self, name) if weight is None else weight

    def _weights(self, suffix: str) -> Weights:
        names = self._names[suffix].items()
        return Weights(**{field: self._weight(name) for field, name in names})

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Load as torch does; weights of another layout are refused before any is copied.

        Raises:
            RuntimeError: if names or shapes differ, with the layer that would take the weights.
        """
        if strict and (message := self._misfit(state_dict, "")):
            name = type(self).__name__
            raise RuntimeError(f"Error(s) in loading state_dict for {name}:\n\t{message}")
        return super().load_state_dict(state_dict, strict, assign)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Load as a part of a bigger model, where torch judges missing and unexpected names."""
        error_messages: list[str] = rest[-1]
        own = self._entries(self.state_dict(), "")
        given = self._entries(state_dict, prefix)
        has_other_shapes = any(given.get(name, shape) != shape for name, shape in own.items())
        if has_other_shapes and (message := self._misfit(state_dict, prefix)):
            error_messages.append(f"{prefix.rstrip('.')}: {message}" if prefix else message)
            return
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _misfit(self, state_dict: Mapping[str, Any], prefix: str) -> str | None:
        """Say why weights are another layer's; None if they are not, or hooks may change them."""
        given = self._entries(state_dict, prefix)
        if not given or self._load_state_dict_pre_hooks:
            return None
        return mismatch(f"{self}", self._entries(self.state_dict(), ""), given)

    @staticmethod
    def _entries(state_dict: Mapping[str, Any], prefix: str) -> dict[str, Any]:
        """Give the shapes of a module's own tensors by name, without those of its children."""
        return {
            name: value.shape
            for key, value in state_dict.items()
            if key.startswith(prefix)
            and "." not in (name := key[len(prefix) :])
            and isinstance(value, Tensor)
        }
