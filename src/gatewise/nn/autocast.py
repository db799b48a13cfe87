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
    if not torch.is_autocast_enabled("cpu"):
        return None
    is_single = weight.device.type == "cpu" and weight.dtype == torch.float32
    return torch.get_autocast_dtype("cpu") if is_single else None


def widen(value: Any, weight: Tensor) -> Any:
    """Give what a user passed, tensors, packed batches and tuples of them, in the weights' type.

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
