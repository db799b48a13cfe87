"""What a call runs inside of: transforms, tracing, autograd."""

from collections.abc import Iterable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.fx.experimental.proxy_tensor import get_proxy_mode
from torch.nn import Parameter
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

_PLAIN = {Tensor, Parameter}  # types whose memory is what they are


def transform() -> str | None:
    """Name what wants to look into every step of a call, or give None.

    Only the reference is made of steps that ``torch.func`` and forward mode know.
    """
    if torch._C._functorch.get_dynamic_layer_stack_depth() > 0:
        return "the transforms of torch.func"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward-mode derivatives"
    return None


def is_traced(*tensors: Tensor) -> bool:
    """Say whether something looks on that must see operators, not memory that changes."""
    return (
        torch.compiler.is_compiling()
        or any(type(tensor) not in _PLAIN for tensor in tensors)
        or is_in_torch_dispatch_mode()
        or torch._C._is_tracing()
    )


def wants_gradients(tensors: Iterable[Tensor | None]) -> bool:
    """Say whether autograd may ask for any of the tensors' gradients."""
    # What torch.jit.trace records may run in another mode than now, and is checked in both.
    is_recorded = not torch.compiler.is_compiling() and torch._C._is_tracing()
    return (torch.is_grad_enabled() or is_recorded) and any(
        t is not None and t.requires_grad for t in tensors
    )


def to_save(tensor: Tensor | None) -> Tensor | None:
    """Give a tensor as autograd can save it, which what came of inference mode is not."""
    return tensor.clone() if tensor is not None and tensor.is_inference() else tensor


def is_batched(tensor: Tensor | None) -> bool:
    """Say whether a tensor stands for many, as inside ``vmap``."""
    functorch = torch._C._functorch
    return tensor is not None and (
        functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)
    )


def values_of(tensor: Tensor) -> Tensor | None:
    """Give the numbers of a tensor, out of all transforms around it; None where there are none."""
    if torch.compiler.is_compiling():
        return None
    functorch = torch._C._functorch
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    has_none = tensor.is_meta or isinstance(tensor, FakeTensor) or get_proxy_mode() is not None
    return None if has_none else tensor
