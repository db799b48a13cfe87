"""Layers and cells under ``torch.autocast`` on a CPU.

They compute in float32, their weights' type, and so do their states, which a sum over many steps
would wear out in 16 bits; a layer's output leaves in autocast's type.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

_NARROW = (torch.bfloat16, torch.float16)


def output_type(weight: Tensor) -> torch.dtype | None:
    """Give the type that autocast wants of a layer's output; None: it is off, or leaves it alone.

    As everywhere, autocast leaves double precision alone.
    """
    is_on = torch.is_autocast_enabled("cpu") and weight.device.type == "cpu"
    return torch.get_autocast_dtype("cpu") if is_on and weight.dtype == torch.float32 else None


def widen(value: Any, weight: Tensor) -> Any:
    """Give what a user passed, a tensor, a pair or a packed batch, in the type of the weights.

    Where autocast is off everything stays as it is, and so does always what is not in 16 bits.
    """
    if output_type(weight) is None:
        return value
    is_packed = isinstance(value, PackedSequence)
    if isinstance(value, tuple | list) and not is_packed:
        return tuple(widen(part, weight) for part in value)
    data = value.data if is_packed else value
    is_narrow = isinstance(data, Tensor) and data.dtype in _NARROW
    return value.to(weight.dtype) if is_narrow else value


def suspended(weight: Tensor) -> AbstractContextManager[Any]:
    """Switch autocast off for a while, if it is on."""
    return nullcontext() if output_type(weight) is None else torch.autocast("cpu", enabled=False)


def narrow(output: Tensor | PackedSequence, weight: Tensor) -> Tensor | PackedSequence:
    """Give a layer's output in autocast's type, if that is on."""
    wanted = output_type(weight)
    return output if wanted is None else output.to(wanted)
