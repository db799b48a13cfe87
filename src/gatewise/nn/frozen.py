"""A layer frozen for use one step, or one piece of a sequence, at a time."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gatewise.ops.call import Call
from gatewise.ops.native_call import freeze

if TYPE_CHECKING:
    from gatewise.nn.base import RecurrentLayer

Array = npt.NDArray[Any]


class Frozen:
    """What ``layer.freeze()`` gives: packed copies of the weights, and a state that stays.

    It works on NumPy arrays of the layer's dtype, in evaluation and without gradients. Later
    changes of the layer's weights do not reach it; freeze the layer again. One object serves one
    thread at a time.

    Attributes:
        state: for each layer (h,) or (h, c), arrays of shape (B, H or P) and (B, H), which may be
            read and written between steps.
    """

    def __init__(self, layer: "RecurrentLayer", batch_size: int) -> None:
        check_freezable(layer, batch_size)
        self._layer_shape = (batch_size, layer.input_size)
        self._dtype = np.dtype(str(layer.weight_ih_l0.dtype).removeprefix("torch."))
        self._initial: list[tuple[Array, ...]] = []
        self._cores = [self._freeze_layer(layer, number) for number in range(layer.num_layers)]
        has_cell = len(layer.state_names) == 2
        self.state = [(core.h, core.c) if has_cell else (core.h,) for core in self._cores]
        *inner, last = (core.h.shape for core in self._cores)
        self._between = [np.empty(shape, self._dtype) for shape in inner]  # the layers, in a step
        self._steps: dict[tuple[int, ...], tuple[int, ...]] = {self._layer_shape: last}  # x → y
        if batch_size == 1:
            self._steps[self._layer_shape[1:]] = last[1:]
        self.reset()

    def _freeze_layer(self, layer: "RecurrentLayer", number: int) -> Any:
        weights, batch_size = layer.weights(number, 0), self._layer_shape[0]
        widths = (layer.proj_size or layer.hidden_size, layer.hidden_size)
        learned = (weights.initial_h, weights.initial_c)
        states = tuple(
            weights.w_ih.new_zeros(batch_size, width) + (0 if initial is None else initial)
            for initial, width in zip(learned, widths, strict=True)
        )[: len(layer.state_names)]
        self._initial.append(tuple(s.detach().numpy() for s in states))
        x = weights.w_ih.new_zeros(1, batch_size, weights.w_ih.shape[1])
        options = layer.options(layer=number, reverse=False, backend="cpu")
        given = (*weights[:4], weights.extras, None, None, None, options)
        return freeze(Call(layer.cell, x, states, *given))

    def reset(self) -> None:
        """Begin a new sequence: from zero, or from the learned initial state."""
        for parts, initial in zip(self.state, self._initial, strict=True):
            for part, value in zip(parts, initial, strict=True):
                part[:] = value

    def step(self, x: Array) -> Array:
        """Take one step.

        Args:
            x: (I,) with batch_size=1, or (B, I); of the layer's dtype.

        Returns:
            y, (H or P,) or (B, H or P).

        Raises:
            ValueError: if the shape or the dtype is another.
        """
        if x.shape not in self._steps or x.dtype != self._dtype:
            is_single = x.ndim == 1 and self._layer_shape[0] == 1
            self._refuse(x, self._layer_shape[1:] if is_single else self._layer_shape)
        current, y = np.ascontiguousarray(x), np.empty(self._steps[x.shape], self._dtype)
        for core, between in zip(self._cores, self._between, strict=False):  # all but the last
            core.advance(current, between)
            current = between
        self._cores[-1].advance(current, y)
        return y

    def __call__(self, x: Array) -> Array:
        """Take T steps, going on from the state that the last ones left.

        Args:
            x: (T, I) with batch_size=1, or (T, B, I); of the layer's dtype.

        Returns:
            y, (T, H or P) or (T, B, H or P).

        Raises:
            ValueError: if the shape or the dtype is another.
        """
        batch_size, features = self._layer_shape
        is_single = x.ndim == 2 and batch_size == 1
        wanted = (*x.shape[:1], *(() if is_single else (batch_size,)), features)
        if x.shape != wanted or x.dtype != self._dtype:
            self._refuse(x, wanted)
        current = np.ascontiguousarray(x)
        for core in self._cores:
            y = np.empty((len(x), *core.h.shape), self._dtype)
            core.advance(current, y, torch.get_num_threads())
            current = y
        return current[:, 0] if is_single else current

    def _refuse(self, x: Array, wanted: tuple[int, ...]) -> None:
        """Raise ValueError: x is not of the shape and dtype wanted."""
        raise ValueError(
            f"the frozen layer takes x of shape {wanted} and dtype {self._dtype}; "
            f"got shape {x.shape} and dtype {x.dtype}."
        )


def check_freezable(layer: "RecurrentLayer", batch_size: Any) -> None:
    """Raise ValueError unless a layer can be frozen."""
    if layer.bidirectional:
        raise ValueError(
            "freeze() takes a layer of one direction: a bidirectional one cannot go step by step, "
            "its reverse direction begins at the end."
        )
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"batch_size must be a whole number of at least 1; got {batch_size!r}.")
    weight: Tensor = layer.weight_ih_l0
    if weight.device.type != "cpu":
        raise ValueError(f"freeze() takes a layer on the CPU; its weights are on {weight.device}.")
