"""Checks of what a user passes, each failure one ValueError that says what to change."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from gatewise.ops.surroundings import values_of

# Lengths as a user may write them: a tensor, a list, or one number for unbatched input.
Lengths = Tensor | Sequence[int] | int


def check_input(
    owner: str, given: Any, dims: tuple[int, int], features: int, weight: Tensor
) -> None:
    """Check the dimensions, feature size, dtype and device of an input.

    Args:
        owner: the layer's name, for the message.
        given: what was passed.
        dims: the numbers of dimensions allowed: unbatched, batched.
        features: I.
        weight: a weight, whose dtype and device the input must have.
    """
    if not isinstance(given, Tensor):
        raise ValueError(f"{owner} takes a tensor as input; got {type(given).__name__}.")
    if given.dim() not in dims:
        raise ValueError(
            f"{owner} takes input with {dims[0]} dimensions (unbatched) or {dims[1]}; "
            f"got {given.dim()}, shape {tuple(given.shape)}."
        )
    if given.shape[-1] != features:
        raise ValueError(
            f"{owner} has input_size={features}, but the input's last dimension is "
            f"{given.shape[-1]}, shape {tuple(given.shape)}."
        )
    check_like_weight(owner, "input", given, weight)


def check_packed(owner: str, packed: PackedSequence, features: int, weight: Tensor) -> None:
    """Check the data of a packed batch as an input's, and that its batch sizes fit the data."""
    data, batch_sizes = packed.data, packed.batch_sizes
    if data.dim() != 2:
        raise ValueError(
            f"{owner} takes a PackedSequence of sequences (T, I), its data of 2 dimensions; "
            f"got {data.dim()}, shape {tuple(data.shape)}."
        )
    check_input(owner, data, (2, 2), features, weight)
    if torch.compiler.is_compiling():  # sees no values
        return
    sizes = batch_sizes.tolist()
    is_falling = sizes == sorted(sizes, reverse=True) and min(sizes, default=0) > 0
    if sum(sizes) != len(data) or not is_falling:
        raise ValueError(
            f"{owner}: a PackedSequence's batch_sizes must not rise, each at least 1, and must add "
            f"up to its {len(data)} rows of data; got {_shorten(sizes)}, {sum(sizes)} rows. Make "
            "one by torch.nn.utils.rnn.pack_padded_sequence or pack_sequence."
        )


def _shorten(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:8]))
    return f"[{shown}, …]" if len(numbers) > 8 else f"[{shown}]"


def check_like_weight(owner: str, name: str, tensor: Tensor, weight: Tensor) -> None:
    """Check that a tensor has the dtype and device of a weight."""
    if tensor.dtype != weight.dtype:
        raise ValueError(
            f"{owner}: {name} is {tensor.dtype}, but the weights are {weight.dtype}; convert one: "
            f"{name}.to({weight.dtype}) or layer.to({tensor.dtype})."
        )
    if tensor.device != weight.device:
        raise ValueError(
            f"{owner}: {name} is on {tensor.device}, but the weights are on {weight.device}; move "
            f"one: {name}.to({str(weight.device)!r}) or layer.to({str(tensor.device)!r})."
        )


def check_state(
    owner: str, hx: Any, names: tuple[str, ...], shapes: list[tuple[int, ...]], weight: Tensor
) -> tuple[Tensor, ...]:
    """Check ``hx`` and give it as a tuple; zeros if it is None.

    Args:
        owner: the layer's name, for the message.
        hx: None, one tensor when there is one name, else a tuple of tensors.
        names: what the state consists of.
        shapes: the shape of each.
        weight: a weight, whose dtype and device the state must have.
    """
    if hx is None:
        return tuple(weight.new_zeros(shape) for shape in shapes)
    state = (hx,) if len(names) == 1 else hx
    is_right_kind = isinstance(state, tuple | list) and all(isinstance(s, Tensor) for s in state)
    if not is_right_kind or len(state) != len(names):
        expected = "one tensor, h_0" if len(names) == 1 else "a pair of tensors, (h_0, c_0)"
        raise ValueError(f"{owner} takes hx as {expected}; got {_describe(hx)}.")
    for name, tensor, shape in zip(names, state, shapes, strict=True):
        if tensor.shape != shape:
            raise ValueError(
                f"{owner}: {name} must have shape {shape} for this input; "
                f"got {tuple(tensor.shape)}."
            )
        check_like_weight(owner, name, tensor, weight)
    return tuple(state)


def _describe(value: Any) -> str:
    kind = type(value).__name__
    return f"a {kind} of {len(value)}" if isinstance(value, tuple | list) else f"a {kind}"


def _as_tensor(owner: str, name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{owner}: {name} must be a tensor or a list; {error}.") from error


def check_lengths(
    owner: str, lengths: Lengths, shape: tuple[int, ...], steps: int, device: torch.device
) -> Tensor:
    """Check lengths and give them as int64 on ``device``.

    Args:
        owner: the layer's name, for the message.
        lengths: what was passed.
        shape: (B,), or () for unbatched input.
        steps: T, the greatest length allowed.
        device: where the input is.
    """
    given = _as_tensor(owner, "lengths", lengths)
    if given.numel() == 0:  # an empty list becomes a float tensor
        given = given.long()
    if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
        raise ValueError(f"{owner}: lengths must be integers; got {given.dtype}.")
    if given.shape != shape:
        expected = (
            f"have shape {shape}, one for each sequence of the batch"
            if shape
            else "be a single number, since the input is unbatched"
        )
        raise ValueError(f"{owner}: lengths must {expected}; got shape {tuple(given.shape)}.")
    # Tracing sees no values: there, the operators look at them when they run.
    values = values_of(given)
    if values is None or not values.numel():
        return given.to(device, torch.int64)
    least, greatest = int(values.min()), int(values.max())
    if not 0 <= least <= greatest <= steps:
        raise ValueError(
            f"{owner}: lengths must lie between 0 and the input's {steps} steps; "
            f"got {least} to {greatest}."
        )
    return given.to(device, torch.int64)


def check_resets(owner: str, resets: Any, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Check resets and give them on ``device``; ``shape`` is the input's without its features."""
    given = _as_tensor(owner, "resets", resets)
    if given.dtype != torch.bool:
        raise ValueError(
            f"{owner}: resets must be bool, True where a sequence is cut before the step; "
            f"got {given.dtype}. For 0 and 1, pass resets.bool()."
        )
    if given.shape != shape:
        raise ValueError(
            f"{owner}: resets must have shape {shape}, as the input has without its features; "
            f"got {tuple(given.shape)}."
        )
    return given.to(device)


def check_sizes(input_size: Any, hidden_size: Any) -> None:
    """Raise ValueError unless both are positive integers."""
    for name, value in (("input_size", input_size), ("hidden_size", hidden_size)):
        check_count(name, value, least=1)


def check_count(name: str, value: Any, least: int) -> None:
    """Raise ValueError unless ``value`` is an integer of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")


def check_flag(name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False; got {value!r}.")


def check_zoneout(owner: str, value: Any, parts: int) -> tuple[Any, ...]:
    """Give zoneout as one probability for each of a state's ``parts``, h and c, or h alone.

    The probabilities themselves are left to the options of the operators.
    """
    if not isinstance(value, tuple | list):
        return (value,) * parts
    if len(value) != parts or parts == 1:
        expected = "a number, or (p_h, p_c)" if parts == 2 else "a number: its state is h alone"
        raise ValueError(f"{owner} takes zoneout as {expected}; got {value!r}.")
    return tuple(value)


def check_mask(owner: str, mask: Any, h: Tensor) -> None:
    """Raise ValueError unless ``mask`` can multiply the hidden state ``h``."""
    if not isinstance(mask, Tensor):
        raise ValueError(f"{owner} takes a tensor as mask; got {_describe(mask)}.")
    if mask.shape != h.shape:
        raise ValueError(
            f"{owner}: mask must have shape {tuple(h.shape)}, as the hidden state; "
            f"got {tuple(mask.shape)}."
        )
    if mask.dtype == torch.bool:
        raise ValueError(
            f"{owner}: mask must be the numbers that h is multiplied by, 0 or 1/(1 − p), as "
            "torch.nn.functional.dropout(torch.ones(...), p) gives them; got torch.bool."
        )
    check_like_weight(owner, "mask", mask, h)
